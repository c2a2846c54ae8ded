"""Notices that a store does not take wait for it: bounded, and told as soon as it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_wsguard import WSGuard
from flask_wsguard.core.tickets import Ticket
from flask_wsguard.ended import digest_of
from flask_wsguard.live.connection import Connection
from flask_wsguard.live.outbox import Outbox
from flask_wsguard.ops.cli import wsguard
from flask_wsguard.state import state_of
from tests.sites import SECRET, make_site

from .test_faults import Fault, RedisFault, SQLiteFault, until

pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


class Store:
    """Takes notices, or does not."""

    def __init__(self) -> None:
        self.took: list[str] = []
        self.room = 100

    def publish(self, text: str) -> bool:
        if self.room == len(self.took):
            return False
        self.took.append(text)
        return True


def test_in_order_and_until_one_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    """What the store took is gone, what it did not waits on, and each outage is one line."""
    outbox, store = Outbox(60), Store()
    for text in ("one", "two", "three"):
        outbox.put(text)
    store.room = 1
    outbox.send(store.publish)
    assert (store.took, len(outbox)) == (["one"], 2)
    store.room = 100
    outbox.send(store.publish)
    outbox.send(store.publish)
    assert (store.took, len(outbox)) == (["one", "two", "three"], 0)
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [
        (
            "ERROR",
            "other processes were not told of a disconnect or logout: they will be, when the "
            "store answers",
        ),
        ("WARNING", "the store took 2 notices that had waited for it; 0 were lost"),
    ]


def test_the_oldest_are_lost_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A long outage costs a bounded memory; one line when it begins, the number at its end."""
    outbox, store = Outbox(60, most=2), Store()
    for number in range(5):
        outbox.put(f"notice {number}")
    assert len(outbox) == 2
    assert [line.levelname for line in caplog.records] == ["ERROR", "CRITICAL"]
    assert "other processes keep sockets that should be closed" in caplog.text
    outbox.send(store.publish)
    assert store.took == ["notice 3", "notice 4"]
    assert "took 2 notices that had waited for it; 3 were lost" in caplog.text


def test_overflow_while_one_is_being_sent() -> None:
    """The one on its way is the one that the overflow drops: no other goes with it."""
    outbox, took = Outbox(60, most=1), list[str]()
    outbox.put("one")

    def publish(text: str) -> bool:
        if not took:
            outbox.put("two")
        took.append(text)
        return True

    outbox.send(publish)
    assert took == ["one", "two"]


def test_lapsed_notices_concern_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the life of a socket there is none left to close."""
    clock = [100.0]
    monkeypatch.setattr("flask_wsguard.live.outbox.time.monotonic", lambda: clock[0])
    outbox, store = Outbox(60), Store()
    outbox.put("old")
    clock[0] += 59
    outbox.put("new")
    clock[0] += 2
    outbox.send(store.publish)
    assert store.took == ["new"]


@pytest.fixture(params=["redis-gone", "redis-hung", "sqlite-locked"])
def fault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fault]:
    """Return a fault, not yet struck."""
    store, _, kind = request.param.partition("-")
    if store == "redis":
        yield RedisFault(request.getfixturevalue("own_redis"), kind)
    else:
        yield SQLiteFault(tmp_path, kind)


def hold(app: Flask, nonce: str = "") -> Connection:
    """Hold a socket of alice, as one process does."""
    state, ticket = state_of(app), Ticket("t", "alice", frozenset(), "", "s", 1, 2)
    connection = Connection(ticket, "/", nonce=nonce or None)
    assert state.sockets.take(connection)
    state.bus.listen()
    return connection


def timed(call: Any, **fields: Any) -> float:
    """Return how many seconds a call took."""
    begin = time.monotonic()
    call(**fields)
    return time.monotonic() - begin


def test_told_as_soon_as_the_store_is_back(fault: Fault) -> None:
    """A disconnect during the outage waits for nobody, and reaches the other process after it."""
    here, there = (make_site(WSGUARD_STORAGE_URI=fault.uri) for _ in range(2))
    held = hold(there)
    fault.strike()
    with here.test_request_context("/"):
        disconnect = here.extensions["test_guard"].disconnect
        assert timed(disconnect, user_id="bob") < 2.0
        assert timed(disconnect, user_id="alice", reason="banned") < 0.5
    assert len(state_of(here).bus._outbox) == 2
    assert not held.is_closing
    fault.mend()
    until(lambda: held.is_closing)
    assert (held.code, held.reason) == (4401, "banned")
    until(lambda: not len(state_of(here).bus._outbox))
    state_of(there).sockets.give_back(held)


def test_a_logout_during_the_outage_is_told_too(fault: Fault) -> None:
    """The other process learns that the session has ended, and closes its socket."""
    here, there = (make_site(WSGUARD_STORAGE_URI=fault.uri) for _ in range(2))
    held, ended = hold(there, "nonce"), state_of(there).ended
    fault.strike()
    state_of(here).bus.tell(ended=digest_of("nonce"))
    assert not ended.holds("nonce")
    fault.mend()
    until(lambda: held.is_closing)
    assert (held.code, held.reason) == (4401, "session_ended")
    assert ended.holds("nonce")
    state_of(there).sockets.give_back(held)


def test_a_command_is_told_that_nobody_was(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    """It ends before the store is back: exit code 1 instead of a promise."""
    app = make_site(WSGUARD_STORAGE_URI=fault.uri)
    fault.strike()
    outcome = app.test_cli_runner().invoke(wsguard, ["disconnect", "--user", "alice"])
    assert (outcome.exit_code, outcome.output) == (
        1,
        "Error: the store does not answer, so nobody was told: try again later\n",
    )
    assert "they will be" not in caplog.text
    assert len(state_of(app).bus._outbox) == 0
    fault.mend()


def test_apps_of_one_site_hear_each_other_whatever_their_names(tmp_path: Path) -> None:
    """Pages in one app, sockets in another: who reads its tickets must hear of its logouts.

    Another site in the same store has tickets of another name.
    """

    def guarded(name: str, **config: Any) -> Flask:
        app = Flask(name)
        uri = f"sqlite:///{tmp_path}/store.db"
        app.config.update(SECRET_KEY=SECRET, WSGUARD_STORAGE_URI=uri, **config)
        WSGuard(app)
        return app

    pages, sockets = guarded("pages"), guarded("package.sockets")
    another = guarded("another", WSGUARD_COOKIE_NAME="another")
    state_of(pages).bus.tell(ended=digest_of("nonce"))
    (notice,) = state_of(sockets).store.notices(0) or ()
    state_of(sockets).bus.hear(notice)
    assert state_of(sockets).ended.holds("nonce")
    assert state_of(another).store.notices(0) == []
