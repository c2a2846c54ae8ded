"""The early gate: where it stands, what it leaves to others, and what it never opens."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from flask import Flask, Request, abort, request, request_started, session
from flask.sessions import SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from flask_wsguard import early
from flask_wsguard.servers import IN_A_TEST

from .sites import make_site
from .twins import Twins, ask, environ_of, with_middleware
from .visitor import ORIGIN, UPGRADE, Clock

FOREIGN = {**UPGRADE, "Origin": "https://evil.example.net"}
ALICE = Twins()
OWN = {**UPGRADE, "Origin": ORIGIN, "Cookie": ALICE.honest()["HTTP_COOKIE"]}


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
    [
        ("", OWN),
        (ALICE.query, {**OWN, "Origin": "https://evil.example.net"}),
        (ALICE.query, {**UPGRADE, "Origin": ORIGIN}),
    ],
    ids=["no-token", "foreign", "no-ticket"],
)
def test_hopeless_handshakes_open_no_session(query: str, headers: dict[str, str]) -> None:
    """The point of it all; the hook comes after the session."""
    for prepare, expected in [(None, []), (with_middleware, ["/echo"])]:
        seen = list[str]()
        app = make_site(prepare)
        app.session_interface = Noting(seen)
        answer = app.test_client(use_cookies=False).get(
            f"/echo?{query}", base_url=ORIGIN, headers=headers
        )
        assert (answer.status_code, seen) == (403, expected)


PLAIN = {"HTTP_UPGRADE": "h2c", "HTTP_CONNECTION": "keep-alive"}


@pytest.mark.parametrize(
    "environ",
    [
        ALICE.honest(),
        {name: value for name, value in environ_of("/").items() if name != "HTTP_UPGRADE"},
        {name: value for name, value in environ_of().items() if name != "HTTP_UPGRADE"},
    ],
    ids=["honest", "page", "no-upgrade"],
)
def test_what_looks_honest_is_not_judged_twice(
    environ: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An honest handshake and an ordinary request cost a look, no more."""
    judged: list[Any] = []
    monkeypatch.setattr(early, "_refuse", lambda app, environ: judged.append(environ))
    assert ask(ALICE.gated, environ).told == []
    assert judged == []


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://app.example.com"}, {"Host": "example.org:443"}],
    ids=["listed", "port-written"],
)
def test_page_that_the_site_lists_is_not_judged_twice(
    headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its origin is looked up, where it is not the site's own at a glance."""
    judged: list[Any] = []
    monkeypatch.setattr(early, "_refuse", lambda app, environ: judged.append(environ))
    app = make_site(WSGUARD_ALLOWED_ORIGINS=["self", "https://app.example.com"])
    # Flask judges it: the ticket is of another app's keys.
    path = f"/echo?{ALICE.query}"
    app.test_client(use_cookies=False).get(path, base_url=ORIGIN, headers={**OWN, **headers})
    assert judged == []


def test_page_asked_with_an_upgrade_header_is_flasks() -> None:
    """A proxy may offer HTTP/2; a page is no socket, however hopeless its cookies are."""
    heard = ask(ALICE.gated, {**environ_of("/login"), **PLAIN})
    assert (heard.status, heard.body, heard.told) == ("200 OK", b"log in here", [])


def test_refusal_leaves_no_circle_behind() -> None:
    """A flood must not wait for the garbage collector: the request is freed with its answer."""
    seen: list[Any] = []

    class Noted(Request):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            seen.append(weakref.ref(self))

    app = make_site()
    app.request_class = Noted
    gc.disable()
    try:
        ask(app, environ_of(Origin="https://evil.example.net"), listen=False)
        assert [reference() for reference in seen] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("listens", [True, False], ids=["refused-too", "started-alone"])
def test_receiver_of_flasks_own_signal_hears_of_the_request(listens: bool) -> None:
    """Tracing and metrics note when a request began: of this app, in its context."""
    seen: list[Any] = []

    def receive(app: Flask, **_: Any) -> None:
        seen.append((app, request.path))

    with request_started.connected_to(receive, ALICE.gated):
        ask(ALICE.gated, environ_of(Origin="https://evil.example.net"), listen=listens)
    assert seen == [(ALICE.gated, "/echo")]


def test_public_routes_keep_their_promise() -> None:
    """``any_origin`` lets a foreign page in, without token or ticket: the gate knows the mark."""
    heard = ask(ALICE.gated, environ_of("/anyone", Origin="https://evil.example.net"))
    assert (heard.body.decode(), heard.told) == (f"{IN_A_TEST}\n", [])


def test_middleware_that_comes_later_is_outside() -> None:
    """ProxyFix applied after the guard still turns http into https before the gate looks."""
    app = make_site()
    Clock(app)
    assert app.extensions["wsguard"].has_early_gate
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1)  # type: ignore[method-assign]
    environ = environ_of(Cookie=ALICE.cookies, query=ALICE.query, X_Forwarded_Proto="https")
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
