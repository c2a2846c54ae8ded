"""The sites that are compared: the same chat unguarded, guarded, and guarded as people do today.

``guarded`` differs from ``unguarded`` by the extension and the mark alone; ``today`` from
``unguarded`` by asking ``current_user`` in the handler.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, jsonify
from flask_login import LoginManager, UserMixin, current_user, login_required
from flask_sock import Sock

from flask_wsguard import WSGuard, ws_protected

SECRET = "a secret key of at least thirty-two letters"
BODY = b"This WebSocket handshake was refused.\n"
HEADERS = [
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Length", str(len(BODY))),
    ("Cache-Control", "no-store"),
]


class User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


def make_site(load: Callable[[str], User | None] = User, **config: Any) -> Flask:
    """Return what all sites have: a secret, a login, and two ordinary routes."""
    app = Flask("site")
    app.config.update({"SECRET_KEY": SECRET, **config})
    LoginManager(app).user_loader(load)

    @app.get("/")
    def index() -> str:
        return "ordinary"

    @app.post("/whoami")
    @login_required
    def whoami() -> Response:
        return jsonify(id=current_user.get_id())

    return app


def unguarded(**config: Any) -> Flask:
    """Return the base."""
    app = make_site(**config)

    @Sock(app).route("/echo")
    def echo(ws: Any) -> None:
        ws.receive()

    return app


def guarded(*, wrapped: bool = False, **config: Any) -> Flask:
    """Return the base with the extension; session compare and registry are on by default."""
    app = make_site(**config)
    if wrapped:
        inner = app.wsgi_app
        app.wsgi_app = lambda *args: inner(*args)  # type: ignore[method-assign]
    guard = WSGuard(app)

    @Sock(app).route("/echo")
    @ws_protected
    def echo(ws: Any) -> None:
        ws.receive()

    @app.post("/disconnect")
    def disconnect() -> str:
        return str(guard.disconnect())

    return app


def many_sockets() -> Flask:
    """Return ``guarded`` where one user may hold as many sockets as a benchmark likes."""
    return guarded(WSGUARD_MAX_CONNECTIONS_PER_USER=1_000_000)


def without_early_gate(**config: Any) -> Flask:
    """Return ``guarded`` where other middleware came first, so that the hook answers alone."""
    return guarded(wrapped=True, **config)


def today(load: Callable[[str], User | None] = User) -> Flask:
    """Return the base whose handler looks at the session's user first; ``load`` finds the user."""
    app = make_site(load)

    @Sock(app).route("/echo")
    def echo(ws: Any) -> None:
        if current_user.is_authenticated:
            ws.receive()

    return app


def today_with_database() -> Flask:
    """Return ``today`` with users in SQLite, opened and closed as Flask's tutorial does it."""
    path = tempfile.mkdtemp() + "/users.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE user (id TEXT PRIMARY KEY, name TEXT)")
        database.execute("INSERT INTO user VALUES ('7', 'alice')")

    def load(user_id: str) -> User | None:
        g.database = sqlite3.connect(path)
        found = g.database.execute("SELECT id FROM user WHERE id = ?", (user_id,)).fetchone()
        return User(*found) if found else None

    app = today(load)

    @app.teardown_appcontext
    def close(error: BaseException | None) -> None:
        database = g.pop("database", None)
        if database is not None:
            database.close()

    return app


def plain_403(**config: Any) -> Flask:
    """Return the base of refusals: a view that answers 403, the same bytes on the wire."""
    app = make_site(**config)

    def refuse() -> Response:
        return Response(BODY, 403, HEADERS)

    app.add_url_rule("/echo", view_func=refuse, websocket=True)
    return app
