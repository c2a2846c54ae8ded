"""What gunicorn serves to the browsers: the guarded site, the control, and sites that lack a check.

``/`` is guarded, ``/control`` is the same without the extension, ``/lacking-NAME`` is guarded by
``judge`` with some checks left out (lacking.py), ``/carried`` takes the token as a subprotocol. All
share secret and session cookie, so that one login is a login at each. On https the session is
SameSite=None, as sites set it that are embedded or that log in across domains: nothing but the
guard then stands between it and a foreign page.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Flask, jsonify, render_template_string, request
from flask.sessions import SecureCookieSessionInterface
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_sock import Sock
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_wsguard import WSGuard, current_ticket, ws_protected, ws_public
from tests.browser import desk
from tests.browser.lacking import (
    LACKING,
    SESSION,
    Forgetful,
    expecting_less,
    let_sites_leave_out_checks,
)

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"
SECRET = "a secret key of at least thirty-two letters"

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{{ current_user.get_id() }}</title>
<link rel="icon" href="data:,"></head>
<body>{% if guarded %}{{ wsguard_script() }}{% endif %}<script src="/probe.js"></script></body>
</html>"""


class User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


class Cookies(SecureCookieSessionInterface):
    """Sessions that travel across sites wherever browsers allow it: on https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_samesite(self, app: Flask) -> str | None:
        return "None" if request.is_secure else None


def make_sites() -> Any:
    """Return the WSGI app with all sites, and with the desk at which tests ask and tell."""
    let_sites_leave_out_checks()
    desk.listen()
    mounts: dict[str, Any] = {
        f"/lacking-{name}": make_guarded(f"lacking-{name}", left_out)
        for name, left_out in LACKING.items()
    }
    mounts["/control"] = make_control()
    mounts["/listed"] = make_guarded("listed", set(), ("self", desk.listed_origin))
    mounts["/self"] = make_guarded("self", set())
    mounts["/named"] = make_guarded("named", set(), (desk.own_origin,))
    mounts["/carried"] = make_guarded(
        "carried",
        set(),
        WSGUARD_TOKEN_CARRIERS=["subprotocol"],
        SOCK_SERVER_OPTIONS={"subprotocols": ["chat"]},
    )
    return ProxyFix(desk.serve(DispatcherMiddleware(make_guarded("guarded", set()), mounts)))


def make_guarded(
    name: str, left_out: set[str], origins: tuple[Any, ...] = ("self",), **config: Any
) -> Flask:
    """Return the site with the extension, judged by all checks but those left out."""
    app = _plain_site(name)
    app.config.update(LEFT_OUT=left_out, WSGUARD_ALLOWED_ORIGINS=origins, **config)
    app.before_request(desk.misbehave)
    guard = WSGuard(app)
    state = app.extensions["wsguard"]
    expected = expecting_less(state.expected, name.removeprefix("lacking-"), left_out)
    ended = Forgetful(60) if left_out >= SESSION else state.ended
    app.extensions["wsguard"] = replace(state, expected=expected, now=desk.now, ended=ended)
    guard.scopes_loader(lambda user: desk.scopes(user.id))
    sock = Sock(app)

    @sock.route("/echo")
    @ws_protected(scopes="chat:read")
    def echo(ws: Any) -> None:
        _talk(ws, current_ticket.user_id if current_ticket else "-")

    @sock.route("/other")
    @ws_protected
    def other(ws: Any) -> None:
        _talk(ws, current_ticket.user_id if current_ticket else "-")

    @sock.route("/ticker")
    @ws_public
    def ticker(ws: Any) -> None:
        _talk(ws, "-")

    return app


def make_control() -> Flask:
    """Return the same site without the extension: here the attacks must succeed."""
    app = _plain_site("control")
    sock = Sock(app)

    @sock.route("/echo")
    def echo(ws: Any) -> None:
        _talk(ws, "-")

    return app


def _talk(ws: Any, ticket_user: str) -> None:
    """Say whom the ticket and whom the session name, then echo."""
    with desk.open_sockets(ws):
        ws.send(f"ticket {ticket_user}, session {current_user.get_id() or '-'}")
        while True:
            ws.send(ws.receive())


def _plain_site(name: str) -> Flask:
    app = Flask(name)
    app.secret_key = SECRET
    app.session_interface = Cookies()
    LoginManager(app).user_loader(User)

    @app.get("/page")
    def page() -> Any:
        guarded = "LEFT_OUT" in app.config
        body = render_template_string(PAGE, guarded=guarded)
        return body, {"Content-Security-Policy": POLICY} if guarded else {}

    @app.post("/login/<user_id>")
    def log_in(user_id: str) -> Any:
        login_user(User(user_id), remember="remember" in request.args)
        return jsonify(user=user_id)

    @app.post("/logout")
    def log_out() -> Any:
        logout_user()
        return jsonify(user=None)

    return app
