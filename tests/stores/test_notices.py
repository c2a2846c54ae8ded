"""Notices: signed, strict, and without effect when forged, garbled, replayed or out of time."""

from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flask_wsguard.core.notices import Notice, new_notice, read_notice, write_notice
from flask_wsguard.core.tickets import Keys, Ticket, Token
from flask_wsguard.ended import EndedSessions, digest_of
from flask_wsguard.live.bus import Bus, Hearing
from flask_wsguard.live.connection import Connection
from flask_wsguard.live.sockets import Sockets
from flask_wsguard.stores import StoreUnavailable
from flask_wsguard.stores.watched import WatchedStore
from tests.live.gunicorn import until

KEYS = Keys(["a secret of the site"])
NOW = 1_000_000_000.0
ID = "A" * 22


class Shared:
    """A store that keeps what is published, or fails."""

    is_shared = True
    spans_machines = False

    def __init__(self) -> None:
        self.published: list[str] = []
        self.fails = False

    def spend(self, token_id: str, seconds: int) -> bool:
        return True

    def publish(self, notice: str) -> None:
        if self.fails:
            raise StoreUnavailable("away")
        self.published.append(notice)

    def notices(self, wait: float) -> list[str]:
        return []


def ticket(user: str = "alice", session: str = "S" * 22, id_: str = ID) -> Ticket:
    return Ticket(id_, user, frozenset(), "B" * 22, session, 1, 2)


class Process:
    """One process: its bus and its sockets."""

    def __init__(
        self, store: Shared | None = None, *, close_on_logout: bool = True, leeway: float = 0.0
    ) -> None:
        self.sockets = Sockets(None, 20, 10)
        self.ended = EndedSessions(3600)
        self.store = store or Shared()
        hearing = Hearing(
            KEYS, self.ended, self.sockets, 3600.0, leeway, close_on_logout, now=lambda: NOW
        )
        self.bus = Bus(WatchedStore(self.store), hearing)

    def hold(self, ticket: Ticket | None, nonce: str = "", opened: float = NOW - 10) -> Connection:
        connection = Connection(ticket, "/", nonce=nonce or None)
        connection.opened_at = time.monotonic() - (NOW - opened)
        assert self.sockets.take(connection)
        return connection


def signed(**fields: Any) -> str:
    return write_notice(new_notice(fields.pop("now", NOW), **fields), KEYS)


def test_round_trip() -> None:
    """What is written is read."""
    notice = new_notice(NOW, code=4401, reason="r", user="u", session="s", ticket="t")
    assert read_notice(write_notice(notice, KEYS), KEYS) == notice


GOOD = ["n1", ID, NOW, 4401, "", "", "", "", ""]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("", id="empty"),
        pytest.param("not json", id="no-json"),
        pytest.param("[" * 900, id="deep"),
        pytest.param("{}", id="object"),
        pytest.param("null", id="null"),
        pytest.param(json.dumps(["n2", *GOOD[1:]]), id="other-version"),
        pytest.param(json.dumps(GOOD[:-1]), id="a-field-less"),
        pytest.param(json.dumps([*GOOD, ""]), id="a-field-more"),
        *(
            pytest.param(json.dumps([*GOOD[:at], None, *GOOD[at + 1 :]]), id=f"null-at-{at}")
            for at in range(9)
        ),
        pytest.param(json.dumps([*GOOD[:3], "4401", *GOOD[4:]]), id="code-as-text"),
        pytest.param(json.dumps([*GOOD[:3], True, *GOOD[4:]]), id="code-as-bool"),
        pytest.param(json.dumps([*GOOD[:2], True, *GOOD[3:]]), id="time-as-bool"),
        pytest.param(json.dumps([*GOOD[:2], float("nan"), *GOOD[3:]]), id="time-nan"),
        pytest.param(json.dumps([*GOOD[:4], "x" * 2100, *GOOD[5:]]), id="too-long"),
    ],
)
def test_parsing_is_strict(payload: str) -> None:
    """Even with a good signature, any surprise is no notice."""
    assert read_notice(KEYS.sign_notice(json.dumps(GOOD)), KEYS) is not None
    assert read_notice(KEYS.sign_notice(payload), KEYS) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("garbage", id="garbage"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param(signed(code=4401)[:-1], id="truncated"),
        pytest.param(signed(code=4401).replace("4401", "4402"), id="changed"),
        pytest.param(
            write_notice(new_notice(NOW, code=4401), Keys(["a foreign secret"])), id="foreign-key"
        ),
        pytest.param(KEYS.mint_ticket(ticket()), id="a-ticket"),
        pytest.param(KEYS.mint_token(Token(ID, ID, 1, 2)), id="a-token"),
        pytest.param(KEYS._tickets.sign(json.dumps(GOOD)).decode(), id="notice-signed-as-ticket"),
        pytest.param(KEYS._tokens.sign(json.dumps(GOOD)).decode(), id="notice-signed-as-token"),
    ],
)
def test_unsigned_notice_is_one_log_line(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing happens but the line, which a tenant who writes all day does not repeat."""
    process = Process()
    held = [process.hold(ticket()), process.hold(None)]
    process.bus.hear(text)
    process.bus.hear(text)
    assert not any(connection.is_closing for connection in held)
    assert [record.getMessage() for record in caplog.records] == [
        "a notice that this site did not sign was ignored, and so will others be: another site, or "
        "somebody else, writes to this store. Give each site a WSGUARD_COOKIE_NAME of its own"
    ]


@pytest.mark.parametrize("at", [NOW - 3601, NOW + 61], ids=["lapsed", "from-the-future"])
def test_notice_from_another_time(at: float, caplog: pytest.LogCaptureFixture) -> None:
    """Too old or too new: clocks disagree, or somebody kept it."""
    process = Process()
    held = process.hold(ticket(), opened=0)
    process.bus.hear(signed(now=at, code=4401))
    assert not held.is_closing
    assert [record.getMessage() for record in caplog.records] == [
        "a notice from another time was ignored: compare clocks"
    ]


def test_replayed_notice_finds_nothing_to_do() -> None:
    """Here it is known; in a process that does not know it, later sockets are not meant."""
    process, text = Process(), signed(code=4401, user=KEYS.pseudonym("alice"), now=NOW - 5)
    first = process.hold(ticket())
    process.bus.hear(text)
    assert first.is_closing
    later = process.hold(ticket(), opened=NOW - 6)
    process.bus.hear(text)
    assert not later.is_closing
    fresh = Process()
    since = fresh.hold(ticket(), opened=NOW - 4)
    fresh.bus.hear(text)
    assert not since.is_closing


@pytest.mark.parametrize(
    ("fields", "closed"),
    [
        ({}, ["alice", "bob", "public"]),
        ({"user": KEYS.pseudonym("alice")}, ["alice"]),
        ({"session": "T" * 22}, ["bob"]),
        ({"ticket": "C" * 22}, ["bob"]),
        ({"user": KEYS.pseudonym("alice"), "ticket": "C" * 22}, []),
        ({"user": KEYS.pseudonym("alice"), "session": "T" * 22}, []),
    ],
    ids=["all", "user", "session", "ticket", "user-and-foreign-ticket", "user-and-foreign-session"],
)
def test_which_sockets_a_notice_means(fields: dict[str, str], closed: list[str]) -> None:
    """Those that match every field."""
    process = Process()
    held = {
        "alice": process.hold(ticket()),
        "bob": process.hold(ticket("bob", "T" * 22, "C" * 22)),
        "public": process.hold(None),
    }
    process.bus.hear(signed(code=4000, reason="told", **fields))
    assert [name for name, connection in held.items() if connection.is_closing] == closed
    assert {held[name].code for name in closed} <= {4000}


@pytest.mark.parametrize("close", [True, False], ids=["closes", "only-records"])
def test_notice_of_an_ended_session(close: bool) -> None:
    """It is recorded as ended; its sockets close where the site wants that."""
    process = Process(close_on_logout=close)
    mine, other = process.hold(ticket(), "nonce"), process.hold(ticket(), "other")
    process.bus.hear(signed(ended=digest_of("nonce")))
    assert process.ended.holds("nonce")
    assert (mine.is_closing, other.is_closing) == (close, False)


def test_notice_without_a_code_does_nothing() -> None:
    """It says nothing."""
    process = Process()
    held = process.hold(ticket())
    process.bus.hear(signed())
    assert not held.is_closing


def test_leeway_between_machines() -> None:
    """A socket that another clock calls younger than the notice is meant all the same."""
    process = Process(leeway=5.0)
    held, back = process.hold(ticket(), opened=NOW + 4), process.hold(ticket(), opened=NOW + 6)
    process.bus.hear(signed(code=4401))
    assert (held.is_closing, back.is_closing) == (True, False)


def test_clock_that_was_set_back_keeps_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened by a clock an hour ahead, it would look younger than every notice for an hour."""
    process = Process()
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: NOW + 3600)
        held = Connection(ticket(), "/")
    held.opened_at -= 10
    assert process.sockets.take(held)
    process.bus.hear(signed(now=NOW - 1, code=4401))
    assert held.is_closing


def test_own_notice_is_not_acted_upon() -> None:
    """Whoever tells has acted already."""
    process = Process()
    process.bus.tell(code=4401, reason="told")
    held = process.hold(ticket())
    process.bus.hear(process.store.published[0])
    assert not held.is_closing


def test_nobody_was_told(caplog: pytest.LogCaptureFixture) -> None:
    """A store that is away is said, with what it means."""
    process = Process()
    process.store.fails = True
    assert not process.bus.tell(code=4401)
    assert "other processes were not told" in caplog.text


def test_known_ids_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of notices is not remembered for ever."""
    monkeypatch.setattr("flask_wsguard.live.bus._IDS_KEPT", 3)
    process = Process()
    for _ in range(5):
        process.bus.hear(signed())
    assert len(process.bus._known) == 3


def test_notice_is_frozen() -> None:
    """A value."""
    with pytest.raises(AttributeError):
        Notice(ID, NOW).code = 1  # type: ignore[misc]


def test_reader_survives_a_fault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours at one notice does not make the process deaf to the next."""
    process, heard = Process(), []

    def hear(text: str) -> None:
        heard.append(text)
        raise LookupError(text)

    monkeypatch.setattr(process.bus, "hear", hear)
    monkeypatch.setattr(process.store, "notices", lambda wait: ["one", "two"])
    assert process.bus._read()
    assert heard == ["one", "two"]
    assert caplog.text.count("the reader of notices survived a fault") == 2


class Faulty(Shared):
    """A store that raises what none should, three times; then it has one notice."""

    def __init__(self) -> None:
        super().__init__()
        self.faults = [LookupError("a driver's")] * 3

    def notices(self, wait: float) -> list[str]:
        if self.faults:
            raise self.faults.pop()
        texts, self.published = self.published, []
        time.sleep(wait)
        return texts


def test_reader_survives_what_no_store_should_raise(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged once however long it lasts; whoever waits goes on; then the notices are heard."""
    monkeypatch.setattr("flask_wsguard.live.bus._WAIT_SECONDS", 0.01)
    process = Process(Faulty())
    held = process.hold(ticket())
    process.store.published.append(signed(code=4401))
    begin = time.monotonic()
    process.bus.listen()
    assert time.monotonic() - begin < 0.9
    until(lambda: held.is_closing)
    assert caplog.text.count("the reader of notices failed") == 1
    assert caplog.text.count("LookupError: a driver's") == 1
    # What was logged holds the frames of the reader, and with them the bus.
    caplog.clear()


def test_reader_survives_a_log_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that goes over the network fails when the store does; neither ends the hearing."""

    def handle(record: logging.LogRecord) -> None:
        raise ConnectionError("the log server is away")

    monkeypatch.setattr("flask_wsguard.live.bus._WAIT_SECONDS", 0.01)
    monkeypatch.setattr(logging.getLogger("flask_wsguard"), "handle", handle)
    process = Process(Faulty())
    held = process.hold(ticket())
    process.store.published += ["nobody signed this", signed(code=4401)]
    process.bus.listen()
    until(lambda: held.is_closing)


class Late(Shared):
    """A store with two readings full of notices, each of which takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = [[signed(ended=digest_of(nonce))] for nonce in ("one", "two")]
        self.waits: list[float] = []

    def notices(self, wait: float) -> list[str]:
        self.waits.append(wait)
        time.sleep(max(wait, 0.1))
        return self.parts.pop(0) if self.parts else []


def test_nobody_is_judged_before_the_process_has_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only who came first: all wait until everything that is kept was heard."""
    monkeypatch.setattr("flask_wsguard.live.bus._WAIT_SECONDS", 0.05)
    process, gun = Process(Late()), threading.Barrier(5)

    def come(_: int) -> bool:
        gun.wait(10)
        process.bus.listen()
        return process.ended.holds("two")

    with ThreadPoolExecutor(5) as pool:
        assert all(pool.map(come, range(5)))
    until(lambda: process.store.waits[:4] == [0.0, 0.0, 0.0, 0.05])
