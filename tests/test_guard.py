"""The guard wired into apps of every shape, and what its hook answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    copy_current_request_context,
    current_app,
    request,
    request_started,
    session,
)
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_sock import Sock
from flask_sqlalchemy import SQLAlchemy
from werkzeug.exceptions import Forbidden
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from flask_wsguard import (
    ConfigError,
    HandshakeRefused,
    Refusal,
    WSGuard,
    current_ticket,
    handshake_accepted,
    handshake_refused,
    hooks,
    ws_protected,
    ws_public,
)
from flask_wsguard.core.refusals import Refused
from flask_wsguard.live.connection import Connection
from flask_wsguard.reports import HandshakeRefusal
from flask_wsguard.servers import IN_A_TEST, NO_SOCKET, ONE_SOCKET

from .sites import SECRET, User, make_control, make_site
from .visitor import ORIGIN, UPGRADE, Outcome, Visitor

REFUSED = b"This WebSocket handshake was refused.\n"
REFUSED_HEADERS = [
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Length", "38"),
    ("Cache-Control", "no-store"),
]


@pytest.fixture
def app() -> Flask:
    return make_site()


@pytest.fixture
def alice(app: Flask) -> Visitor:
    return logged_in(app)


def logged_in(app: Flask, user: str = "alice", **where: Any) -> Visitor:
    visitor = Visitor(app, **where)
    visitor.log_in(user)
    return visitor


def plain_app(name: str = "plain") -> Flask:
    """Return an app with a login and nothing else."""
    app = Flask(name)
    app.config["SECRET_KEY"] = SECRET
    LoginManager(app).user_loader(User)

    @app.post("/login/<user_id>")
    def log_in(user_id: str) -> str:
        login_user(User(user_id))
        return "in"

    return app


def protected_view() -> Any:
    """Return a new protected view: a view carries one mark."""

    @ws_protected
    def say_hello(ws: Any) -> None:
        ws.send(f"hello {current_ticket.user_id}")

    return say_hello


def refused_by_the_gate(visitor: Visitor, headers: Any = None) -> Outcome:
    """Be refused before Flask opens a session: no token."""
    return visitor.connect("/echo", headers=headers)


def refused_by_the_hook(visitor: Visitor, headers: Any = None) -> Outcome:
    """Be refused behind it: a ticket's name and a token's, and neither good for anything."""
    gate: Any = visitor.app.wsgi_app
    flask, reached = gate._inner, []
    gate._inner = lambda *args: [reached.append(args), flask(*args)][1]  # type: ignore[func-returns-value]
    cookies = f"{visitor.cookie_header()}; __Host-Http-wsguard-x=y"
    outcome = visitor.connect("/echo", "x", headers=headers, cookies=cookies)
    gate._inner = flask
    assert len(reached) == 1
    return outcome


REFUSING = {"gate": refused_by_the_gate, "hook": refused_by_the_hook}


# The attack and its control.


def test_unguarded_site_lets_a_foreign_page_in_as_its_user() -> None:
    """The control: without the extension the cookie alone opens the socket from anywhere."""
    visitor = logged_in(make_control())
    headers = {**UPGRADE, "Origin": "https://evil.example.net"}
    visitor.app.testing = True
    with pytest.raises(RuntimeError, match="Cannot obtain socket"):
        visitor.client.get("/echo", base_url=ORIGIN, headers=headers)


ATTACKS: dict[str, tuple[str, dict[str, Any]]] = {
    "foreign-page": ("origin_not_allowed", {"headers": {"Origin": "https://evil.example.net"}}),
    "sandboxed-frame": ("origin_not_allowed", {"headers": {"Origin": "null"}}),
    "no-origin": ("origin_missing", {"headers": {"Origin": None}}),
    "empty-origin": ("origin_missing", {"headers": {"Origin": ""}}),
    "sibling": ("origin_not_allowed", {"headers": {"Origin": "https://blog.example.org"}}),
    "other-port": ("origin_not_allowed", {"headers": {"Origin": "https://example.org:8443"}}),
    "other-scheme": ("origin_not_allowed", {"headers": {"Origin": "http://example.org"}}),
    "cross-site-metadata": ("cross_site_fetch", {"headers": {"Sec-Fetch-Site": "cross-site"}}),
    "no-token": ("token_missing", {"token": None}),
    "no-cookies": ("ticket_missing", {"cookies": ""}),
    "two-tokens": ("token_invalid", {"query": "wsguard_token={0}&wsguard_token={0}"}),
    "second-token-encoded": ("token_invalid", {"query": "wsguard_token={0}&wsguard%5Ftoken=x"}),
    "empty-second-token": ("token_invalid", {"query": "wsguard_token={0}&wsguard_token="}),
    "token-8-kilobytes": ("token_invalid", {"token": "x" * 8192}),
    "token-not-ascii": ("token_invalid", {"query": "wsguard_token=%E9%FF"}),
    "other-path": ("path_mismatch", {"path": "/any"}),
    "version-8": ("malformed_upgrade", {"headers": {"Sec-WebSocket-Version": "8"}}),
    "no-version": ("malformed_upgrade", {"headers": {"Sec-WebSocket-Version": None}}),
    "no-key": ("malformed_upgrade", {"headers": {"Sec-WebSocket-Key": None}}),
    "forgotten-route": ("unguarded_route", {"path": "/forgotten"}),
}


@pytest.mark.parametrize(("reason", "how"), ATTACKS.values(), ids=ATTACKS)
def test_attack_is_refused_before_the_upgrade(
    alice: Visitor, reason: str, how: dict[str, Any]
) -> None:
    """Everything else is right: alice's own cookies and her fresh token."""
    token = alice.token()
    how = dict(how)
    path = how.pop("path", "/echo")
    if "query" in how:
        how["query"] = how["query"].format(token)
    outcome = alice.connect(path, how.pop("token", token), **how)
    assert outcome.reason == reason


def test_refused_bytes_are_the_same_whatever_the_reason(alice: Visitor) -> None:
    """A page cannot tell a foreign Origin from an expired ticket, nor learn who is logged in."""
    token = alice.token()
    answers = set()
    for reason, how in ATTACKS.values():
        how = dict(how)
        if reason != "malformed_upgrade":
            path = how.pop("path", "/echo")
            if "query" in how:
                how["query"] = how["query"].format(token)
            response = alice.connect(path, how.pop("token", token), **how).response
            answers.add((response.status, response.data, tuple(response.headers)))
    assert answers == {("403 FORBIDDEN", REFUSED, tuple(REFUSED_HEADERS))}


@pytest.mark.parametrize(
    ("version", "status", "extra"),
    [("8", 426, [("Sec-WebSocket-Version", "13")]), (None, 400, [])],
    ids=["another", "none"],
)
def test_malformed_upgrade_is_400_or_426(
    alice: Visitor, version: str | None, status: int, extra: list[tuple[str, str]]
) -> None:
    """426 says which version would do, as RFC 6455 section 4.4 asks."""
    headers = {"Sec-WebSocket-Version": version}
    response = alice.connect(token=alice.token(), headers=headers).response
    assert response.status_code == status
    assert response.data == b"This is not a well-formed WebSocket upgrade.\n"
    assert list(response.headers) == [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", "45"),
        ("Cache-Control", "no-store"),
        *extra,
    ]


def test_answer_to_a_head_request_has_no_body(alice: Visitor) -> None:
    """Bytes behind the headers of a HEAD answer would be read as the next answer's."""
    answer = alice.client.head("/echo", base_url=ORIGIN, headers={**UPGRADE, "Origin": ORIGIN})
    assert answer.status_code == 400
    assert answer.data == b""


def test_the_403_never_carries_another_visitors_session_cookie(app: Flask) -> None:
    """Flask writes cookies onto a response object: a shared one hands them to the next visitor."""
    app.before_request(lambda: session.__setitem__("seen", 1))

    @app.after_request
    def set_cookie(answer: Any) -> Any:
        answer.set_cookie("tracking", request.headers.get("X-Who", "nobody"))
        return answer

    alice, bob, stranger = logged_in(app), logged_in(app, "bob"), Visitor(app)
    for visitor, who in ((alice, "alice"), (bob, "bob"), (stranger, "stranger")):
        for refuse in REFUSING.values():
            response = refuse(visitor, {"X-Who": who}).response
            assert response.status_code == 403
            assert list(response.headers) == REFUSED_HEADERS
    # The control: an ordinary page carries both.
    home = alice.client.get("/", base_url=ORIGIN, headers={"X-Who": "alice"})
    assert [line.partition("=")[0] for line in home.headers.getlist("Set-Cookie")] == [
        "tracking",
        "session",
    ]


@pytest.mark.parametrize("by", REFUSING)
def test_the_403_keeps_the_connection(alice: Visitor, by: str) -> None:
    """``Connection: close`` makes gunicorn wait for the peer on its main thread."""
    assert "Connection" not in REFUSING[by](alice).response.headers


def test_shared_response_object_is_the_control(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the 403 one object that sends what it holds, bob would get what is alice's."""
    monkeypatch.setattr(HandshakeRefusal, "__call__", Response.__call__)
    shared = HandshakeRefusal(Refused(Refusal.TOKEN_INVALID), debug=False)
    monkeypatch.setattr(hooks, "HandshakeRefusal", lambda refused, debug: shared)

    @app.after_request
    def set_cookie(answer: Any) -> Any:
        answer.headers.add("Set-Cookie", "tracking=" + request.headers.get("X-Who", "nobody"))
        return answer

    refused_by_the_hook(logged_in(app), {"X-Who": "alice"})
    response = refused_by_the_hook(logged_in(app, "bob"), {"X-Who": "bob"}).response
    assert "tracking=alice" in response.headers.getlist("Set-Cookie")


def test_debug_body_tells_the_reason_and_production_never(app: Flask) -> None:
    """Whoever builds the site reads why; the network does not."""
    alice = logged_in(app)
    assert alice.connect("/echo").response.data == REFUSED
    app.debug = True
    body = alice.connect("/echo").response.get_data(as_text=True)
    assert body.startswith(REFUSED.decode())
    assert "token_missing: The handshake carries no token." in body
    assert "new WSGuard(path)" in body
    foreign = alice.connect("/echo", headers={"Origin": "https://evil\xe9"}).response
    assert foreign.headers["Content-Length"] == str(len(foreign.data))


# Marks decide, and the hook is first.


def test_hook_of_the_guard_runs_before_those_of_the_site(app: Flask) -> None:
    """No hook of the site works for a request that will be refused."""
    ran: list[str] = []
    early = plain_app()
    early.before_request(lambda: ran.append(request.path))
    WSGuard(early)
    Sock(early).route("/echo")(protected_view())
    visitor = Visitor(early)
    assert visitor.connect("/echo").reason == "token_missing"
    assert ran == []
    visitor.client.get("/nothing", base_url=ORIGIN)
    assert ran == ["/nothing"]


def test_guard_has_the_last_word_on_the_headers_of_preauth() -> None:
    """Also where the site's own ``after_request`` was there first and opens everything."""

    def open_all(answer: Response) -> Response:
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Cache-Control"] = "public"
        return answer

    visitor = logged_in(make_site(lambda app: app.after_request(open_all)))
    control = visitor.client.get("/", base_url=ORIGIN).headers
    assert (control["Access-Control-Allow-Origin"], control["Cache-Control"]) == ("*", "public")
    headers = visitor.preauth().headers
    assert "Access-Control-Allow-Origin" not in headers
    assert headers.getlist("Cache-Control") == ["no-store"]


def test_unmarked_route_is_refused_and_the_log_names_the_view(
    alice: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """A route somebody forgot is closed, and one line says which view and what to write."""
    outcome = alice.connect("/forgotten")
    assert outcome.reason == "unguarded_route"
    lines = [record.getMessage() for record in caplog.records if record.name == "flask_wsguard"]
    (line,) = [line for line in lines if "unguarded_route" in line]
    assert "tests.sites.make_site.<locals>.forgotten" in line
    assert "Put @ws_protected or @ws_public directly below @sock.route(...)." in line


def test_plain_pages_and_unknown_paths_are_not_the_guards(alice: Visitor) -> None:
    """The hook speaks of WebSocket rules only; the rest is Flask's own answer."""
    assert alice.client.get("/login", base_url=ORIGIN).status_code == 200
    assert alice.client.get("/nothing", base_url=ORIGIN, headers=UPGRADE).status_code == 404
    assert alice.client.get("/echo", base_url=ORIGIN).status_code == 400
    assert alice.client.get("/slash", base_url=ORIGIN, headers=UPGRADE).status_code == 308


def test_blueprints_and_url_converters() -> None:
    """Marks stand on views, wherever those are registered."""
    app = plain_app()
    guard, sock = WSGuard(), Sock()
    rooms = Blueprint("rooms", __name__)

    @sock.route("/room/<int:number>/<path:rest>", bp=rooms)
    @ws_protected
    def room(ws: Any, number: int, rest: str) -> None:
        ws.send(f"{current_ticket.user_id} {current_ticket.path} {number} {rest}")

    @sock.route("/late")
    @ws_protected
    def late(ws: Any) -> None:
        ws.send("late")

    sock.init_app(app)
    app.register_blueprint(rooms, url_prefix="/v1")
    guard.init_app(app)
    visitor = logged_in(app)
    path = "/v1/room/7/a/b"
    opened = visitor.open(path, visitor.token(path))
    assert (opened.messages, opened.code) == ([f"alice {path} 7 a/b"], 1000)
    assert visitor.open("/late", visitor.token("/late")).messages == ["late"]
    assert visitor.connect("/v1/room/8/a/b", visitor.token(path)).reason == "path_mismatch"
    assert visitor.connect("/late").reason == "token_missing"


def test_view_of_another_extension_is_marked_in_place() -> None:
    """``ws_public(app.view_functions["x"])`` is enough."""
    app = plain_app()
    WSGuard(app)
    Sock(app).route("/x")(lambda ws: ws.send("x"))
    visitor = Visitor(app)
    assert visitor.connect("/x").reason == "unguarded_route"
    ws_public(app.view_functions["<lambda>"])
    assert visitor.open("/x").messages == ["x"]


def test_mounted_under_a_prefix() -> None:
    """Preauth and socket both see the prefix, and a ticket is bound to it."""
    app = make_site()
    mounted = DispatcherMiddleware(Flask("root"), {"/app": app})
    client = Client(mounted)
    client.post("/app/login/alice", base_url=ORIGIN)
    headers = {"Origin": ORIGIN}

    def preauth(path: str) -> Any:
        return client.post(
            "/app/wsguard/preauth", base_url=ORIGIN, json={"path": path}, headers=headers
        )

    wrong = preauth("/any").json
    assert wrong["reason"] == "unknown_path"
    assert "ProxyFix(x_prefix=1)" in wrong["detail"]
    assert preauth("/application/any").json["reason"] == "unknown_path"
    token = preauth("/app/any").json["token"]
    heard = client.get(
        f"/app/any?wsguard_token={token}", base_url=ORIGIN, headers={**UPGRADE, **headers}
    )
    assert IN_A_TEST in heard.text
    # The same path without the prefix is another socket.
    jar = "; ".join(f"{cookie.key}={cookie.value}" for cookie in client._cookies.values())
    assert Visitor(app).connect("/any", token, cookies=jar).reason == "path_mismatch"


def test_one_guard_serves_several_apps() -> None:
    """Nothing is kept on the guard that belongs to one app."""
    guard = WSGuard()
    apps = [plain_app("one"), plain_app("two")]
    apps[1].config["SECRET_KEY"] = "another secret of at least thirty-two letters"
    for app in apps:
        guard.init_app(app)
        Sock(app).route("/hello")(protected_view())
    one, two = (logged_in(app) for app in apps)
    assert one.connect("/hello", one.token("/hello")).reason is None
    assert two.connect("/hello", two.token("/hello")).reason is None
    # Each has its own keys and its own record of ended sessions.
    tickets = one.cookie_header()
    assert two.connect("/hello", one.token("/hello"), cookies=tickets).reason == "token_invalid"
    assert apps[0].extensions["wsguard"] is not apps[1].extensions["wsguard"]


def test_two_guards_in_one_process_know_nothing_of_each_other() -> None:
    """Loaders and declared paths are one guard's."""
    one, two = make_site(), plain_app("two")
    guard = WSGuard(two)
    guard.protect_path("/socket.io/")
    assert "/socket.io/" not in one.extensions["test_guard"]._site.protected_paths
    assert logged_in(one).preauth("/socket.io/").status_code == 404
    assert logged_in(two).preauth("/socket.io/").status_code == 200


def test_logout_in_one_app_ends_nothing_in_another() -> None:
    """The login hooks listen to their own app."""
    one, two = make_site(), make_site()
    visitor = logged_in(one)
    cookies = visitor.cookie_header()
    visitor.log_out()
    assert Visitor(one).preauth(cookies=cookies).json["reason"] == "session_ended"
    assert Visitor(two).preauth(cookies=cookies).status_code == 200


def test_init_app_twice_is_an_error(app: Flask) -> None:
    """Two hooks would judge each handshake twice."""
    with pytest.raises(RuntimeError) as caught:
        WSGuard(app)
    assert str(caught.value) == "flask_wsguard guards this app already: call init_app once"


def test_bad_configuration_leaves_the_app_untouched() -> None:
    """A ConfigError happens before anything is registered."""
    app = plain_app()
    app.config["WSGUARD_TICKET_TTL"] = 60
    with pytest.raises(ConfigError):
        WSGuard(app)
    assert "wsguard" not in app.extensions
    assert "wsguard" not in app.blueprints
    assert app.before_request_funcs.get(None, []) == []


# Public routes.


def test_public_route_needs_no_login_and_checks_origin(app: Flask) -> None:
    """Nobody need be logged in; a foreign page still stays out."""
    visitor = Visitor(app)
    assert visitor.open("/ticker").messages == ["public None False"]
    assert visitor.connect("/ticker").ticket is None
    foreign = {"Origin": "https://evil.example.net"}
    assert visitor.connect("/ticker", headers=foreign).reason == "origin_not_allowed"


def test_any_origin_route_sees_an_anonymous_user_and_an_empty_session(app: Flask) -> None:
    """Foreign pages may open it, so nothing of the visitor's login may be in it."""
    alice = logged_in(app)
    opened = alice.open("/anyone", origin="https://evil.example.net")
    assert opened.messages == ["anyone None []"]
    # The control: on a plain public route the same cookies are alice.
    assert alice.open("/ticker").messages == ["public alice False"]


def speaks_of_its_visitor() -> Any:
    """Return a handler that asks who is there in every context it can get."""

    @ws_public(any_origin=True)
    def handler(ws: Any) -> None:
        def say() -> None:
            seen = request.headers.get("Cookie"), request.headers.get("Authorization")
            ws.send(f"{current_user.get_id()} {dict(session)} {dict(request.cookies)} {seen}")

        say()
        copy_current_request_context(say)()
        with current_app.app_context():
            say()

    return handler


def test_any_origin_route_sees_no_authorization_that_was_read_before() -> None:
    """Werkzeug keeps what it has parsed, for a receiver that asked at the request's start."""
    app, seen = make_site(), list[Any]()

    def start(sender: Flask) -> None:
        seen.append(request.authorization)

    @Sock(app).route("/whoever")
    @ws_public(any_origin=True)
    def whoever(ws: Any) -> None:
        seen.append(request.authorization)

    login = {"HTTP_AUTHORIZATION": "Basic YWxpY2U6c2VjcmV0"}
    with request_started.connected_to(start, app):
        Visitor(app).open("/whoever", environ_overrides=login)
    assert [one and one.username for one in seen] == ["alice", None]


NOBODY = "None {} {} (None, None)"
OBSERVED_AND_FULL = {"WSGUARD_ENFORCE": False, "WSGUARD_MAX_CONNECTIONS": 1}


@pytest.mark.parametrize("config", [{}, OBSERVED_AND_FULL], ids=["enforced", "observed"])
def test_any_origin_route_sees_nobody_in_other_contexts_either(config: dict[str, Any]) -> None:
    """A copied context, or a new one, would load the user again, by the remember cookie."""
    app = make_site(**config)
    Sock(app).route("/whoever")(speaks_of_its_visitor())
    alice = Visitor(app)
    alice.log_in("alice", remember="yes")
    login = {"HTTP_AUTHORIZATION": "Basic YWxpY2U6c2VjcmV0"}
    if config:
        app.extensions["wsguard"].sockets.hold(Connection(None, "/the only one"))
    opened = alice.open("/whoever", origin="https://evil.example.net", environ_overrides=login)
    assert opened.messages == [NOBODY] * 3


def test_any_origin_route_sees_nobody_whatever_a_loader_goes_by() -> None:
    """An address, or a certificate, is no header that could be taken away."""
    app = make_site()
    app.login_manager.request_loader(lambda asked: User("alice"))  # type: ignore[attr-defined]
    assert Visitor(app).open("/ticker").messages == ["public alice False"]  # the control
    opened = Visitor(app).open("/anyone", origin="https://evil.example.net")
    assert opened.messages == ["anyone None []"]


def test_plain_public_route_knows_its_visitor(app: Flask) -> None:
    """The control: without ``any_origin`` a handler has its cookies."""

    @Sock(app).route("/visitor")
    @ws_public
    def visitor(ws: Any) -> None:
        with current_app.app_context():
            ws.send(f"{current_user.get_id()} {'session' in request.cookies}")

    assert logged_in(app).open("/visitor").messages == ["alice True"]


def test_any_origin_route_works_without_flask_login() -> None:
    """A site without logins has public sockets too."""
    app = Flask("none")
    app.config["SECRET_KEY"] = SECRET
    WSGuard(app)
    Sock(app).route("/anyone")(ws_public(any_origin=True)(lambda ws: ws.send("hi")))
    assert Visitor(app).open("/anyone", origin="null").messages == ["hi"]


def test_site_without_any_login_is_told_so() -> None:
    """Preauth of a protected path without a way to know the user is one clear error."""
    app = Flask("none")
    app.config.update(SECRET_KEY=SECRET, TESTING=True)
    WSGuard(app)
    Sock(app).route("/hello")(protected_view())
    with pytest.raises(ConfigError, match=r"call LoginManager\(\).init_app\(app\)"):
        Visitor(app).preauth("/hello")


# Observe only.


def test_observe_only_lets_through_and_reports(caplog: pytest.LogCaptureFixture) -> None:
    """A big site turns the guard on without a blackout: refused in name, open in fact."""
    visitor = logged_in(make_site(WSGUARD_ENFORCE=False))
    assert "WSGUARD_ENFORCE is off" in caplog.text
    outcome = visitor_connects_observed(visitor, "/any")
    assert outcome == [(Refusal.TOKEN_MISSING, True)]
    assert "handshake (observed, not enforced) refused: token_missing on /any" in caplog.text


def visitor_connects_observed(visitor: Visitor, path: str, **headers: str) -> list[Any]:
    """Return the refusals signalled for a handshake that reaches the place of the socket."""
    heard: list[Any] = []

    def receive(_: Flask, **facts: Any) -> None:
        heard.append((facts["reason"], facts["observed"]))

    with handshake_refused.connected_to(receive):
        answer = visitor.client.get(
            path, base_url=ORIGIN, headers={**UPGRADE, "Origin": ORIGIN, **headers}
        )
    assert IN_A_TEST in answer.text
    return heard


def test_observed_handler_has_no_ticket() -> None:
    """``current_ticket`` is falsy there and its fields say why."""
    app = make_site(WSGUARD_ENFORCE=False)
    seen: list[Any] = []

    @Sock(app).route("/look")
    @ws_protected
    def look(ws: Any) -> None:
        seen.append(bool(current_ticket))
        try:
            _ = current_ticket.user_id
        except RuntimeError as error:
            seen.append(str(error))
        ws.send("ran")

    assert Visitor(app).open("/look", origin="https://evil.example.net").messages == ["ran"]
    assert seen == [
        False,
        "current_ticket has no 'user_id' here: WSGUARD_ENFORCE is off and this handshake "
        "fails: origin_not_allowed",
    ]


def test_observe_only_still_judges_and_accepts() -> None:
    """A good handshake is accepted, with its ticket."""
    visitor = logged_in(make_site(WSGUARD_ENFORCE=False))
    outcome = visitor.connect("/any", visitor.token("/any"))
    assert outcome.reason is None
    assert outcome.ticket.user_id == "alice"


def test_observe_only_refuses_a_malformed_upgrade_and_a_bad_preauth() -> None:
    """What the library would raise on never passes; preauth tells the page the truth."""
    visitor = logged_in(make_site(WSGUARD_ENFORCE=False))
    outcome = visitor.connect("/any", headers={"Sec-WebSocket-Version": "8"})
    assert (outcome.reason, outcome.response.status_code) == ("malformed_upgrade", 426)
    assert visitor.preauth(origin="https://evil.example.net").status_code == 403


def test_observe_only_opens_forgotten_routes_too() -> None:
    """No blackout means: none for a route without a mark either."""
    visitor = logged_in(make_site(WSGUARD_ENFORCE=False))
    assert visitor_connects_observed(visitor, "/forgotten") == [(Refusal.UNGUARDED_ROUTE, True)]


# Sockets that no Flask rule serves.


def declaring(**config: Any) -> Flask:
    """Return a site with a long-polling endpoint that verifies its handshakes by hand."""
    app = make_site(**config)
    guard: WSGuard = app.extensions["test_guard"]
    guard.protect_path("/socket.io/", scopes="chat:read")
    guard.protect_path("/plain", scopes=())

    @app.get("/socket.io/")
    def by_hand() -> str:
        return str(guard.verify_handshake().user_id)

    @app.get("/elsewhere")
    def elsewhere() -> str:
        return str(guard.verify_handshake(request.args["at"]).path)

    return app


def ask(visitor: Visitor, path: str, token: str, **more: str) -> Any:
    return visitor.client.get(
        path,
        base_url=ORIGIN,
        query_string={"wsguard_token": token, **more},
        headers={"Origin": ORIGIN},
    )


def test_declared_path_is_granted_and_verified() -> None:
    """Preauth knows the path, and the judge asks all but the upgrade's form."""
    visitor = logged_in(declaring())
    answer = ask(visitor, "/socket.io/", visitor.token("/socket.io/"))
    assert (answer.status_code, answer.text) == (200, "alice")
    answer = ask(visitor, "/elsewhere", visitor.token("/plain"), at="/plain")
    assert (answer.status_code, answer.text) == (200, "/plain")


def test_verify_handshake_refuses_like_the_hook() -> None:
    """Foreign page, other path, missing scope: a 403 each."""
    app = declaring()
    visitor = logged_in(app)
    token = visitor.token("/plain")
    assert ask(visitor, "/socket.io/", token).status_code == 403
    assert ask(visitor, "/socket.io/", "").status_code == 403
    carol = logged_in(app, "carol")
    assert carol.preauth("/socket.io/").json["reason"] == "scope_missing"
    foreign = visitor.client.get(
        "/elsewhere",
        base_url=ORIGIN,
        query_string={"wsguard_token": token, "at": "/plain"},
        headers={"Origin": "https://evil.example.net"},
    )
    assert foreign.status_code == 403


def test_verify_handshake_knows_what_other_processes_told(tmp_path: Path) -> None:
    """Also in one that has served nothing else so far: a logout elsewhere counts."""
    app, other = (declaring(WSGUARD_STORAGE_URI=f"sqlite:///{tmp_path}/store") for _ in range(2))
    visitor = logged_in(app)
    token, cookies = visitor.token("/socket.io/"), visitor.cookie_header()
    assert visitor.log_out().status_code == 200
    old = {"Origin": ORIGIN, "Cookie": cookies}
    where = {"base_url": ORIGIN, "query_string": {"wsguard_token": token}}
    answer = other.test_client(use_cookies=False).get("/socket.io/", headers=old, **where)
    assert answer.status_code == 403


def test_handshake_refused_is_a_403_that_an_error_handler_can_handle() -> None:
    """It carries the reason; the hook's own answers consult no error handler."""
    app = declaring()
    handled: list[Any] = []

    @app.errorhandler(HandshakeRefused)
    def refuse(error: HandshakeRefused) -> tuple[str, int]:
        handled.append((error.reason, error.detail, error.code))
        return "handled", 403

    app.register_error_handler(403, lambda error: ("nobody asks me", 403))
    visitor = logged_in(app)
    assert ask(visitor, "/socket.io/", "junk").text == "handled"
    assert handled == [(Refusal.TOKEN_INVALID, "not signed here", 403)]
    assert visitor.connect("/echo").response.data == REFUSED
    assert len(handled) == 1
    assert issubclass(HandshakeRefused, Forbidden)


def test_verify_handshake_signals_in_the_name_of_its_app() -> None:
    """Who listens to one app hears of its own handshakes, those verified by hand included."""
    app, heard = declaring(), []

    def accept(_: Flask, **facts: Any) -> None:
        heard.append(("accepted", facts["path"]))

    def refuse(_: Flask, **facts: Any) -> None:
        heard.append((str(facts["reason"]), facts["path"]))

    visitor = logged_in(app)
    token = visitor.token("/socket.io/")
    with (
        handshake_accepted.connected_to(accept, sender=app),
        handshake_refused.connected_to(refuse, sender=app),
    ):
        ask(visitor, "/socket.io/", token)
        ask(visitor, "/socket.io/", "junk")
    assert heard == [("accepted", "/socket.io/"), ("token_invalid", "/socket.io/")]


def test_verify_handshake_observes_where_nothing_is_enforced() -> None:
    """Observe only holds by hand, too: a falsy ticket instead of an exception."""
    app = declaring(WSGUARD_ENFORCE=False)
    guard: WSGuard = app.extensions["test_guard"]

    @app.get("/look")
    def look() -> str:
        return f"{bool(guard.verify_handshake('/plain'))}"

    assert Visitor(app).client.get("/look", base_url=ORIGIN).text == "False"


def test_undeclared_path_is_a_lookup_error() -> None:
    """Verifying what was never declared is the developer's error."""
    app = declaring()
    guard: WSGuard = app.extensions["test_guard"]
    with app.test_request_context("/socket.io"), pytest.raises(LookupError, match=r"protect_path"):
        guard.verify_handshake()
    with pytest.raises(ValueError, match="starts with a slash"):
        guard.protect_path("socket.io/")


def test_declared_path_may_be_a_list_of_scopes() -> None:
    """All of them are needed."""
    app = make_site()
    app.extensions["test_guard"].protect_path("/io", scopes=["chat:read", "chat:write"])
    assert logged_in(app, "bob").preauth("/io").json["required"] == ["chat:write"]
    assert logged_in(app).preauth("/io").status_code == 200


# Servers.


def test_server_without_a_socket_is_said_in_one_sentence(alice: Visitor) -> None:
    """A 500 with our words instead of somebody else's traceback."""
    server = {"SERVER_SOFTWARE": "waitress"}
    answer = alice.connect("/any", alice.token("/any"), environ_overrides=server).response
    assert (answer.status_code, answer.text) == (500, NO_SOCKET + "\n")
    assert "gunicorn (gthread or gevent)" in NO_SOCKET


@pytest.mark.parametrize(
    "environ",
    [{"werkzeug.socket": None}, {"gunicorn.socket": None}],
    ids=["werkzeug", "gunicorn"],
)
def test_server_with_a_socket_reaches_the_view(app: Flask, environ: dict[str, Any]) -> None:
    """The guard's sentence is for servers that hand no socket over, and for those alone."""
    app.testing = True
    headers = {**UPGRADE, "Origin": ORIGIN}
    with pytest.raises((RuntimeError, AttributeError, KeyError, TypeError)):
        Visitor(app).client.get(
            "/ticker",
            base_url=ORIGIN,
            headers=headers,
            environ_overrides={"wsgi.multithread": True, "wsgi.input": None, **environ},
        )


def test_gunicorn_sync_gets_one_warning(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """It works, one socket at a time, and says so once."""
    app.testing = True
    headers = {**UPGRADE, "Origin": ORIGIN}
    sync = {"gunicorn.socket": None, "wsgi.multithread": False}
    for overrides in (sync, sync, {**sync, "wsgi.multithread": True}):
        with pytest.raises(RuntimeError, match="Cannot obtain socket"):
            Visitor(app).client.get(
                "/ticker", base_url=ORIGIN, headers=headers, environ_overrides=overrides
            )
    warned = [record for record in caplog.records if record.getMessage() == ONE_SOCKET]
    assert [record.levelno for record in warned] == [logging.WARNING]


# A handshake loads no user and holds no database connection.


@dataclass
class Database:
    """A site whose users live in a database, on a pool of two connections."""

    app: Flask
    db: SQLAlchemy
    loaded: list[str]

    def checked_out_while_open(self, sockets: int, *, ask_for_user: bool) -> list[int]:
        """Open so many sockets at once; return the connections out while all of them are open."""
        all_open, out = threading.Barrier(sockets, timeout=10), []

        @Sock(self.app).route("/count")
        @ws_protected
        def count(ws: Any) -> None:
            if ask_for_user:
                assert current_user.id == "alice"
            all_open.wait()
            out.append(self.db.engine.pool.checkedout())  # type: ignore[attr-defined]
            all_open.wait()

        visitor = logged_in(self.app)
        tokens = [visitor.token("/count") for _ in range(sockets)]
        self.loaded.clear()
        cookies = visitor.cookie_header()
        with ThreadPoolExecutor(sockets) as threads:
            opened = [
                threads.submit(visitor.open, "/count", token, cookies=cookies) for token in tokens
            ]
        assert [done.result().code for done in opened] == [1000] * sockets
        return out


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    app = Flask("database")
    app.config.update(
        SECRET_KEY=SECRET,
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/users.db",
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 2, "max_overflow": 0, "pool_timeout": 0.1},
    )
    db = SQLAlchemy(app)
    loaded: list[str] = []

    class Person(db.Model, UserMixin):  # type: ignore[name-defined, misc]
        id = db.Column(db.String, primary_key=True)

    @LoginManager(app).user_loader
    def load(user_id: str) -> Any:
        loaded.append(user_id)
        return db.session.get(Person, user_id)

    @app.post("/login/<user_id>")
    def log_in(user_id: str) -> str:
        login_user(db.session.get(Person, user_id))
        return "in"

    WSGuard(app)
    with app.app_context():
        db.create_all()
        db.session.add(Person(id="alice"))
        db.session.commit()
    yield Database(app, db, loaded)
    with app.app_context():
        db.engine.dispose()


def test_handshake_loads_no_user_and_holds_no_database_connection(database: Database) -> None:
    """Five sockets are open at once on a pool of two: none of them has a connection out."""
    assert database.checked_out_while_open(5, ask_for_user=False) == [0, 0, 0, 0, 0]
    assert database.loaded == []


def test_loading_the_user_pins_a_connection_for_the_life_of_a_socket(database: Database) -> None:
    """The control: two sockets that ask for their user have the pool between them."""
    assert database.checked_out_while_open(2, ask_for_user=True) == [2, 2]
    assert database.loaded == ["alice", "alice"]


def test_refusal_of_the_sites_own_hook_is_the_sites_answer(app: Flask) -> None:
    """The guard decides first; what a hook of the site refuses behind it stays the site's."""
    app.before_request(lambda: abort(451))
    headers = {**UPGRADE, "Origin": ORIGIN}
    answer = Visitor(app).client.get(
        "/ticker",
        base_url=ORIGIN,
        headers=headers,
        environ_overrides={"gunicorn.socket": None, "wsgi.multithread": True},
    )
    assert answer.status_code == 451
