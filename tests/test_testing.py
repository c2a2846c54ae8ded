"""The test kit: what it says of a guarded site, and of a site that is open."""

from __future__ import annotations

import threading
from contextlib import nullcontext, suppress
from errno import EBADF
from pathlib import Path
from socket import SHUT_RDWR, socketpair
from time import monotonic
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from flask_sock import Sock
from simple_websocket import ConnectionClosed
from wsproto.utilities import LocalProtocolError

from flask_wsguard import HandshakeRefused, handshake_accepted, ws_public
from flask_wsguard.testing import (
    HOSTILE_ORIGINS,
    Accepted,
    Closed,
    Refused,
    assert_only_own_origin,
    connect,
    handshake,
)
from flask_wsguard.testing.handshakes import UPGRADE, Granted, preauth
from tests.sites import make_site

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
PROTOCOL = "Sec-WebSocket-Protocol"
pytest_plugins = ["pytester"]


def add_sockets(app: Flask) -> None:
    sock = Sock(app)

    @sock.route("/talk")
    @ws_public
    def talk(ws: Any) -> None:
        match ws.receive():
            case "bytes":
                ws.send(b"\x00\x01")
            case "long":
                ws.send("x" * 200_000)
            case "crash":
                raise LookupError("the view crashed")
            case "cut":
                ws.sock.shutdown(2)
            case "close":
                ws.send("before")
                ws.close(4000, "enough")
            case "two":
                ws.send("one")
                ws.send("two")
                ws.close(4000, "enough")
            case "silence":
                ws.receive()
            case "linger":
                app.extensions["linger"].wait(20)
            case "flood":
                while True:
                    ws.send("x" * 10_000)
            case "raise":
                raise app.extensions["fault"]
            case "raise late":
                with suppress(ConnectionClosed):
                    ws.receive()
                raise app.extensions["fault"]


@pytest.fixture
def client() -> FlaskClient:
    app = make_site(TESTING=True)
    app.extensions["linger"] = threading.Event()
    add_sockets(app)
    client = app.test_client()
    client.post("/login/alice")
    return client


@pytest.mark.parametrize(
    ("headers", "token", "answer"),
    [
        ({}, False, 400),
        (UPGRADE, False, 403),
        ({**UPGRADE, "Origin": "http://localhost"}, False, 403),
        ({**UPGRADE, "Origin": "http://localhost"}, True, 500),
    ],
    ids=["plain", "no-origin", "no-token", "taken"],
)
def test_flasks_own_client_gets_what_the_manual_says(
    client: FlaskClient, headers: dict[str, str], token: bool, answer: int
) -> None:
    """Only a handshake that the guard takes is told of the test kit."""
    query = {}
    if token:
        granted = preauth(client, "/echo", base_url="http://localhost", headers={})
        assert isinstance(granted, Granted)
        query = {"wsguard_token": granted.token}
    said = client.get("/echo", headers=headers, query_string=query)
    assert said.status_code == answer
    assert ("flask_wsguard.testing.connect" in said.text) == (answer == 500)
    assert str(answer) in PAGE


def test_flask_sock_alone_dies_as_the_manual_says() -> None:
    """Without the guard."""
    app = Flask("unguarded")
    app.testing = True
    Sock(app).route("/echo")(lambda ws: None)
    assert app.test_client().get("/echo").status_code == 400
    with pytest.raises(RuntimeError, match=r"Cannot obtain socket"):
        app.test_client().get("/echo", headers=UPGRADE)


def test_handshake_says_who_and_what_for(client: FlaskClient) -> None:
    """The ticket's facts; nobody on a public route."""
    assert handshake(client, "/echo") == Accepted("alice", frozenset({"chat:read", "chat:write"}))
    assert handshake(client, "/ticker") == Accepted(None, frozenset())
    assert handshake(client, "/caf\u00e9", query={"room": "1"}) == handshake(client, "/echo")


def test_handshake_says_why_not_and_where(client: FlaskClient) -> None:
    """Preauth refuses what it can; the handshake what comes from elsewhere."""
    evil = handshake(client, "/echo", origin="https://evil.example")
    assert isinstance(evil, Refused)
    assert (evil.reason, evil.at, evil.observed) == ("origin_not_allowed", "handshake", False)
    assert "https://evil.example" in evil.detail
    missing = handshake(client, "/echo", origin=None)
    assert isinstance(missing, Refused)
    assert (missing.reason, missing.at) == ("origin_missing", "handshake")
    fetched = handshake(client, "/echo", headers={"Sec-Fetch-Site": "cross-site"})
    assert isinstance(fetched, Refused)
    assert fetched.reason == "cross_site_fetch"
    nowhere = handshake(client, "/nowhere")
    assert isinstance(nowhere, Refused)
    assert (nowhere.reason, nowhere.at) == ("unknown_path", "preauth")
    other = client.application.test_client()
    assert handshake(other, "/echo").at == "preauth"  # type: ignore[union-attr]


def test_app_whose_guard_was_never_initialised_is_told_so() -> None:
    """In a factory ``guard.init_app(app)`` is soon forgotten."""
    with pytest.raises(LookupError, match=r"app 'bare' has no guard: call WSGuard"):
        handshake(Flask("bare").test_client(), "/echo")


def test_path_that_the_guard_is_not_asked_about_is_an_error(client: FlaskClient) -> None:
    """A socket that no Flask rule serves has no route to try here."""
    client.application.extensions["test_guard"].protect_path("/socket.io/")
    with pytest.raises(LookupError, match=r"judged no handshake at '/socket.io/': 404"):
        handshake(client, "/socket.io/")
    with pytest.raises(LookupError, match=r"no WebSocket was opened at '/socket.io/'"):
        connect(client, "/socket.io/")


def test_connect_runs_the_view(client: FlaskClient) -> None:
    """Text and bytes, both ways, and in long messages."""
    with connect(client, "/echo") as socket:
        assert socket.receive() == "alice alice"
        socket.send("hello")
        assert socket.receive() == "hello"
        socket.send(b"\xff\x00")
        assert socket.receive() == b"\xff\x00"
    for word, answer in {"bytes": b"\x00\x01", "long": "x" * 200_000}.items():
        with connect(client, "/talk") as socket:
            socket.send(word)
            assert socket.receive() == answer


@pytest.mark.parametrize(
    "carriers", [["subprotocol"], ["query", "subprotocol"]], ids=["one", "two"]
)
@pytest.mark.parametrize("headers", [None, {"sec-websocket-protocol": "chat, v2"}])
def test_kit_carries_the_token_as_the_site_asks(
    carriers: list[str], headers: dict[str, str] | None
) -> None:
    """Beside the test's own protocols, or ours; the view sees those alone."""
    chat = {"SOCK_SERVER_OPTIONS": {"subprotocols": ["chat"]}}
    client = make_site(TESTING=True, WSGUARD_TOKEN_CARRIERS=carriers, **chat).test_client()
    client.post("/login/alice")
    assert handshake(client, "/any", headers=headers) == handshake(client, "/any")
    assert isinstance(handshake(client, "/ticker", headers=headers), Accepted)
    assert_only_own_origin(client, "/echo")
    with connect(client, "/any", headers=headers, query={"room": "1"}) as socket:
        assert socket.receive() == "alice"
    sent: list[tuple[str, str | None]] = []

    def note(_: Flask, **__: Any) -> None:
        sent.append((request.query_string.decode(), request.headers.get(PROTOCOL)))

    with handshake_accepted.connected_to(note, client.application):
        handshake(client, "/any", headers=headers)
    ((query, offer),) = sent
    assert ("wsguard_token=" in query) == ("query" in carriers)
    theirs = headers["sec-websocket-protocol"] if headers else None
    assert offer == (theirs or (None if "query" in carriers else "wsguard"))


def test_view_sees_the_clients_own_address_and_browser(client: FlaskClient) -> None:
    """What environ_base says: strong session protection takes any other for a stolen session."""
    client.application.login_manager.session_protection = "strong"  # type: ignore[attr-defined]
    client.environ_base |= {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "suite/1"}
    client.post("/login/alice")
    seen: list[tuple[str | None, str]] = []

    def note(_: Flask, **__: Any) -> None:
        seen.append((request.remote_addr, request.user_agent.string))

    with handshake_accepted.connected_to(note, client.application):
        assert isinstance(handshake(client, "/echo"), Accepted)
        with connect(client, "/echo") as socket:
            assert socket.receive() == "alice alice"
    assert seen == [("192.0.2.7", "suite/1")] * 2


def test_connect_tells_how_it_was_closed(client: FlaskClient) -> None:
    """By code and reason, by 1006 where it was cut, and again on every further use."""
    with connect(client, "/talk") as socket:
        socket.send("close")
        assert socket.receive() == "before"
        closed = socket.wait_closed()
        assert (closed.code, closed.reason) == (4000, "enough")
        assert str(closed) == "closed with 4000 enough"
        assert socket.wait_closed() is closed
        for use in (socket.receive, lambda: socket.send("more")):
            with pytest.raises(Closed):
                use()
    with connect(client, "/talk") as socket:
        socket.send("cut")
        assert socket.wait_closed().code == 1006
    with connect(client, "/talk") as socket:
        socket.send("close")
        assert socket.wait_closed().code == 4000, "what comes before the close is left unread"


def test_sending_behind_the_close_of_the_site(client: FlaskClient) -> None:
    """Says how it was closed, whoever has not read so far; what came before is still read."""
    with connect(client, "/talk") as socket:
        socket.send("two")
        socket._view.join(5)
        assert socket.receive() == "one"
        with pytest.raises(Closed) as closed:
            socket.send("more")
        assert (closed.value.code, closed.value.reason) == (4000, "enough")
        assert socket.receive() == "two"
        with pytest.raises(Closed):
            socket.receive()


def test_sending_waits_its_own_time(client: FlaskClient) -> None:
    """Not what an earlier receive had left; and no longer than a view that reads nothing may."""
    with connect(client, "/talk", timeout=2) as socket:
        with pytest.raises(TimeoutError):
            socket.receive(timeout=0.001)
        socket.send("x" * 10_000_000)
    socket = connect(client, "/talk", timeout=0.1)
    ours, theirs = socketpair()
    with ours, theirs:
        raw, socket._raw = socket._raw, ours
        with pytest.raises(TimeoutError, match=r"/talk read nothing in time"):
            socket.send("x" * 10_000_000)
        socket._raw = raw
    socket.close()


def test_refused_connect_raises_the_reason(client: FlaskClient) -> None:
    """At preauth and at the handshake."""
    with pytest.raises(HandshakeRefused) as refused:
        connect(client, "/echo", origin="https://evil.example")
    assert refused.value.reason == "origin_not_allowed"
    with pytest.raises(HandshakeRefused) as refused:
        connect(client.application.test_client(), "/echo")
    assert refused.value.reason == "login_required"


def test_logout_meanwhile_closes_the_socket(client: FlaskClient) -> None:
    """The client and its cookies stay usable while a socket is open."""
    with connect(client, "/any") as socket:
        assert socket.receive() == "alice"
        assert client.post("/logout").status_code == 200
        assert socket.wait_closed().code == 4401


def test_nothing_waits_for_ever(client: FlaskClient) -> None:
    """A silent view is a TimeoutError that names the path; so is one that does not end."""
    with connect(client, "/talk") as socket:
        socket.send("silence")
        with pytest.raises(TimeoutError, match=r"nothing came from /talk in time"):
            socket.receive(timeout=0.05)
    lingering = connect(client, "/talk", timeout=0.3)
    lingering.send("linger")
    with pytest.raises(TimeoutError, match=r"the view of /talk runs on"):
        lingering.close()
    client.application.extensions["linger"].set()


def test_what_the_view_raises_is_raised_in_the_test(client: FlaskClient) -> None:
    """Where the app propagates exceptions, as TESTING makes it."""
    socket = connect(client, "/talk")
    socket.send("crash")
    with pytest.raises(LookupError, match=r"the view crashed"):
        socket.close()


def test_leaving_a_view_that_is_just_sending_is_no_fault(client: FlaskClient) -> None:
    """It is heard out until it sees the close, however much it has to say."""
    with connect(client, "/talk", timeout=20) as socket:
        socket.send("flood")
        assert socket.receive() == "x" * 10_000
        began = monotonic()
    assert monotonic() - began < 10


def test_a_view_whose_site_closed_first_is_not_waited_for(client: FlaskClient) -> None:
    """The reader of its socket waits for the page to hang up, the page for nothing."""
    socket = connect(client, "/talk", timeout=20)
    socket.send("close")
    assert socket.wait_closed().code == 4000
    began = monotonic()
    socket.close()
    assert monotonic() - began < 10


def test_hearing_out_ends_with_the_time(client: FlaskClient) -> None:
    """Whatever keeps coming."""
    socket = connect(client, "/talk", timeout=0.3)
    ours, theirs = socketpair()

    def send_for_ever() -> None:
        with suppress(OSError):
            while True:
                theirs.sendall(b"x" * 10_000)

    raw, socket._raw = socket._raw, ours
    flood = threading.Thread(target=send_for_ever)
    flood.start()
    with pytest.raises(TimeoutError, match=r"the view of /talk runs on"):
        socket.close()
    flood.join(5)
    theirs.close()
    socket._raw = raw
    socket.close()


# What a view may raise, and whether it is a fault behind the page's close.
FAULTS = [
    (BrokenPipeError(), False),
    (ConnectionResetError(), False),
    (OSError(EBADF, "closed by its reader"), False),
    (LocalProtocolError("closed between look and send"), False),
    (FileNotFoundError(), True),
    (LookupError(), True),
]


@pytest.mark.parametrize(("fault", "raised"), FAULTS, ids=[repr(row[0]) for row in FAULTS])
def test_only_a_page_that_has_left_explains_a_lost_connection(
    client: FlaskClient, fault: Exception, raised: bool
) -> None:
    """While it listens, the same is the view's own; and nothing else is ever swallowed."""
    client.application.extensions["fault"] = fault
    socket = connect(client, "/talk")
    socket.send("raise")
    socket._view.join(5)
    with pytest.raises(type(fault)):
        socket.close()
    socket = connect(client, "/talk")
    socket.send("raise late")
    with pytest.raises(type(fault)) if raised else nullcontext():
        socket.close()


def test_sending_to_a_peer_that_is_gone_says_closed(client: FlaskClient) -> None:
    """Not a broken pipe."""
    socket = connect(client, "/talk")
    socket.send("cut")
    socket._view.join(5)
    with pytest.raises(Closed) as closed:
        socket.send("x" * 10_000)
    assert closed.value.code == 1006
    socket.close()


def test_sending_to_a_site_that_has_closed_says_with_which_code(client: FlaskClient) -> None:
    """The close stands unread behind a message, which is still to be received."""
    socket = connect(client, "/talk")
    socket.send("close")
    socket._view.join(5)

    def say_on() -> None:
        # The site's reader may still take one, before it sees that it is over.
        while True:
            socket.send("x" * 10_000)

    with pytest.raises(Closed) as closed:
        say_on()
    assert (closed.value.code, closed.value.reason) == (4000, "enough")
    assert socket.receive() == "before"
    assert socket.wait_closed().code == 4000
    socket.close()


def test_pings_are_answered_and_a_lost_end_is_1006() -> None:
    """A view that pings goes on while the test waits."""
    client = make_site(TESTING=True, SOCK_SERVER_OPTIONS={"ping_interval": 0.2}).test_client()
    client.post("/login/alice")
    with connect(client, "/echo") as socket:
        assert socket.receive() == "alice alice"
        with pytest.raises(TimeoutError):
            socket.receive(timeout=0.7)
        socket.send("still here")
        assert socket.receive() == "still here"
    socket = connect(client, "/any")
    assert socket.receive() == "alice"
    socket._raw.close()
    assert socket.wait_closed().code == 1006
    socket.close()


@pytest.mark.parametrize("gone", [False, True], ids=["listening", "gone"])
def test_ping_with_the_close_behind_it_needs_no_answer(client: FlaskClient, gone: bool) -> None:
    """Both come in one read, and an answer would be out of place."""
    client.post("/login/alice")
    socket = connect(client, "/any")
    assert socket.receive() == "alice"
    ours, theirs = socketpair()
    with ours, theirs:
        theirs.sendall(b"\x89\x00" if gone else b"\x89\x00\x88\x02\x03\xf4")
        if gone:
            theirs.shutdown(SHUT_RDWR)
            theirs.close()
        raw, socket._raw = socket._raw, ours
        assert socket.wait_closed().code == (1006 if gone else 1012)
        socket._raw = raw
    socket.close()


def test_whole_table_is_refused_by_a_guarded_route(client: FlaskClient) -> None:
    """Protected and public alike; a site on https too."""
    assert_only_own_origin(client, "/echo")
    assert_only_own_origin(client, "/ticker")
    client.post("/login/alice", base_url="https://example.org")
    assert_only_own_origin(client, "/echo", base_url="https://example.org")
    assert_only_own_origin(client, "/ticker", base_url="https://example.org:8443")


def test_message_names_every_origin_that_got_in(client: FlaskClient) -> None:
    """The control: a route that is open to all."""
    with pytest.raises(AssertionError) as failed:
        assert_only_own_origin(client, "/anyone")
    said = str(failed.value)
    assert "accepted: 'http://localhost.evil.example' (look-alike, suffix)" in said
    assert "accepted: None (missing)" in said
    assert said.count("accepted: ") == len(HOSTILE_ORIGINS)


def test_observe_only_lets_every_hostile_page_in_and_the_kit_says_so() -> None:
    """What would be refused is no refusal while WSGUARD_ENFORCE is off."""
    client = make_site(WSGUARD_ENFORCE=False).test_client()
    client.post("/login/alice")
    verdict = handshake(client, "/echo", origin="https://evil.example")
    assert isinstance(verdict, Refused)
    assert (verdict.reason, verdict.observed) == ("origin_not_allowed", True)
    with connect(client, "/ticker", origin="https://evil.example") as socket:
        assert socket.receive() == "public alice False"
    with pytest.raises(AssertionError) as failed:
        assert_only_own_origin(client, "/echo")
    said = str(failed.value)
    assert "let in, because WSGUARD_ENFORCE is off: 'https://evil.example' (foreign)" in said
    assert said.count("let in, ") == len(HOSTILE_ORIGINS)


def test_table_can_leave_out_what_the_site_lists() -> None:
    """A listed origin is not hostile; unless it is named, it is reported."""
    app = make_site(WSGUARD_ALLOWED_ORIGINS=["self", "http://sibling.localhost"])
    client = app.test_client()
    client.post("/login/alice")
    with pytest.raises(AssertionError, match=r"sibling.localhost"):
        assert_only_own_origin(client, "/echo")
    assert_only_own_origin(client, "/echo", allowed=["http://sibling.localhost"])


def test_listed_page_is_not_taken_for_refused_because_the_test_uses_http() -> None:
    """On http://localhost a listed https page is refused for its transport, and online let in."""
    client = make_site(WSGUARD_ALLOWED_ORIGINS=["self", "https://evil.example"]).test_client()
    client.post("/login/alice")
    with pytest.raises(
        AssertionError, match=r"not for its origin: .*\(foreign\): insecure_transport"
    ):
        assert_only_own_origin(client, "/echo")


def test_refusals_for_another_reason_prove_nothing(client: FlaskClient) -> None:
    """Neither a user who is not logged in, nor a cap that is full half-way."""
    with pytest.raises(AssertionError, match=r"own page is refused at preauth.*login_required"):
        assert_only_own_origin(client.application.test_client(), "/echo")
    client.application.config["LATER"] = 0

    @client.application.extensions["test_guard"].scopes_loader
    def fewer(user: Any) -> set[str]:
        client.application.config["LATER"] += 1
        return {"chat:read"} if client.application.config["LATER"] < 3 else set()

    with pytest.raises(AssertionError, match=r"refused, but not for its origin: .*scope_missing"):
        assert_only_own_origin(client, "/echo")


def test_every_hostile_origin_is_another_origin() -> None:
    """The table holds the classics, and nothing that equals the site."""
    for own in ("http://localhost", "https://example.org", "https://example.org:8443"):
        made = {name: make(own) for name, make in HOSTILE_ORIGINS.items()}
        assert own not in made.values()
        assert len(set(made.values())) == len(made)
        assert made["look-alike, suffix"] == f"{own}.evil.example"
        assert made["missing"] is None
    assert HOSTILE_ORIGINS["other port"]("https://example.org:8443") == "https://example.org:1"


def test_examples_of_the_manual_pass(pytester: pytest.Pytester) -> None:
    """As a test file in a suite of its own, with the fixture."""
    text = (ROOT / "docs" / "examples" / "testing_sockets.py").read_text()
    plugin, rest = 'pytest_plugins = ["flask_wsguard.testing.plugin"]', text
    assert plugin in rest
    pytester.makeconftest(plugin)
    rest = rest.replace(plugin, "")
    pytester.makepyfile(rest)
    pytester.syspathinsert(ROOT / "docs" / "examples" / "quickstart")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=5)
