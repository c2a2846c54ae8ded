"""The early gate: never more permissive, never more restrictive than the hook, and as talkative."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask, abort, request, session
from flask.sessions import SecureCookieSessionInterface
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from flask_wsguard import handshake_refused
from flask_wsguard.servers import IN_A_TEST

from .sites import make_site
from .visitor import ORIGIN, UPGRADE, Clock, Visitor

FOREIGN = {**UPGRADE, "Origin": "https://evil.example.net"}


def with_middleware(app: Flask) -> None:
    """Wrap the app before the guard comes, so that it gets no early gate."""
    inner = app.wsgi_app
    app.wsgi_app = lambda *request: inner(*request)  # type: ignore[method-assign]


GATED = make_site()
HOOKED = make_site(with_middleware)
# The tickets below are minted once and must not age.
for site in (GATED, HOOKED):
    Clock(site)


@dataclass
class Heard:
    """What a site answered, and what it told its operator."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    told: list[dict[str, Any]]
    counted: dict[Any, int]


def ask(app: Flask, environ: dict[str, Any], listen: bool = True) -> Heard:
    """Send one request, and listen to the signal or leave it without receivers."""
    heard: list[dict[str, Any]] = []
    answered: list[Any] = []
    log = app.extensions["wsguard"].log
    log._counts.clear()

    def receive(_: Flask, **facts: Any) -> None:
        heard.append({**facts, "user": session.get("_user_id"), "at": request.path})

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        answered[:] = [status, headers]

    environ = {**environ, "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
    if listen:
        handshake_refused.connect(receive, app)
    try:
        body = b"".join(app(environ, start_response))
    finally:
        handshake_refused.disconnect(receive, app)
    return Heard(*answered, body, heard, dict(log._counts))


def environ_of(path: str = "/echo", query: str = "", **headers: str | None) -> dict[str, Any]:
    """Return a handshake on https://example.org; a header of None is left out."""
    sent = {**UPGRADE, "Origin": ORIGIN, **{k.replace("_", "-"): v for k, v in headers.items()}}
    named = {f"HTTP_{key.upper().replace('-', '_')}": v for key, v in sent.items() if v is not None}
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "example.org",
        "wsgi.url_scheme": "https",
        **named,
    }


def good() -> tuple[str, str]:
    """Return the query and the cookies of a good handshake of alice's."""
    alice = Visitor(GATED)
    alice.log_in("alice")
    query = f"wsguard_token={alice.token()}"
    return query, alice.cookie_header()


QUERY, COOKIES = good()
TICKET = COOKIES.split("; ")[-1]
SESSION = COOKIES.split("; ")[0]

paths = st.sampled_from(
    [
        "/echo",
        "/any",
        "/ticker",
        "/anyone",
        "/forgotten",
        "/caf\xc3\xa9",
        "/room/1",
        "/room/x",
        "/slash",
        "/slash/",
        "/nowhere",
        "/",
        "//echo",
        "/login",
        "",
    ]
)
origins = st.sampled_from(
    [
        ORIGIN,
        "https://evil.example.net",
        "null",
        "",
        None,
        "https://example.org:443",
        "http://example.org",
        "HTTPS://EXAMPLE.ORG",
        f"{ORIGIN}, {ORIGIN}",
        "\xff",
        "x" * 400,
    ]
)
queries = st.sampled_from(
    [
        QUERY,
        "",
        "wsguard_token=",
        f"{QUERY}&{QUERY}",
        QUERY.replace("_", "%5F", 1),
        f"a=1&{QUERY}",
        f"{QUERY}&wsguard%5Ftoken=x",
        QUERY[:-1],
        QUERY.upper(),
        "wsguard_token",
        "%",
        "a+b",
    ]
) | st.text("wsguard_token=&%+5F\xe9", max_size=30)
cookies = st.sampled_from(
    [
        COOKIES,
        SESSION,
        TICKET,
        "",
        None,
        f"{COOKIES}; {TICKET}",
        f"{TICKET}x",
        "wsguard=1",
        f"{TICKET}; {SESSION}; {SESSION}x",
        COOKIES.replace("__Host-Http-", ""),
    ]
)
rest = st.fixed_dictionaries(
    {},
    optional={
        "REQUEST_METHOD": st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
        "SERVER_PROTOCOL": st.sampled_from(["HTTP/1.1", "HTTP/1.0"]),
        "HTTP_UPGRADE": st.sampled_from(["websocket", "Websocket", "h2c", ""]),
        "HTTP_CONNECTION": st.sampled_from(["Upgrade", "keep-alive, Upgrade", "close", "\xe9"]),
        "HTTP_SEC_WEBSOCKET_VERSION": st.sampled_from(["13", "8", ""]),
        "HTTP_SEC_WEBSOCKET_KEY": st.sampled_from(["dGhlIHNhbXBsZSBub25jZQ==", "x", ""]),
        "HTTP_SEC_FETCH_SITE": st.sampled_from(["same-origin", "cross-site", "none"]),
        "HTTP_HOST": st.sampled_from(["example.org", "evil.example.net", "", "a b", "[::1"]),
        "HTTP_SEC_WEBSOCKET_PROTOCOL": st.sampled_from(["chat", QUERY[14:], f"chat, {QUERY[14:]}"]),
        "CONTENT_LENGTH": st.sampled_from(["", "0", "5"]),
        "wsgi.url_scheme": st.sampled_from(["https", "http", "wss"]),
        "SCRIPT_NAME": st.sampled_from(["", "/mounted", "/mounted/"]),
    },
)


@settings(deadline=None)
@given(paths, origins, queries, cookies, rest, st.booleans())
def test_gate_and_hook_agree_on_whatever_comes(
    path: str,
    origin: str | None,
    query: str,
    cookie: str | None,
    other: dict[str, str],
    listen: bool,
) -> None:
    """Same status, headers and bytes, same signal, same line counted in the log."""
    environ = {**environ_of(path, query, Origin=origin, Cookie=cookie), **other}
    assert ask(GATED, environ, listen) == ask(HOOKED, environ, listen)


def test_one_site_has_the_gate_and_the_other_has_not() -> None:
    """Else the comparison would compare a site with itself; the state says which is which."""
    assert GATED.extensions["wsguard"].has_early_gate
    assert not HOOKED.extensions["wsguard"].has_early_gate


class Noting(SecureCookieSessionInterface):
    """Notes for which paths a session was opened."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def open_session(self, app: Flask, request: Any) -> Any:
        self.seen.append(request.path)
        return super().open_session(app, request)


class Broken(SecureCookieSessionInterface):
    """Cannot open one."""

    def open_session(self, app: Flask, request: Any) -> Any:
        raise RuntimeError("the session store is away")


@pytest.mark.parametrize(
    ("query", "headers"),
    [("", UPGRADE), (QUERY, FOREIGN), (QUERY, {**UPGRADE, "Origin": ORIGIN})],
    ids=["no-token", "foreign", "no-ticket"],
)
def test_hopeless_handshakes_open_no_session(query: str, headers: dict[str, str]) -> None:
    """The point of it all; the hook comes after the session."""
    for prepare, expected in [(None, []), (with_middleware, ["/echo"])]:
        seen = list[str]()
        app = make_site(prepare)
        app.session_interface = Noting(seen)
        answer = app.test_client().get(f"/echo?{query}", base_url=ORIGIN, headers=headers)
        assert (answer.status_code, seen) == (403, expected)


def test_public_routes_keep_their_promise() -> None:
    """``any_origin`` lets a foreign page in, without token or ticket: the gate knows the mark."""
    heard = ask(GATED, environ_of("/anyone", Origin="https://evil.example.net"))
    assert (heard.body.decode(), heard.told) == (f"{IN_A_TEST}\n", [])


def test_middleware_that_comes_later_is_outside() -> None:
    """ProxyFix applied after the guard still turns http into https before the gate looks."""
    app = make_site()
    Clock(app)
    assert app.extensions["wsguard"].has_early_gate
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1)  # type: ignore[method-assign]
    environ = environ_of(Cookie=COOKIES, query=QUERY, X_Forwarded_Proto="https")
    assert ask(app, {**environ, "wsgi.url_scheme": "http"}).told == []


def test_app_class_with_a_wsgi_app_of_its_own_gets_no_gate() -> None:
    """It may do what middleware does."""

    class Mounted(Flask):
        def wsgi_app(self, environ: Any, start_response: Any) -> Any:
            return super().wsgi_app({**environ, "SCRIPT_NAME": "/x"}, start_response)

    from flask_wsguard import WSGuard

    app = Mounted("mounted")
    app.config["SECRET_KEY"] = "s" * 32
    WSGuard(app)
    assert not app.extensions["wsguard"].has_early_gate


@pytest.mark.parametrize("where", ["hook", "preprocessor"])
def test_site_that_answers_first_still_does(where: str) -> None:
    """A hook put in front of the guard's, or a URL preprocessor, keeps its place."""
    app = make_site()
    if where == "hook":
        app.before_request_funcs[None].insert(0, lambda: ("closed", 503))
    else:
        app.url_value_preprocessor(lambda endpoint, values: abort(503))
    heard = ask(app, environ_of(Origin="https://evil.example.net"))
    assert (heard.status, heard.told) == ("503 SERVICE UNAVAILABLE", [])


def test_converter_that_wants_a_session_gets_one() -> None:
    """Routing that raises without a session is left to Flask, which has one."""

    class Mine(BaseConverter):
        def to_python(self, value: str) -> str:
            return f"{session.get('_user_id')}'s {value}"

    def prepare(app: Flask) -> None:
        app.url_map.converters["mine"] = Mine
        app.add_url_rule("/own/<mine:name>", view_func=lambda name: name, websocket=True)

    heard = ask(make_site(prepare), environ_of("/own/thing"))
    assert [told["reason"] for told in heard.told] == ["unguarded_route"]


def test_session_that_cannot_be_opened_is_flasks_error() -> None:
    """A receiver would get no session; the 500 is the site's own, and nothing is told twice."""
    app = make_site()
    app.session_interface = Broken()
    heard = ask(app, environ_of(Origin="https://evil.example.net"))
    assert (heard.status[:3], heard.told, heard.counted) == ("500", [], {})


def test_observe_only_mode_has_no_early_word() -> None:
    """What is let through must reach Flask."""
    app = make_site(WSGUARD_ENFORCE=False)
    heard = ask(app, environ_of(Origin="https://evil.example.net"))
    assert heard.body.decode() == f"{IN_A_TEST}\n"
    assert [told["observed"] for told in heard.told] == [True]
