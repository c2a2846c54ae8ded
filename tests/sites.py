"""The sites under test: one guarded, and the same without the extension as the control.

``python -m tests.sites PORT`` is not how it runs: servers load ``tests.sites:guarded`` and
``tests.sites:control`` (see tests/servers).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, current_app, jsonify, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_sock import Sock

from flask_wsguard import WSGuard, current_ticket, ws_protected, ws_public

SECRET = "a secret key of at least thirty-two letters"
SCOPES = {"alice": {"chat:read", "chat:write"}, "bob": {"chat:read"}, "carol": set()}


class User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


def make_site(prepare: Callable[[Flask], object] | None = None, **config: Any) -> Flask:
    """Return a guarded site: log in with POST /login/<user>, out with POST /logout.

    ``prepare`` gets the app before the guard does.
    """
    app = _plain_site(**config)
    if prepare is not None:
        prepare(app)
    guard = WSGuard(app)
    guard.scopes_loader(lambda user: SCOPES.get(user.id, set()))
    app.extensions["test_guard"] = guard
    sock = app.extensions["test_sock"] = Sock(app)

    @sock.route("/echo")
    @ws_protected(scopes="chat:read")
    def echo(ws: Any) -> None:
        ws.send(f"{current_ticket.user_id} {current_user.get_id()}")
        while True:
            ws.send(ws.receive())

    @sock.route("/any")
    @ws_protected
    def any_user(ws: Any) -> None:
        ws.send(current_ticket.user_id)
        ws.receive()

    @sock.route("/write")
    @ws_protected(scopes=["chat:read", "chat:write"])
    def write(ws: Any) -> None:
        ws.send(" ".join(sorted(current_ticket.scopes)))

    @sock.route("/require")
    @ws_protected
    def require(ws: Any) -> None:
        current_ticket.require(ws.receive())
        ws.send("granted")

    @sock.route("/room/<int:number>")
    @ws_protected
    def room(ws: Any, number: int) -> None:
        ws.send(f"room {number}")

    @sock.route("/caf\u00e9")
    @ws_protected
    def cafe(ws: Any) -> None:
        ws.send("caf\u00e9")

    @sock.route("/slash/")
    @ws_protected
    def slash(ws: Any) -> None:
        ws.send("slash")

    @sock.route("/ticker")
    @ws_public
    def ticker(ws: Any) -> None:
        ws.send(f"public {current_user.get_id()} {bool(current_ticket)}")

    @sock.route("/anyone")
    @ws_public(any_origin=True)
    def anyone(ws: Any) -> None:
        ws.send(f"anyone {current_user.get_id()} {sorted(session)}")

    @sock.route("/forgotten")
    def forgotten(ws: Any) -> None:
        ws.send("nobody marked me")

    return app


def make_control() -> Flask:
    """Return the same site without the extension: here every attack must succeed."""
    app = _plain_site()
    sock = Sock(app)

    @sock.route("/echo")
    def echo(ws: Any) -> None:
        ws.send(f"{current_user.get_id()}")
        while True:
            ws.send(ws.receive())

    return app


def _plain_site(**config: Any) -> Flask:
    app = Flask("site")
    app.config.update({"SECRET_KEY": SECRET, **config})
    logins = LoginManager(app)
    logins.login_view = "login_page"
    logins.user_loader(User)

    @app.get("/")
    def index() -> Any:
        return jsonify(user=current_user.get_id(), session=sorted(session))

    @app.get("/login")
    def login_page() -> str:
        return "log in here"

    @app.post("/login/<user_id>")
    def log_in(user_id: str) -> str:
        session.permanent = "permanent" in request.args
        login_user(User(user_id), remember="remember" in request.args)
        return current_app.name

    @app.post("/logout")
    def log_out() -> str:
        logout_user()
        return "bye"

    return app
