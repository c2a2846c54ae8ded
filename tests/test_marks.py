"""The marks, their misuse, and ``current_ticket``."""

from __future__ import annotations

import functools
import logging
from typing import Any

import pytest
from flask import Flask
from flask_sock import Sock

from flask_wsguard import ScopeMissing, WSGuard, current_ticket, ws_protected, ws_public
from flask_wsguard.core.case import Protected, Public
from flask_wsguard.core.refusals import Refusal, Refused
from flask_wsguard.live.registry import Selector
from flask_wsguard.marks import mark_of, naming_view
from flask_wsguard.testing import connect

from .sites import SECRET, make_site
from .visitor import ORIGIN, UPGRADE, Clock, Visitor


def new_view() -> Any:
    def view(ws: Any) -> None:
        ws.send("ran")

    return view


MARKS = [
    ("protected-bare", ws_protected, Protected()),
    ("protected-called", ws_protected(), Protected()),
    ("protected-one-scope", ws_protected(scopes="a b"), Protected(frozenset({"a b"}))),
    ("protected-scopes", ws_protected(scopes=["a", "b", "a"]), Protected(frozenset({"a", "b"}))),
    ("protected-generator", ws_protected(scopes=iter("ab")), Protected(frozenset({"a", "b"}))),
    ("public-bare", ws_public, Public()),
    ("public-called", ws_public(), Public()),
    ("public-any-origin", ws_public(any_origin=True), Public(any_origin=True)),
]


@pytest.mark.parametrize(("decorate", "mark"), [r[1:] for r in MARKS], ids=[r[0] for r in MARKS])
def test_mark_stands_on_the_view(decorate: Any, mark: Any) -> None:
    """Bare or called, with one scope or several; the view keeps its name."""
    view = decorate(new_view())
    assert mark_of(view) == mark
    assert view.__name__ == "view"


def test_mark_may_say_how_long_its_sockets_live() -> None:
    """Seconds, beside the scopes; left to the setting where it says nothing."""
    assert mark_of(ws_protected(max_age=1)(new_view())) == Protected(frozenset(), 1)
    assert mark_of(ws_protected(scopes="a")(new_view())) == Protected(frozenset({"a"}), None)


def test_mark_survives_flask_sock_and_any_decorator_with_wraps() -> None:
    """``functools.wraps`` copies it, and flask-sock wraps so."""
    app = Flask("x")

    def timed(view: Any) -> Any:
        @functools.wraps(view)
        def wrapper(*args: Any) -> Any:
            return view(*args)

        return wrapper

    Sock(app).route("/x")(timed(ws_protected(scopes="a")(new_view())))
    assert mark_of(app.view_functions["view"]) == Protected(frozenset({"a"}))


def test_mark_lost_to_a_decorator_without_wraps_fails_closed() -> None:
    """Nobody sees that it is gone, so the route is refused like a forgotten one."""
    app = Flask("x")
    app.config["SECRET_KEY"] = SECRET
    WSGuard(app)

    def careless(view: Any) -> Any:
        def wrapper(*args: Any) -> Any:
            return view(*args)

        return wrapper

    Sock(app).route("/x")(careless(ws_public(new_view())))
    outcome = Visitor(app).connect("/x")
    assert outcome.reason == "unguarded_route"
    assert "careless.<locals>.wrapper" in outcome.detail


@pytest.mark.parametrize(
    ("decorate", "name"), [(ws_protected, "ws_protected"), (ws_public, "ws_public"),
                           (ws_protected(scopes="a"), "ws_protected"),
                           (ws_public(any_origin=True), "ws_public")],
)  # fmt: skip
def test_mark_above_the_route_is_a_type_error(decorate: Any, name: str) -> None:
    """``sock.route`` returns None: a mark above it would protect nothing, silently."""
    app = Flask("x")
    with pytest.raises(TypeError) as caught:
        decorate(Sock(app).route("/x")(new_view()))
    assert str(caught.value) == (
        f"@{name} got None instead of a view: it goes below @sock.route(...), "
        "directly above the function"
    )


@pytest.mark.parametrize("first", [ws_protected, ws_public, ws_public(any_origin=True)])
@pytest.mark.parametrize("second", [ws_protected, ws_public, ws_protected(scopes="a")])
def test_two_marks_are_a_type_error(first: Any, second: Any) -> None:
    """Which of them would hold is nobody's guess to make."""
    with pytest.raises(TypeError, match="'view' carries two marks: keep one"):
        second(first(new_view()))


def test_two_marks_on_a_view_without_a_name_show_the_view() -> None:
    """A partial, or an object that is called, has no ``__name__``."""
    view = functools.partial(new_view())
    ws_public(view)
    with pytest.raises(TypeError, match=r"^functools\.partial\(.*\) carries two marks: keep one$"):
        ws_protected(view)


def test_scope_given_as_the_view_is_a_type_error() -> None:
    """``@ws_protected("chat:read")`` forgot its keyword, and is told how to write it."""
    with pytest.raises(TypeError, match=r"write @ws_protected\(scopes='chat:read'\)"):
        ws_protected("chat:read")  # type: ignore[type-var]


@pytest.mark.parametrize("max_age", [0, -5, "60", 1.5, True])
def test_max_age_is_a_whole_number_of_seconds(max_age: Any) -> None:
    """Whatever else it was meant to be, it is said before the first handshake."""
    with pytest.raises(TypeError, match=r"^max_age is a whole number of seconds, at least 1, not "):
        ws_protected(max_age=max_age)


@pytest.mark.parametrize("scopes", [[1], ["chat:read", None], "", [""]])
def test_scopes_are_texts(scopes: Any) -> None:
    """A scope that no user can hold would lock everybody out, or raise at each preauth."""
    with pytest.raises(TypeError, match=r"^scopes are one non-empty str or several, not "):
        ws_protected(scopes=scopes)
    with pytest.raises(TypeError, match=r"^scopes are one non-empty str or several, not "):
        WSGuard().protect_path("/socket.io/", scopes=scopes)


@pytest.mark.parametrize("mark", [ws_protected, ws_public])
def test_what_takes_no_mark_says_so(mark: Any) -> None:
    """A bound method has no attributes of its own."""
    with pytest.raises(TypeError, match=r"^@ws_p\w+ cannot mark .*: give it a function$"):
        mark([].append)


def test_refusal_of_a_view_without_a_name_still_names_something() -> None:
    """A callable object, or a partial, is named by its type."""
    refused = Refused(Refusal.UNGUARDED_ROUTE)
    assert naming_view(refused, functools.partial(new_view())).detail == (
        "the view is functools.partial"
    )
    assert naming_view(refused, None) is refused
    other = Refused(Refusal.TOKEN_MISSING)
    assert naming_view(other, new_view()) is other


# A protected view that nobody judged.


def test_unjudged_view_closes_a_socket_that_comes_by_name() -> None:
    """Raising would write HTTP into it."""

    @ws_protected
    def named(*, ws: Any) -> None:
        ws.send("ran")

    @functools.wraps(named)
    def view(ws: Any) -> Any:
        return named(ws=ws)

    opened = Visitor(unguarded_site(view)).open("/x")
    assert (opened.messages, opened.code, opened.reason) == ([], 1011, "unguarded")


@pytest.mark.parametrize("way", ["below a decorator", "called"])
def test_view_runs_for_nobody_who_lacks_its_own_scopes(way: str) -> None:
    """The guard asked for what it saw: a mark that is hidden, or another view's, was not asked."""

    @ws_protected(scopes="admin")
    def inner(ws: Any) -> None:
        ws.send("ran")

    def outer(ws: Any) -> None:
        inner(ws)

    app = make_site()
    Sock(app).route("/hub")(ws_protected(scopes="chat:read" if way == "called" else ())(outer))
    alice = Visitor(app)
    alice.log_in("alice")
    opened = alice.open("/hub", alice.token("/hub"))
    assert (opened.messages, opened.code, opened.reason) == ([], 1011, "unguarded")


def test_socket_is_found_behind_an_object_that_keeps_its_sock() -> None:
    """Else a logout would raise at what is no socket, and close none of the others."""

    class Chat:
        def __init__(self, sock: Sock) -> None:
            self.sock = sock
            sock.route("/chat")(self.handle)

        def close(self) -> None:
            """End the chat."""

        @ws_protected
        def handle(self, ws: Any) -> None:
            held.append(app.extensions["wsguard"].sockets.registry.select(Selector())[0]._ws is ws)

    app, held = make_site(), list[bool]()
    Chat(Sock(app))
    alice = Visitor(app)
    alice.log_in("alice")
    alice.open("/chat", alice.token("/chat"))
    assert held == [True]


def unguarded_site(view: Any) -> Flask:
    app = Flask("unguarded")
    app.config["SECRET_KEY"] = SECRET
    Sock(app).route("/x")(view)
    return app


def test_protected_view_without_init_app_never_runs_its_body(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The mark alone, without a guard, is no open door: the socket closes at once."""
    opened = Visitor(unguarded_site(ws_protected(new_view()))).open("/x")
    assert (opened.messages, opened.code, opened.reason) == ([], 1011, "unguarded")
    assert [record.getMessage() for record in caplog.records] == [
        "a protected view was reached and did not run: no guard judged this handshake for it: "
        "call WSGuard(app) or guard.init_app(app), and let no decorator hide its mark"
    ]
    # The control: without the mark the body runs.
    assert Visitor(unguarded_site(new_view())).open("/x").messages == ["ran"]


@pytest.mark.parametrize("args", [(), ("no socket",)], ids=["nothing", "no-socket"])
def test_protected_view_called_by_hand_raises(args: tuple[Any, ...]) -> None:
    """Outside of a request, and with nothing to close, it says so."""
    view = ws_protected(lambda *args: "ran")
    with pytest.raises(RuntimeError, match=r"^a protected view was reached and did not run: no g"):
        view(*args)


def test_protected_body_never_runs_under_a_public_verdict() -> None:
    """A public mark around a protected view, whose own mark was lost, is no way in."""
    app = Flask("x")
    app.config["SECRET_KEY"] = SECRET
    WSGuard(app)
    inner = ws_protected(scopes="admin")(new_view())
    Sock(app).route("/x")(ws_public(lambda ws: inner(ws)))
    opened = Visitor(app).open("/x")
    assert "ran" not in opened.messages


# current_ticket.


@pytest.fixture
def alice() -> Visitor:
    app = make_site()
    Clock(app)
    visitor = Visitor(app)
    return visitor


def test_current_ticket_shows_the_verified_ticket(alice: Visitor) -> None:
    """Every field of it, in the handler."""
    seen: dict[str, Any] = {}

    @Sock(alice.app).route("/look")
    @ws_protected
    def look(ws: Any) -> None:
        names = ("user_id", "scopes", "path", "issued_at", "expires_at", "id", "session")
        seen.update({name: getattr(current_ticket, name) for name in names})
        seen["true"] = bool(current_ticket)
        current_ticket.require("chat:read")

    alice.log_in("alice")
    token = alice.token("/look")
    assert alice.open("/look", token).code == 1000
    assert seen.pop("id") == token.split(".")[1]
    assert len(seen.pop("session")) == 22
    assert seen == {
        "user_id": "alice",
        "scopes": {"chat:read", "chat:write"},
        "path": "/look",
        "issued_at": 1_800_000_000,
        "expires_at": 1_800_000_030,
        "true": True,
    }


def test_missing_scope_closes_with_4403(alice: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    """``require`` raises; uncaught, the client reads that there is no use in coming back."""
    alice.log_in("alice")
    assert alice.open("/require", alice.token("/require"), "chat:read").messages == ["granted"]
    opened = alice.open("/require", alice.token("/require"), "chat:admin")
    assert (opened.messages, opened.code, opened.reason) == ([], 4403, "scope_missing")
    assert [record.getMessage() for record in caplog.records if "closing" in record.msg] == [
        "closing a socket on '/require': the ticket lacks the scope 'chat:admin'"
    ]


def test_handler_may_catch_the_missing_scope(alice: Visitor) -> None:
    """It is an exception like any other, and names the scope."""

    @Sock(alice.app).route("/catch")
    @ws_protected
    def catch(ws: Any) -> None:
        try:
            current_ticket.require("root")
        except ScopeMissing as missing:
            ws.send(f"no {missing.scope}")

    alice.log_in("alice")
    assert alice.open("/catch", alice.token("/catch")).messages == ["no root"]


def test_current_ticket_outside_of_a_request_is_falsy_and_says_why() -> None:
    """No AttributeError of a None, but one sentence."""
    assert not current_ticket
    with pytest.raises(RuntimeError, match="current_ticket has no 'user_id' here: there is no req"):
        _ = current_ticket.user_id


def test_current_ticket_in_an_ordinary_request_says_why(alice: Visitor) -> None:
    """A page is no handshake."""
    with alice.app.test_request_context("/"):
        assert not current_ticket
        with pytest.raises(RuntimeError, match="this request is no guarded handshake"):
            current_ticket.require("a")


def test_current_ticket_on_a_public_route_says_why(alice: Visitor) -> None:
    """Public sockets have none, even for a user who is logged in."""
    said: list[str] = []

    @Sock(alice.app).route("/open")
    @ws_public
    def public(ws: Any) -> None:
        try:
            _ = current_ticket.id
        except RuntimeError as error:
            said.append(str(error))

    alice.log_in("alice")
    alice.open("/open")
    assert said == ["current_ticket has no 'id' here: this is a public route"]


def test_error_of_a_handler_is_the_sites(alice: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    """The wrapper swallows nothing but the missing scope."""

    @ws_protected
    def boom(ws: Any) -> None:
        raise ZeroDivisionError

    Sock(alice.app).route("/boom")(boom)
    alice.app.testing = True
    alice.log_in("alice")
    token = alice.token("/boom")
    with caplog.at_level(logging.CRITICAL), pytest.raises(ZeroDivisionError):
        alice.open("/boom", token)


def test_hook_of_two_requests_shares_no_verdict(alice: Visitor) -> None:
    """The verdict stands on one request's environ and on no other."""
    alice.log_in("alice")
    alice.open("/write", alice.token("/write"))
    answer = alice.client.get("/write", base_url=ORIGIN, headers={**UPGRADE, "Origin": ORIGIN})
    assert answer.status_code == 403


class Chat:
    """A view that is a method, and has no socket in front."""

    @ws_protected
    def method(self, ws: Any) -> None:
        ws.send("method")
        ws.receive()


def with_argument(view: Any) -> Any:
    """Put something in front of the socket, as decorators that inject do."""

    @functools.wraps(view)
    def wrapper(ws: Any) -> Any:
        return view({"a": "database"}, ws)

    return wrapper


@ws_protected
def injected(database: Any, ws: Any) -> None:
    ws.send("injected")
    ws.receive()


def by_name(view: Any) -> Any:
    """Call a view by the names of its arguments."""

    @functools.wraps(view)
    def wrapper(ws: Any) -> Any:
        return view(database=None, ws=ws)

    return wrapper


@pytest.mark.parametrize(
    "view",
    [Chat().method, with_argument(injected), by_name(injected)],
    ids=["self", "argument", "by-name"],
)
def test_socket_need_not_be_the_first_argument(view: Any) -> None:
    """What stands in front of it was closed in its place, and the logout was a 500."""
    app = make_site()
    Sock(app).route("/later", endpoint="later")(view)
    client = app.test_client()
    client.post("/login/alice", base_url=ORIGIN)
    with connect(client, "/later", base_url=ORIGIN) as socket:
        assert socket.receive() in {"method", "injected"}
        assert client.post("/logout", base_url=ORIGIN).status_code == 200
        assert socket.wait_closed(5).code == 4401


def test_scope_that_a_method_lacks_closes_its_socket() -> None:
    app = make_site()

    class Room:
        @ws_protected
        def enter(self, ws: Any) -> None:
            current_ticket.require("nobody has it")

    Sock(app).route("/of-a-class", endpoint="of-a-class")(Room().enter)
    client = app.test_client()
    client.post("/login/alice", base_url=ORIGIN)
    with connect(client, "/of-a-class", base_url=ORIGIN) as socket:
        assert socket.wait_closed(5).code == 4403


def test_public_view_that_is_called_outside_a_request_runs_as_it_is() -> None:
    """By a test of the site's own: there is no socket to attach, and nobody to keep out."""
    assert ws_public(lambda word: f"called by {word}")("hand") == "called by hand"
