"""What a user's type checkers see; run by nobody, checked by mypy --strict and pyright."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask, Request
from typing_extensions import assert_type

from flask_wsguard import (
    ConfigError,
    HandshakeRefused,
    Identity,
    Refusal,
    ScopeMissing,
    WSGuard,
    current_ticket,
    handshake_refused,
    ws_protected,
    ws_public,
)

app = Flask(__name__)
guard = WSGuard(app)
later = WSGuard()
later.init_app(app)


@guard.scopes_loader
def scopes(user: Any) -> Iterable[str]:
    return {"chat:read"} if user else ()


@guard.identity_loader
def by_cookie(request: Request) -> Identity | None:
    return Identity(id="alice", user=object()) if request.cookies else None


@guard.identity_loader(ambient=False, reload=lambda user_id: user_id)
def by_header(request: Request) -> Identity | None:
    return None


@ws_protected
def bare(ws: Any) -> None:
    assert_type(current_ticket.user_id, str)
    assert_type(current_ticket.scopes, frozenset[str])
    assert_type(current_ticket.expires_at, int)


@ws_protected(scopes=["chat:read"], max_age=600)
def marked(ws: Any, room: int) -> str:
    try:
        current_ticket.require("chat:write")
    except ScopeMissing as missing:
        return missing.scope
    return "granted"


@ws_public(any_origin=True)
def public(ws: Any) -> None: ...


# A mark keeps the view's own signature.
assert_type(marked(None, 1), str)
assert_type(scopes(None), Iterable[str])
assert_type(guard.disconnect(user_id="alice"), int)

guard.protect_path("/socket.io/", scopes="chat")
try:
    assert_type(guard.verify_handshake("/socket.io/").id, str)
except HandshakeRefused as refused:
    assert_type(refused.reason, Refusal)
    assert_type(refused.reason.value, str)
except ConfigError as wrong:
    assert_type(wrong.faults, tuple[str, ...])


@handshake_refused.connect_via(app)
def count(sender: Flask, reason: Refusal, **facts: Any) -> None: ...


# Each of these must be an error: a checker that finds none complains of the comment.
marked(None, "one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
guard.disconnect("alice")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ws_protected(scope="chat")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
Identity(id=1, user=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
