"""One fuzzed input for the whole app, over WSGI: hook, blueprint, session, the socket itself."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask_login import LoginManager, UserMixin
from flask_sock import Sock
from itsdangerous import BadSignature
from werkzeug.sansio.http import parse_cookie

from flask_wsguard import WSGuard, current_ticket, ws_protected, ws_public
from flask_wsguard.core.tickets import read_ticket
from flask_wsguard.ended import digest_of
from flask_wsguard.state import state_of

from . import model
from .on_core import Broken
from .request import Request, read_request
from .scene import (
    GRANTS,
    LOGINS,
    OLDER_SECRET,
    SCOPES,
    SECRET,
    Login,
    Policy,
    Scene,
    fill_in,
    read_scene,
)

# What the guard and Flask's router answer; no 5xx.
STATUSES = {200, 204, 301, 308, 400, 401, 403, 404, 405, 413, 415, 426, 429}
_clock = [0.0]


class _User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


class _NoThread:
    """The reader of a socket to which nobody speaks."""

    name = ""

    def __init__(self, target: Any) -> None:
        del target

    def start(self) -> None:
        """Read nothing."""


@contextmanager
def quiet() -> Iterator[None]:
    """Log nothing: a line for each refusal would be all that a run does."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@cache
def app_of(policy: Policy) -> Flask:
    """Return a guarded site under a policy; nothing it serves changes anything."""
    app = Flask("fuzz")
    app.config.update(
        SECRET_KEY=SECRET,
        SECRET_KEY_FALLBACKS=[OLDER_SECRET],
        PROPAGATE_EXCEPTIONS=True,
        SOCK_SERVER_OPTIONS={"thread_class": _NoThread},
        TRUSTED_HOSTS=None if not policy.allow_insecure_transport else [".example.org"],
        WSGUARD_ALLOWED_ORIGINS=policy.origins,
        WSGUARD_ALLOW_INSECURE_TRANSPORT=policy.allow_insecure_transport,
        WSGUARD_ALLOW_MISSING_ORIGIN=policy.allow_missing_origin,
        WSGUARD_TOKEN_CARRIERS=policy.carriers,
    )
    LoginManager(app).user_loader(lambda user_id: _User(user_id) if user_id in SCOPES else None)
    guard = WSGuard(app)
    guard.scopes_loader(lambda user: SCOPES[user.id])
    sock = Sock(app)
    for path, demanded in model.ROUTES.items():
        mark = (
            ws_protected(scopes=demanded)
            if isinstance(demanded, set)
            else ws_public(any_origin=demanded == "any")
        )
        sock.route(path.decode(), endpoint=path.decode()[1:])(mark(_handler()))
    sock.route("/forgotten", endpoint="forgotten")(_handler())
    state = replace(state_of(app), now=lambda: _clock[0])
    app.extensions["wsguard"] = state
    for login in LOGINS.values():
        if login.ended and login.nonce:
            state.ended.add(digest_of(login.nonce))
    return app


def _handler() -> Any:
    def handle(ws: Any) -> None:
        ws.send(current_ticket.user_id if current_ticket else "nobody")

    return handle


@dataclass
class Served:
    """What came of one request: the HTTP answer, and what went over the socket itself."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    sent: bytes

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name]


def one_input(data: bytes) -> bool:
    """Run one input; True when a socket opened or a ticket was granted. Raises Broken."""
    top, _, text = data.partition(b"\n")
    scene, request = read_scene(top), read_request(fill_in(text))
    if request is None:
        return False
    _clock[0] = scene.now
    app = app_of(scene.policy)
    try:
        served = _serve(app, request, scene)
    except ValueError:
        if _fails_without_the_guard(app, request, scene):
            return False
        raise
    if served.sent:
        _check_socket(request, scene, served, _logins(app, request))
        return True
    if served.status not in STATUSES:
        raise Broken(f"status {served.status}: {served.body[:200]!r}")
    if _is_flasks_own(request, served):
        return False
    if unquote_to_bytes(request.path) == b"/wsguard/preauth":
        return _check_preauth(request, scene, served, _logins(app, request))
    return False


def _fails_without_the_guard(app: Flask, request: Request, scene: Scene) -> bool:
    """Tell whether a Flask that has the same routes and nothing else fails in the same way.

    Werkzeug raises when its router wants to redirect (``//`` in a path) and Host is no address
    in brackets, such as ``[:0]``.
    """
    plain = Flask("plain")
    plain.config["PROPAGATE_EXCEPTIONS"] = True
    plain.url_map = app.url_map
    try:
        _serve(plain, request, scene)
    except ValueError:
        return True
    except KeyError:  # a route without a view: there was no redirect
        return False
    return False


def _is_flasks_own(request: Request, served: Served) -> bool:
    """Tell whether Flask's router answered, before anybody of ours is asked."""
    is_upgrade = (request.joined(b"upgrade") or b"").lower() == b"websocket"
    is_untrusted = b"is not trusted" in served.body  # TRUSTED_HOSTS
    is_page = served.status == 400 and b"<html" in served.body and not served.all("set-cookie")
    return is_page and (is_upgrade or is_untrusted or not _has_routable_host(request))


def _has_routable_host(request: Request) -> bool:
    host = (request.joined(b"host") or b"").decode("latin-1")
    try:
        host.partition(":")[0].encode("idna")
    except UnicodeError:
        return False
    return True


def _serve(app: Flask, request: Request, scene: Scene) -> Served:
    ours, theirs = socket.socketpair()
    started: list[Any] = []
    environ = {**request.environ(scene.scheme), "werkzeug.socket": theirs}

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        started[:] = [int(status[:3]), headers]

    with ours, theirs:
        ours.setblocking(False)
        answer: Any = app.wsgi_app(environ, start_response)  # type: ignore[arg-type]
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        try:
            sent = ours.recv(1 << 16)
        except BlockingIOError:
            sent = b""
    return Served(*started, body, sent)


def _check_socket(request: Request, scene: Scene, served: Served, logins: list[Login]) -> None:
    """Compare an open socket with the model, and see that it was opened whole."""
    faults = model.faults_of_handshake(request, scene, logins)
    if faults:
        raise Broken(f"accepted in spite of: {', '.join(faults)}")
    if not served.sent.startswith(b"HTTP/1.1 101 "):
        raise Broken(f"the socket began with {served.sent[:60]!r}")
    if any(grant.token_text.encode() in served.sent for grant in GRANTS):
        raise Broken("the answer holds a token")


def _check_preauth(request: Request, scene: Scene, served: Served, logins: list[Login]) -> bool:
    """Compare a grant with the model, and every answer with what preauth promises."""
    listed = model.allowed_origins(request, scene, listed_only=True)
    for origin in served.all("access-control-allow-origin"):
        if not listed.fullmatch(model.canonical(origin) or ""):
            raise Broken(f"{origin!r} may read the answer")
    if served.all("cache-control") != ["no-store"] or b"<html" in served.body:
        raise Broken(f"an answer that may be kept: {served}")
    if served.status != 200:
        if served.all("set-cookie"):
            raise Broken(f"a refusal that sets a cookie: {served}")
        return False
    if faults := model.faults_of_preauth(request, scene, logins):
        raise Broken(f"granted in spite of: {', '.join(faults)}")
    _check_users(served, logins)
    return True


def _check_users(served: Served, logins: list[Login]) -> None:
    """See that a granted ticket is of a user whose session came along."""
    for line in served.all("set-cookie"):
        name, _, value = line.partition(";")[0].partition("=")
        if value and "wsguard-" in name:
            ticket = read_ticket(value)
            if ticket is None or ticket.user_id not in {login.user for login in logins}:
                raise Broken(f"a ticket of {ticket}")
        elif "wsguard-" not in name:
            raise Broken(f"a cookie that is none of ours: {line}")


def _logins(app: Flask, request: Request) -> list[Login]:
    """Return what the session cookies open to, by Flask's own reading."""
    serializer: Any = SecureCookieSessionInterface().get_signing_serializer(app)
    logins = []
    header = (request.joined(b"cookie") or b"").decode("latin-1")
    for text in parse_cookie(header).getlist("session"):
        try:
            logins.append(model.login_of(serializer.loads(text)))
        except BadSignature:
            continue
    return logins
