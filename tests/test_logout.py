"""What the end of a session does, beyond this request: sockets, other processes, the browser."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from flask import Flask, g, request
from flask_login import UserMixin, login_user, logout_user

from flask_wsguard.core.tickets import Ticket
from flask_wsguard.live.connection import Connection

from .sites import SECRET, User, make_site
from .visitor import ORIGIN, Visitor

OFF = {"WSGUARD_DISCONNECT_ON_LOGOUT": False}
KEYS = {"SECRET_KEY": "the newer key of this site, long enough", "SECRET_KEY_FALLBACKS": [SECRET]}


def nonce_of(visitor: Visitor) -> Any:
    with visitor.client.session_transaction(base_url=ORIGIN) as session:
        return session.get("_wsguard")


def hold(app: Flask, session: str, nonce: str | None = None) -> Connection:
    """Hold a socket of alice's."""
    ticket = Ticket("i" * 22, "alice", frozenset(), "b", session, 0, 30)
    connection = Connection(ticket, "/any", nonce=nonce)
    assert app.extensions["wsguard"].sockets.take(connection)
    return connection


def hear(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Hear what the other processes are told."""
    told: list[dict[str, Any]] = []
    bus = app.extensions["wsguard"].bus
    monkeypatch.setattr(bus, "tell", lambda **fields: told.append(fields))
    return told


def remembered(app: Flask) -> Visitor:
    """Return a browser whose login is older than the extension, so that it has no nonce."""
    visitor = Visitor(app)
    with visitor.client.session_transaction(base_url=ORIGIN) as session:
        session.update(_user_id="alice", _fresh=True)
    return visitor


@pytest.mark.parametrize("config", [{}, OFF], ids=["closes", "switched-off"])
@pytest.mark.parametrize("end", ["logout", "login"])
def test_others_are_told_of_a_nonce_by_its_digest(
    end: str, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether sockets close or not: the old cookie must open nothing anywhere."""
    app = make_site(**config)
    visitor = Visitor(app)
    visitor.log_in("alice")
    nonce, told = nonce_of(visitor), hear(app, monkeypatch)
    visitor.log_out() if end == "logout" else visitor.log_in("alice")
    assert told == [{"ended": hashlib.sha256(nonce.encode()).hexdigest()}]


def test_others_are_told_of_a_session_without_nonce_under_every_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its sockets close everywhere, those of tickets that an older key signed as well."""
    app = make_site(**KEYS)
    visitor, told = remembered(app), hear(app, monkeypatch)
    visitor.log_out()
    names = app.extensions["wsguard"].expected.keys.fingerprints("alice", None)
    assert len(set(names)) == 2
    why = {"code": 4401, "reason": "session_ended"}
    assert told == [{"session": name, **why} for name in names]


def test_others_are_told_nothing_where_sockets_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session without a nonce has nothing that could be remembered as ended."""
    app = make_site(**OFF)
    visitor, told = remembered(app), hear(app, monkeypatch)
    visitor.log_out()
    assert told == []


def test_logout_by_the_remember_cookie_alone_tells_of_a_user_whose_row_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The session names nobody yet, and the object raises: the cookie says whose sockets close."""
    app = make_site()
    visitor = Visitor(app)
    visitor.log_in("alice", remember="yes")
    visitor.client.delete_cookie("session", domain="example.org")
    assert set(visitor.cookies()) == {"remember_token"}
    told = hear(app, monkeypatch)

    def gone(self: User) -> str:
        raise LookupError("the row was deleted")

    monkeypatch.setattr(User, "get_id", gone)
    visitor.log_out()
    name = app.extensions["wsguard"].expected.keys.fingerprint("alice", None)
    assert [notice["session"] for notice in told] == [name]


@pytest.mark.parametrize("has_nonce", [True, False], ids=["nonce", "no-nonce"])
def test_sockets_are_closed_before_others_are_told(
    has_nonce: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may make us wait; and the page reads that it may ask preauth again, and why."""
    app = make_site()
    visitor = remembered(app)
    if has_nonce:
        visitor.log_in("alice")
    nonce = nonce_of(visitor)
    session = app.extensions["wsguard"].expected.keys.fingerprint("alice", nonce)
    connection, other = hold(app, session, nonce), hold(app, "another session", "another nonce")
    seen: list[Any] = []

    def tell(**fields: Any) -> None:
        seen.append((connection.code, connection.reason))

    monkeypatch.setattr(app.extensions["wsguard"].bus, "tell", tell)
    visitor.log_out()
    assert seen == [(4401, "session_ended")]
    assert not other.is_closing


def test_ticket_is_expired_as_it_was_set() -> None:
    """A browser drops a cookie of the same name and path only; the value goes at once."""
    visitor = Visitor(make_site())
    visitor.log_in("alice")
    name = f"__Host-Http-wsguard-{visitor.token().split('.')[1]}"
    lines = visitor.log_out().headers.getlist("Set-Cookie")
    assert [line for line in lines if line.startswith(name)] == [
        f"{name}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Secure; HttpOnly; Path=/; "
        "SameSite=Strict"
    ]


def test_preauth_says_that_the_session_was_logged_out() -> None:
    """In the answer, before the remedy."""
    visitor = Visitor(make_site())
    visitor.log_in("alice")
    old = visitor.cookie_header()
    visitor.log_out()
    assert visitor.preauth(cookies=old).json["detail"] == "(logged out) Log in again."


class Gone(UserMixin):
    """A row that was deleted by a statement: whatever is asked of it raises."""

    def get_id(self) -> str:
        raise LookupError("the row is gone")


def test_logout_of_a_row_that_is_gone_closes_its_sockets() -> None:
    """Flask-Login asks a user nothing at logout, and a deleted account is logged out as well."""
    app = make_site()

    @app.post("/delete-me")
    def delete_me() -> str:
        g._login_user = Gone()
        logout_user()
        return "gone"

    visitor = Visitor(app)
    visitor.log_in("alice")
    held = hold(app, "any", nonce_of(visitor))
    assert visitor.client.post("/delete-me", base_url=ORIGIN).text == "gone"
    assert (held.code, held.reason) == (4401, "session_ended")


def test_login_at_preauth_leaves_the_browser_its_nonce() -> None:
    """A site behind an SSO proxy logs in at each request, also where the session is not saved."""
    app = make_site()

    @app.before_request
    def log_in() -> None:
        if request.path == "/wsguard/preauth":
            login_user(User("alice"))

    visitor = Visitor(app)
    visitor.log_in("alice")
    nonce, held = nonce_of(visitor), hold(app, "any", nonce_of(visitor))
    assert visitor.connect(token=visitor.token()).reason is None
    assert nonce_of(visitor) == nonce
    assert not held.is_closing
