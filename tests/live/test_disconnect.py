"""``guard.disconnect``: which sockets, how many, with which code; what is told of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_wsguard import WSGuard
from flask_wsguard.core.tickets import Ticket
from flask_wsguard.live.connection import Connection
from flask_wsguard.state import state_of
from tests.sites import make_site
from tests.wire import Browser, Wire

from .gunicorn import Gunicorn, is_open, start, until

Visitor = Callable[[], Browser]


def test_disconnect_by_user(gunicorn: Gunicorn, visitor: Visitor) -> None:
    """All sockets of a user close, in whichever browser; the count is of those closed."""
    alices = [start(visitor().log_in("alice")) for _ in range(3)]
    bob = start(visitor().log_in("bob"))
    assert gunicorn.disconnect(user_id="alice", reason="banned") == 3
    assert [wire.closing() for wire in alices] == [(4401, "banned")] * 3
    assert gunicorn.disconnect(user_id="alice", reason="banned") == 0
    assert is_open(bob)


def test_disconnect_by_session(gunicorn: Gunicorn, visitor: Visitor, alice: Browser) -> None:
    """``current_ticket.session`` names one browser's login."""
    mine = [alice.open("/stay") for _ in range(2)]
    session = {wire.text().split()[1] for wire in mine}
    other = start(visitor().log_in("alice"))
    assert len(session) == 1
    assert gunicorn.disconnect(session=session.pop(), code=4000, reason="moved") == 2
    assert [wire.closing() for wire in mine] == [(4000, "moved")] * 2
    assert is_open(other)


def test_disconnect_by_ticket(gunicorn: Gunicorn, alice: Browser) -> None:
    """One socket out of several, by the id of the ticket that opened it."""
    grants = [alice.preauth("/stay") for _ in range(2)]
    wires = [alice.open("/stay", grant) for grant in grants]
    assert all(wire.text() for wire in wires)
    ticket = grants[0].cookie.removeprefix("wsguard-")
    assert gunicorn.disconnect(ticket_id=ticket, user_id="bob") == 0
    assert gunicorn.disconnect(ticket_id=ticket, user_id="alice") == 1
    assert wires[0].closing() == (4401, "disconnected")
    assert is_open(wires[1])


def open_public(browser: Browser, path: str = "/public") -> Wire:
    """Open a socket that needs no ticket."""
    wire = browser.send(browser.attempt(path))
    assert wire.answer().status == 101
    wire.text()
    return wire


def test_public_sockets_close_with_everybody_only(
    gunicorn: Gunicorn, visitor: Visitor, alice: Browser
) -> None:
    """A public socket is nobody's: no logout and no user id closes it, disconnect-all does."""
    public, mine = open_public(alice), start(alice)
    alice.log_out()
    assert mine.closing() == (4401, "session_ended")
    assert gunicorn.disconnect(user_id="alice") == 0
    assert is_open(public)
    bob = start(visitor().log_in("bob"))
    assert gunicorn.disconnect() == 2
    assert public.closing() == bob.closing() == (4401, "disconnected")


def test_closed_once_however_many_ways(gunicorn: Gunicorn, alice: Browser) -> None:
    """The first close wins: its code is what the peer reads, and nothing comes after it."""
    wire = start(alice)
    assert gunicorn.disconnect(user_id="alice", code=4001, reason="first") == 1
    assert gunicorn.disconnect(code=4002, reason="second") == 0
    alice.log_out()
    assert wire.closing() == (4001, "first")
    assert wire.is_closed()


def test_peer_that_answers_the_close_frame_is_not_kept_waiting(
    gunicorn: Gunicorn, alice: Browser
) -> None:
    """The handshake of closing ends a socket long before it would be cut."""
    wire = start(alice)
    begin = time.monotonic()
    gunicorn.disconnect(user_id="alice")
    wire.closing()
    wire.send_frame(8, b"\x11\x31")
    assert wire.is_closed()
    until(lambda: gunicorn.held == 0)
    assert time.monotonic() - begin < 0.9


def test_signals_tell_of_every_socket(gunicorn: Gunicorn, alice: Browser) -> None:
    """One signal at the verdict, one with code and reason at the end."""
    before = len(gunicorn.stats["events"])
    wire, public = start(alice, "/read"), open_public(alice)
    gunicorn.disconnect(user_id="alice", code=4000, reason="told")
    wire.closing()
    public.close()
    until(lambda: gunicorn.held == 0)
    assert sorted(gunicorn.stats["events"][before:], key=str) == sorted(
        [
            ["opened", "/read", "alice"],
            ["closed", "/read", "alice", 4000, "told"],
            ["opened", "/public", None],
            ["closed", "/public", None, None, ""],
        ],
        key=str,
    )


def test_missing_scope_closes_with_4403(gunicorn: Gunicorn, alice: Browser) -> None:
    """``current_ticket.require`` uncaught is the end of the socket, and says so."""
    wire = alice.open("/require")
    wire.send_frame(1, b"chat:admin")
    assert wire.closing() == (4403, "scope_missing")
    wire.close()


def make_guarded(**config: Any) -> tuple[Flask, WSGuard]:
    """Return a site in this process, and its guard."""
    app = make_site(**config)
    return app, app.extensions["test_guard"]


def test_without_sockets_or_store_it_is_an_error() -> None:
    """A command reaches nobody's socket, and is told so instead of succeeding at nothing."""
    app, guard = make_guarded()
    with app.app_context(), pytest.raises(RuntimeError, match="WSGUARD_STORAGE_URI"):
        guard.disconnect(user_id="alice")


def test_without_sockets_in_a_view_it_closes_none() -> None:
    """A worker that serves views may simply hold no socket now."""
    app, guard = make_guarded()
    with app.test_request_context("/"):
        assert guard.disconnect(user_id="alice") == 0


def test_without_sockets_and_with_a_store_it_tells_the_others(tmp_path: Any) -> None:
    """A command of a site with a store has closed none itself."""
    app, guard = make_guarded(WSGUARD_STORAGE_URI=f"sqlite:///{tmp_path}/store.db")
    with app.app_context():
        assert guard.disconnect(user_id="alice") == 0


@pytest.mark.parametrize("name", ["user_id", "session", "ticket_id"])
@pytest.mark.parametrize("value", ["", 5, False], ids=["empty", "number", "flag"])
def test_an_id_that_names_nobody_closes_nothing(tmp_path: Any, name: str, value: Any) -> None:
    """Least of all everybody's sockets in every other process, as no id at all would."""
    app, guard = make_guarded(WSGUARD_STORAGE_URI=f"sqlite:///{tmp_path}/store.db")
    with app.test_request_context("/"), pytest.raises(ValueError, match=f"{name} is {value!r},"):
        guard.disconnect(**{name: value})
    assert state_of(app).store.notices(0) == []


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        *(({"code": code}, f"code is {code!r}:") for code in (0, 999, 1004, 1005, 1006, 1007)),
        *(({"code": code}, f"code is {code!r}:") for code in (1009, 1010, 1015, 2999, 5000)),
        *(({"code": code}, f"code is {code!r}:") for code in ("4401", 4401.0, None, True)),
        ({"reason": "x" * 124}, "reason has 124 bytes of UTF-8:"),
        ({"reason": "\u4e16" * 42}, "reason has 126 bytes of UTF-8:"),
        ({"reason": "\ud800"}, r"reason is '\\ud800', which is no text"),
        ({"reason": None}, "reason is None, which is no text"),
        ({"reason": b"bytes"}, "reason is b'bytes', which is no text"),
    ],
)
def test_what_no_close_frame_may_carry(tmp_path: Any, frame: Any, fault: str) -> None:
    """Said before anything is done, here or in another process."""
    app, guard = make_guarded(WSGUARD_STORAGE_URI=f"sqlite:///{tmp_path}/store.db")
    with app.test_request_context("/"), pytest.raises(ValueError, match=f"^{fault}"):
        guard.disconnect(user_id="alice", **frame)
    assert state_of(app).store.notices(0) == []


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1014, 3000, 4000, 4999])
@pytest.mark.parametrize("reason", ["", "x" * 123, "\u4e16" * 41, "\U0001f600" * 30, "\0" * 123])
def test_what_a_close_frame_may_carry_reaches_the_others(
    tmp_path: Any, code: int, reason: str
) -> None:
    """However long its reason becomes in a notice."""
    config = {"WSGUARD_STORAGE_URI": f"sqlite:///{tmp_path}/store.db"}
    (here, guard), (there, _) = make_guarded(**config), make_guarded(**config)
    held = Connection(Ticket("t", "alice", frozenset(), "", "s", 1, 2), "/")
    state = state_of(there)
    assert state.sockets.take(held)
    with here.test_request_context("/"):
        guard.disconnect(user_id="alice", code=code, reason=reason)
    (notice,) = state.store.notices(0) or ()
    state.bus.hear(notice)
    assert (held.code, held.reason) == (code, reason)
    state.sockets.give_back(held)


def test_without_an_app_it_is_an_error() -> None:
    """There is no telling which app is meant."""
    _, guard = make_guarded()
    with pytest.raises(RuntimeError, match="application context"):
        guard.disconnect()
