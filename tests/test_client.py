"""The Python client: what it sends to a real server, and what it calls the answers."""

from __future__ import annotations

import json
import runpy
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from flask_wsguard.client import ConnectionRefused, SocketOpener
from tests.live import gunicorn
from tests.servers.conftest import running

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_opens_sockets_at_a_real_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Public and protected, with a query; whom the site knows by a session, and nobody else."""
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
            assert socket.gettimeout() is None, "a quiet room is no broken network"
            with closing(opener.open(f"{site}/echo", timeout=7)) as limited:
                assert limited.gettimeout() == 7
            socket.send("hello")
            assert socket.recv() == "hello"
            socket.close()
            ending = opener.open(f"{site}/echo")
            ending.recv()
            session.post(f"{site}/logout").raise_for_status()
            over = (websocket.ABNF.OPCODE_CLOSE, (4401).to_bytes(2, "big") + b"session_ended")
            assert ending.recv_data() == over
            ending.shutdown()
            session.post(f"{site}/login/alice").raise_for_status()
            with closing(opener.open(f"{site}/caf\u00e9")) as socket:
                assert socket.recv() == "caf\u00e9"
            elsewhere = SocketOpener(session, origin="https://evil.example")
            with pytest.raises(ConnectionRefused) as refused:
                elsewhere.open(f"{site}/echo")
            assert refused.value.reason == "origin_not_allowed"
            with pytest.raises(ValueError, match=r"begins with wss:// or ws://"):
                opener.open("ftp://localhost/echo")
        heard: list[Any] = []
        pauses: list[tuple[float, float]] = []
        monkeypatch.setattr("random.uniform", lambda *limits: pauses.append(limits) or 0.0)
        device = runpy.run_path(str(ROOT / "docs" / "examples" / "device.py"))

        def until_twice(word: Any) -> None:
            heard.append(word)
            if len(heard) == 2:
                raise device["ConnectionRefused"]("login_required", 401)

        assert device["listen"](site, "alice", until_twice) == "login_required"
        assert heard == ["chat:read chat:write"] * 2
        assert pauses == [(1, 5)], "it waits before it comes back"


@pytest.mark.slow
def test_carries_the_token_as_it_is_told(tmp_path: Path) -> None:
    """Beside its own subprotocols or ours; a site that takes none in the URL refuses it there."""
    preauth = "/carried/wsguard/preauth"
    with running("gthread", tmp_path) as server, requests.Session() as session:
        site = f"http://localhost:{server.port}"
        session.post(f"{site}/login/alice").raise_for_status()
        opener = SocketOpener(session, preauth=preauth, carrier="subprotocol")
        for options, chosen in (({}, "wsguard"), ({"subprotocols": ["chat"]}, "chat")):
            with closing(opener.open(f"{site}/carried/echo?room=1", **options)) as socket:
                assert (socket.recv(), socket.subprotocol) == ("alice alice", chosen)
        with closing(opener.open(f"{site}/carried/ticker")) as public:
            assert public.recv() == "public alice False"
        with pytest.raises(ConnectionRefused, match=r"handshake_failed \(403\)"):
            SocketOpener(session, preauth=preauth).open(f"{site}/carried/echo")
        with pytest.raises(ValueError, match=r"the carriers are \('query', 'subprotocol'\)"):
            SocketOpener(session, carrier="header")


@pytest.mark.slow
def test_waits_as_long_as_the_site_says(tmp_path: Path) -> None:
    """A full cap is a 429 with Retry-After: waited out, and once too often raised."""
    waits: list[float] = []
    with gunicorn.running(
        "gthread", tmp_path, config={"WSGUARD_MAX_CONNECTIONS_PER_USER": 1}
    ) as server:
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
                gunicorn.until(lambda: server.held == 0)

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
def test_calls_every_other_answer_by_a_word(answer: str) -> None:
    """What a proxy or a login wall answers in place of preauth."""
    status, body, headers, reason = ANSWERS[answer]

    @Request.application
    def answered(request: Request) -> Response:
        request.get_data()
        return Response(body, status, headers)

    server = make_server("127.0.0.1", 0, answered)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with requests.Session() as session, pytest.raises(ConnectionRefused) as refused:
            SocketOpener(session).open(f"http://127.0.0.1:{server.port}/echo")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (refused.value.reason, refused.value.status) == (reason, status)


def test_asks_again_on_a_connection_that_was_closed_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once: a site that is away is requests' own error."""
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


CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

CERTIFICATES: dict[str, tuple[Any, dict[str, Any]]] = {
    "one file": ("/own.pem", {"certfile": "/own.pem", "keyfile": None}),
    "two": (("/own.pem", "/own.key"), {"certfile": "/own.pem", "keyfile": "/own.key"}),
}


@pytest.mark.parametrize(("cert", "options"), CERTIFICATES.values(), ids=CERTIFICATES)
def test_handshake_shows_the_certificate_that_preauth_showed(
    cert: Any, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that asks its clients for one would drop the socket behind a good preauth."""
    seen: list[Any] = []

    def connected(url: str, **given: Any) -> websocket.WebSocket:
        seen.append(given)
        return websocket.WebSocket()

    monkeypatch.setattr(websocket, "create_connection", connected)
    granted = requests.Response()
    granted.status_code = 200
    granted._content = b'{"token": null, "param": "wsguard_token", "subject": null}'
    with requests.Session() as session:
        monkeypatch.setattr(session, "post", lambda *_, **__: granted)
        session.cert, session.trust_env = cert, False
        SocketOpener(session).open("wss://example.org/ticker")
    assert seen[0]["sslopt"] == options


UNVERIFIED = {"cert_reqs": 0, "check_hostname": False}

TRUSTED: dict[str, tuple[Any, dict[str, str], bool, dict[str, Any]]] = {
    "default": (True, {}, True, {}),
    "file": ("/etc/ca.pem", {}, True, {"ca_certs": "/etc/ca.pem"}),
    "directory": ("/", {}, True, {"ca_cert_path": "/"}),
    "nothing": (False, {}, True, UNVERIFIED),
    "environment": (True, {"REQUESTS_CA_BUNDLE": "/env.pem"}, True, {"ca_certs": "/env.pem"}),
    "environment, as curl": (True, {"CURL_CA_BUNDLE": "/"}, True, {"ca_cert_path": "/"}),
    "environment not trusted": (True, {"REQUESTS_CA_BUNDLE": "/env.pem"}, False, {}),
}


@pytest.mark.parametrize("trusted", TRUSTED)
def test_says_that_a_handshake_failed_and_trusts_as_its_session_does(
    trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 403 behind a good preauth carries no reason; TLS settings are the session's."""
    verify, environment, trust_env, options = TRUSTED[trusted]
    for name in CA_BUNDLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
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
        session.verify, session.trust_env = verify, trust_env
        with pytest.raises(ConnectionRefused) as refused:
            SocketOpener(session).open("wss://example.org/ticker")
        assert (refused.value.reason, refused.value.status) == ("handshake_failed", 403)
    assert seen == [("wss://example.org/ticker", options, "https://example.org")]
