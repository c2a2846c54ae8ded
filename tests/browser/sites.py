"""What gunicorn serves to the browsers: the guarded site, the control, and sites that lack a check.

``/`` is guarded, ``/control`` is the same without the extension, ``/lacking-NAME`` is guarded by
``judge`` with some checks left out (LACKING). All share secret and session cookie, so that one
login is a login at each. On https the session is SameSite=None, as sites set it that are embedded
or that log in across domains: nothing but the guard then stands between it and a foreign page.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from flask import Flask, current_app, jsonify, render_template_string, request
from flask.sessions import SecureCookieSessionInterface
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_sock import Sock
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_wsguard import WSGuard, current_ticket, grants, ws_protected, ws_public
from flask_wsguard import gate as handshakes
from flask_wsguard.core import handshake, preauth
from flask_wsguard.core.case import Expected, Protected
from flask_wsguard.core.origins import Origin
from flask_wsguard.core.tickets import Ticket
from tests.browser import desk

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"
SECRET = "a secret key of at least thirty-two letters"

ORIGIN = {"origin_is_present", "origin_is_allowed", "fetch_is_same_site"}
TOKEN = {"token_is_present", "token_is_authentic", "token_is_fresh"}
TICKET = {"ticket_is_present", "ticket_is_authentic", "ticket_is_fresh", "token_names_ticket"}
SESSION = {"session_is_undisputed", "session_is_alive", "session_is_of_user", "session_is_same"}
PREAUTH = {"content_is_json", "origin_is_present", "origin_is_allowed", "fetch_is_plausible"}

LACKING = {
    "origin": ORIGIN,
    # Without a token nothing says which ticket is meant, so that goes as well.
    "origin-and-token": ORIGIN | TOKEN | TICKET | {"path_is_bound", "scopes_are_held"},
    "ticket": TICKET | {"path_is_bound", "scopes_are_held"},
    "origin-and-ticket": ORIGIN | TICKET | {"path_is_bound", "scopes_are_held"},
    "path": {"path_is_bound"},
    "session": SESSION,
    "origin-and-session": ORIGIN | SESSION,
    "prefix": ORIGIN | SESSION | {"any prefix of the cookie's name"},
    "host-prefix": ORIGIN | SESSION | {"the prefix __Host- of the cookie's name"},
    "names": {"a name of its own for each ticket"},
    "whose": {"is_of_session"},
    "transport": {"transport_is_secure"},
    "preauth": PREAUTH | {"refuse_for_protected"},
}

# What such a site calls its ticket cookies.
PREFIXES = {"prefix": "wsguard-", "host-prefix": "__Secure-wsguard-"}

# A protected body runs for a ticket only; where none was asked for, this one stands in.
NOBODY = Ticket("-", "-", frozenset(), "", "", 0, 0)

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
    _let_sites_leave_out_checks()
    desk.listen()
    mounts: dict[str, Any] = {
        f"/lacking-{name}": make_guarded(f"lacking-{name}", left_out)
        for name, left_out in LACKING.items()
    }
    mounts["/control"] = make_control()
    mounts["/listed"] = make_guarded("listed", set(), ("self", desk.listed_origin))
    return ProxyFix(desk.serve(DispatcherMiddleware(make_guarded("guarded", set()), mounts)))


def make_guarded(name: str, left_out: set[str], origins: tuple[Any, ...] = ("self",)) -> Flask:
    """Return the site with the extension, judged by all checks but those left out."""
    app = _plain_site(name)
    app.config.update(LEFT_OUT=left_out, WSGUARD_ALLOWED_ORIGINS=origins)
    app.before_request(desk.misbehave)
    guard = WSGuard(app)
    state = app.extensions["wsguard"]
    expected = naming_cookies(state.expected, name.removeprefix("lacking-"))
    app.extensions["wsguard"] = replace(state, expected=expected)
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


class OneName(str):
    """A cookie name that takes no ticket's id: one for all, as if somebody had set it by hand."""

    def __add__(self, ticket_id: str) -> str:
        return str(self)


def naming_cookies(expected: Expected, lacking: str) -> Expected:
    """Return what the site expects, its ticket cookies named as a lesser design would."""
    prefix = OneName("__Host-Http-wsguard") if lacking == "names" else PREFIXES.get(lacking)
    if prefix is None:
        return expected

    class NamedOtherwise(Expected):
        def cookie_prefix(self, own: Origin) -> str:
            return prefix

    return NamedOtherwise(*(getattr(expected, field.name) for field in fields(expected)))


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
        login_user(User(user_id))
        return jsonify(user=user_id)

    @app.post("/logout")
    def log_out() -> Any:
        logout_user()
        return jsonify(user=None)

    return app


def _let_sites_leave_out_checks() -> None:
    """Give ``judge`` a shorter tuple of checks where a site of this suite asks for it."""

    def without(checks: Any) -> Any:
        left_out = current_app.config["LEFT_OUT"]
        return tuple(check for check in checks if check.__name__ not in left_out)

    def judge(facts: Any, *, expected: Any, now: float) -> Any:
        checks = without(handshake.CHECKS)
        outcome = handshake.judge(facts, expected=expected, now=now, checks=checks)
        if outcome == handshake.Accepted(None) and isinstance(facts.mark, Protected):
            return handshake.Accepted(NOBODY)
        return outcome

    def judge_preauth(asked: Any, rules: Any) -> Any:
        answers = (check(asked, rules) for check in without(preauth.CHECKS))
        return next((refused for refused in answers if refused), None)

    strict = preauth.refuse_for_protected

    def refuse_for_protected(asked: Any, rules: Any) -> Any:
        return strict(asked, rules) if without((strict,)) else None

    strictly = grants.is_of_session

    def is_of_session(*asked: Any) -> bool:
        return strictly(*asked) if without((strictly,)) else True

    grants.is_of_session = is_of_session
    handshakes.judge = judge  # type: ignore[attr-defined]
    preauth.judge = judge_preauth
    preauth.refuse_for_protected = refuse_for_protected
