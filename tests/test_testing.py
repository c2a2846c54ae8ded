"""The test kit: what it says of a guarded site, and of a site that is open."""

from __future__ import annotations

import json
import runpy
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sock import Sock

from flask_wsguard import HandshakeRefused, ws_public
from flask_wsguard.testing import (
    HOSTILE_ORIGINS,
    Accepted,
    Closed,
    Refused,
    assert_only_own_origin,
    connect,
    handshake,
)
from tests.sites import make_site

ROOT = Path(__file__).parents[1]
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
            case "silence":
                ws.receive()
            case "linger":
                app.extensions["linger"].wait(20)


@pytest.fixture
def client() -> FlaskClient:
    app = make_site(TESTING=True)
    app.extensions["linger"] = threading.Event()
    add_sockets(app)
    client = app.test_client()
    client.post("/login/alice")
    return client


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


def test_sending_to_a_peer_that_is_gone_says_closed(client: FlaskClient) -> None:
    """Not a broken pipe."""
    socket = connect(client, "/talk")
    socket.send("cut")
    socket._view.join(5)
    with pytest.raises(Closed) as closed:
        socket.send("x" * 10_000)
    assert closed.value.code == 1006
    socket.close()


def test_pings_are_answered_and_a_lost_end_is_1006() -> None:
    """A view that pings goes on while the test waits."""
    client = make_site(TESTING=True, SOCK_SERVER_OPTIONS={"ping_interval": 0.05}).test_client()
    client.post("/login/alice")
    with connect(client, "/echo") as socket:
        assert socket.receive() == "alice alice"
        with pytest.raises(TimeoutError):
            socket.receive(timeout=0.3)
        socket.send("still here")
        assert socket.receive() == "still here"
    socket = connect(client, "/any")
    assert socket.receive() == "alice"
    socket._raw.close()
    assert socket.wait_closed().code == 1006
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
    pytester.syspathinsert(ROOT)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=5)


@pytest.mark.slow
def test_client_opens_sockets_at_a_real_server(tmp_path: Path) -> None:
    """Public and protected, with a query; whom the site knows by a session, and nobody else."""
    import requests

    from flask_wsguard.client import ConnectionRefused, SocketOpener
    from tests.servers.conftest import running

    with running("gthread", tmp_path) as server:
        site = f"http://localhost:{server.port}"
        with requests.Session() as session:
            opener = SocketOpener(session)
            with pytest.raises(ConnectionRefused) as refused:
                opener.open(f"{site}/echo")
            assert (refused.value.reason, refused.value.status) == ("login_required", 401)
            with closing(opener.open(f"ws://localhost:{server.port}/ticker?x=1")) as public:
                assert public.recv() == "public None False"
            session.post(f"{site}/login/alice").raise_for_status()
            socket = opener.open(f"{site}/echo?room=1")
            assert socket.recv() == "alice alice"
            socket.send("hello")
            assert socket.recv() == "hello"
            socket.close()
            with closing(opener.open(f"{site}/caf\u00e9")) as socket:
                assert socket.recv() == "caf\u00e9"
            elsewhere = SocketOpener(session, origin="https://evil.example")
            with pytest.raises(ConnectionRefused) as refused:
                elsewhere.open(f"{site}/echo")
            assert refused.value.reason == "origin_not_allowed"
            with pytest.raises(ValueError, match=r"begins with wss:// or ws://"):
                opener.open("ftp://localhost/echo")
        heard: list[Any] = []
        device = runpy.run_path(str(ROOT / "docs" / "examples" / "device.py"))

        def until_twice(word: Any) -> None:
            heard.append(word)
            if len(heard) == 2:
                raise device["ConnectionRefused"]("login_required", 401)

        assert device["listen"](site, "alice", until_twice) == "login_required"
        assert heard == ["chat:read chat:write"] * 2


@pytest.mark.slow
def test_client_waits_as_long_as_the_site_says(tmp_path: Path) -> None:
    """A full cap is a 429 with Retry-After: waited out, and once too often raised."""
    import requests

    from flask_wsguard.client import ConnectionRefused, SocketOpener
    from tests.live.gunicorn import running, until

    waits: list[float] = []
    with running("gthread", tmp_path, config={"WSGUARD_MAX_CONNECTIONS_PER_USER": 1}) as server:
        site = f"http://localhost:{server.port}"
        with requests.Session() as session:
            session.post(f"{site}/login/alice").raise_for_status()
            first = SocketOpener(session).open(f"{site}/any")
            with pytest.raises(ConnectionRefused) as refused:
                SocketOpener(session, sleep=waits.append).open(f"{site}/any")
            assert (refused.value.reason, refused.value.retry_after) == ("too_many_connections", 5)
            assert waits == [5, 5]

            def leave(_: float) -> None:
                first.shutdown()
                until(lambda: server.held == 0)

            with closing(SocketOpener(session, sleep=leave).open(f"{site}/any")) as second:
                assert second.recv() == "alice"
                with pytest.raises(ConnectionRefused):
                    SocketOpener(session, longest_wait=4).open(f"{site}/any")


ANSWERS = {
    "login page": (302, "", {"Location": "/login"}, "login_required"),
    "bare 401": (401, "no", {}, "login_required"),
    "html": (200, "<html>", {}, "bad_response"),
    "other json": (200, json.dumps({"token": 1}), {}, "bad_response"),
    "crash": (500, "oops", {}, "bad_response"),
    "retry at a date": (503, "", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "bad_response"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_client_calls_every_other_answer_by_a_word(answer: str) -> None:
    """What a proxy or a login wall answers in place of preauth."""
    import threading as threads

    import requests
    from werkzeug.serving import make_server
    from werkzeug.wrappers import Request, Response

    from flask_wsguard.client import ConnectionRefused, SocketOpener

    status, body, headers, reason = ANSWERS[answer]

    @Request.application
    def answered(request: Request) -> Response:
        request.get_data()
        return Response(body, status, headers)

    server = make_server("127.0.0.1", 0, answered)
    thread = threads.Thread(target=server.serve_forever)
    thread.start()
    try:
        with requests.Session() as session, pytest.raises(ConnectionRefused) as refused:
            SocketOpener(session).open(f"http://127.0.0.1:{server.port}/echo")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (refused.value.reason, refused.value.status) == (reason, status)


def test_client_asks_again_on_a_connection_that_was_closed_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once: a site that is away is requests' own error."""
    import requests

    from flask_wsguard.client import ConnectionRefused, SocketOpener

    denied = requests.Response()
    denied.status_code = 401
    answers: list[Any] = [requests.ConnectionError("reset"), denied]

    def post(*_: Any, **__: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with requests.Session() as session:
        monkeypatch.setattr(session, "post", post)
        with pytest.raises(ConnectionRefused, match=r"login_required \(401\)"):
            SocketOpener(session).open("wss://example.org/echo")
        answers += [requests.ConnectionError("reset"), requests.ConnectionError("refused")]
        with pytest.raises(requests.ConnectionError, match="refused"):
            SocketOpener(session).open("wss://example.org/echo")


def test_client_says_that_a_handshake_failed_and_trusts_as_its_session_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 403 behind a good preauth carries no reason; TLS settings are the session's."""
    import requests
    import websocket

    from flask_wsguard.client import ConnectionRefused, SocketOpener

    seen: list[Any] = []

    def refuse(url: str, **options: Any) -> Any:
        seen.append((url, options["sslopt"], options["origin"]))
        raise websocket.WebSocketBadStatusException("Handshake status %d %s", 403, "Forbidden")

    granted = requests.Response()
    granted.status_code = 200
    granted._content = b'{"token": null, "param": "wsguard_token", "subject": null}'
    monkeypatch.setattr(websocket, "create_connection", refuse)
    with requests.Session() as session:
        monkeypatch.setattr(session, "post", lambda *_, **__: granted)
        for verify in (True, "/etc/ca.pem", False):
            session.verify = verify
            with pytest.raises(ConnectionRefused) as refused:
                SocketOpener(session).open("wss://example.org/ticker")
            assert (refused.value.reason, refused.value.status) == ("handshake_failed", 403)
    where, page = "wss://example.org/ticker", "https://example.org"
    assert seen == [
        (where, {}, page),
        (where, {"ca_certs": "/etc/ca.pem"}, page),
        (where, {"cert_reqs": 0, "check_hostname": False}, page),
    ]
