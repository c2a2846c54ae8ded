"""The sites of the incidents, behind a TLS proxy: two guarded ones, and one with every flaw.

``/`` guarded, nothing configured · ``/listed`` guarded, with a listed origin and a wildcard ·
``/flawed/<flaw>/echo`` the same socket behind one faulty check. All share secret and cookies.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, abort, jsonify, request
from flask_login import LoginManager, current_user, login_required
from flask_sock import Sock
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from tests.sites import SECRET, User, make_site

from .flaws import FLAWS

LISTED = ("self", "https://app.example.org", "https://*.partner.example")
_loads: list[str] = []


def _load(user_id: str) -> User:
    _loads.append(user_id)
    return User(user_id)


def _prepare(app: Flask) -> None:
    app.login_manager.user_loader(_load)  # type: ignore[attr-defined]

    @app.post("/loads")
    def loads() -> Any:
        count = len(_loads)
        _loads.clear()
        return jsonify(count)


def _add_by_another_way(app: Flask) -> None:
    """Register a socket without flask-sock's decorator, and without a mark."""
    app.add_url_rule("/raw", "raw", lambda: "not reached", websocket=True)


def _make_guarded(**config: Any) -> Flask:
    app = make_site(_prepare, **config)
    _add_by_another_way(app)
    return app


def _make_flawed() -> Flask:
    app = Flask("flawed")
    app.config["SECRET_KEY"] = SECRET
    LoginManager(app).user_loader(_load)
    sock = Sock(app)

    @app.before_request
    def check() -> None:
        view_args = request.view_args or {}
        if flaw := view_args.get("flaw"):
            # Whoever is asked first: the database, before it is known that somebody may ask.
            _ = current_user.is_authenticated
            if not FLAWS[flaw](request.environ):
                abort(403)

    @sock.route("/<flaw>/echo")
    def echo(ws: Any, flaw: str) -> None:
        ws.send(f"{current_user.get_id()}")

    @sock.route("/raw")
    def unchecked(ws: Any) -> None:
        ws.send(f"{current_user.get_id()}")

    @app.get("/page")
    @login_required
    def page() -> str:
        return "only for those who are logged in"

    @app.post("/handshake")
    def token() -> Response:
        answer = jsonify(token="the token of whoever is logged in")
        answer.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        answer.headers["Access-Control-Allow-Credentials"] = "true"
        return answer

    return app


def make() -> Any:
    """Return the WSGI app with all sites, as a TLS proxy in front speaks to it."""
    mounts = {
        "/listed": _make_guarded(WSGUARD_ALLOWED_ORIGINS=LISTED),
        "/flawed": _make_flawed(),
    }
    return ProxyFix(DispatcherMiddleware(_make_guarded(), mounts), x_proto=1)
