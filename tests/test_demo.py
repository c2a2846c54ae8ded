"""The demo: its page, its forms, and its sockets on the server that `make demo` runs."""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from simple_websocket import ConnectionClosed

from demo import create_app
from demo.audit import Audit
from demo.room import Room
from flask_wsguard import Refusal, handshake_refused
from tests.wire import Answer, Browser, Wire

ROOT = Path(__file__).parents[1]
ORIGIN = {"Origin": "http://localhost"}


@pytest.fixture
def app() -> Flask:
    return create_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def log_in(client: FlaskClient, person: str = "alice") -> str:
    """Log in as the page does, and return the page that follows."""
    answer = client.post("/login", data={"person": person}, headers=ORIGIN, follow_redirects=True)
    assert answer.status_code == 200
    return answer.text


class Inline(HTMLParser):
    """Collects what script-src 'self' and style-src 'self' would block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = dict(attributes)
        if tag == "style" or (tag == "script" and not names.get("src")):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or name.startswith("on")]
        self.found += [value for value in names.values() if value and "javascript:" in value]


def test_nothing_on_the_pages_is_inline(client: FlaskClient) -> None:
    """Logged out and logged in, no script, style or handler stands in the page itself."""
    inline = Inline()
    inline.feed(client.get("/").text)
    inline.feed(log_in(client))
    assert inline.found == []


def test_the_client_is_loaded_through_its_tag(client: FlaskClient) -> None:
    """The client comes with integrity, and once logged in with the page's subject."""
    assert 'src="/wsguard/static/wsguard.js?v=' in client.get("/").text
    page = log_in(client)
    assert 'integrity="sha384-' in page
    assert 'data-subject="' in page


def test_the_policy_allows_own_files_and_sockets_only(client: FlaskClient) -> None:
    """Sockets are named too, for a Safari whose 'self' does not cover them."""
    headers = client.get("/", base_url="http://localhost:5000").headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self' ws://localhost:5000 wss://localhost:5000; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_a_host_that_is_no_name_stays_out_of_the_policy(client: FlaskClient) -> None:
    """An IPv6 address is no CSP source; 'self' has to do."""
    policy = client.get("/", base_url="http://[::1]:5000").headers["Content-Security-Policy"]
    assert "connect-src 'self'; " in policy


def test_log_in_and_out(client: FlaskClient) -> None:
    """One click each, without JavaScript."""
    assert "Log in as Bob" in client.get("/").text
    assert "Message as Bob" in log_in(client, "bob")
    cookie = client.get_cookie("wsguard_demo")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site) == (True, "Lax")
    page = client.post("/logout", headers=ORIGIN, follow_redirects=True).text
    assert "Log in as Bob" in page


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/login", {"person": "mallory"}),
        ("/login", {}),
        ("/scopes", {"scope": "chat:admin", "allowed": "yes"}),
        ("/scopes", {"scope": "chat:read"}),
    ],
)
def test_a_form_that_the_page_does_not_have_is_400(
    client: FlaskClient, path: str, form: dict[str, str]
) -> None:
    """Nobody else can log in, no other scope can be had."""
    log_in(client)
    assert client.post(path, data=form, headers=ORIGIN).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="neither Origin nor Referer"),
        pytest.param({"Origin": "null"}, id="null"),
        pytest.param({"Origin": "http://localhost:5001"}, id="other port"),
        pytest.param({"Origin": "http://localhost.evil.example"}, id="look-alike"),
        pytest.param({"Referer": "http://evil.example/http://localhost/"}, id="foreign Referer"),
        pytest.param({"Origin": "null", "Referer": "http://localhost/"}, id="null, own Referer"),
    ],
)
@pytest.mark.parametrize("path", ["/login", "/logout", "/scopes"])
def test_a_foreign_form_is_refused(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    """No other page can log a visitor in or out, or change what he may do."""
    assert client.post(path, data={"person": "bob"}, headers=headers).status_code == 403


def test_the_referer_of_ie_11_stands_in_for_origin(client: FlaskClient) -> None:
    """IE 11 sends no Origin with a form."""
    headers = {"Referer": "http://localhost/"}
    assert client.post("/login", data={"person": "bob"}, headers=headers).status_code == 303


def test_scopes_need_a_login(client: FlaskClient) -> None:
    """Who is logged out has no scopes to change."""
    form = {"scope": "chat:read", "allowed": "no"}
    assert client.post("/scopes", data=form, headers=ORIGIN).status_code == 401


def test_the_page_offers_to_give_back_what_was_removed(client: FlaskClient) -> None:
    """The button says what it will do."""
    log_in(client)
    form = {"scope": "chat:write", "allowed": "no"}
    page = client.post("/scopes", data=form, headers=ORIGIN, follow_redirects=True).text
    assert "Give back chat:write" in page
    assert "Remove chat:read" in page


def test_what_a_stranger_sent_is_text_on_the_page(app: Flask, client: FlaskClient) -> None:
    """The list shows hostile origins: markup, control characters and length do no harm."""
    for origin in ("<script>alert(1)</script>", "http://\x1b[2J\r\n", "x" * 9000):
        with app.test_request_context("/chat"):
            handshake_refused.send(
                app,
                reason=Refusal.ORIGIN_NOT_ALLOWED,
                detail="",
                path="/chat",
                origin=origin,
                observed=False,
            )
    page = client.get("/").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "http://\\x1b[2J\\r\\n" in page
    assert "x" * 100 in page
    assert "x" * 101 not in page


def test_the_audit_keeps_the_last_fifty() -> None:
    """A flood of refusals fills no memory."""
    app = create_app()
    audit = Audit(app)
    for _ in range(60):
        with app.test_request_context("/"):
            handshake_refused.send(app, reason=Refusal.TOKEN_INVALID, path="/chat", origin=None)
    assert [verdict["number"] for verdict in audit.after()] == list(range(11, 61))
    assert [verdict["number"] for verdict in audit.after(58)] == [59, 60]


class Peer:
    """The server's end of a socket; ``send`` blocks when the other end does not read."""

    def __init__(self) -> None:
        self.sock, self.far = socket.socketpair()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        self.heard = threading.Semaphore(0)
        self.texts: list[str] = []
        self.gone = threading.Event()

    def send(self, letter: str) -> None:
        try:
            self.sock.sendall(letter.encode() + b"\n")
        except OSError as fault:
            self.gone.set()
            raise ConnectionClosed(1006, "") from fault

    def read(self) -> None:
        """Read for as long as there is something to read."""
        with self.far.makefile() as lines:
            for line in lines:
                self.texts.append(json.loads(line).get("text", ""))
                self.heard.release()

    def close(self) -> None:
        self.sock.close()
        self.far.close()


def test_a_peer_that_does_not_read_holds_up_nobody() -> None:
    """The others hear everything in order, and the silent one is cut off."""
    room, deaf, awake = Room(), Peer(), Peer()
    reader = threading.Thread(target=awake.read)
    reader.start()
    said = [f"{number} {'x' * 400}" for number in range(200)]
    with room.join(deaf, "bob"), room.join(awake, "alice"):
        assert room.people == 2
        assert awake.heard.acquire(timeout=5)
        for text in said:
            room.say("alice", "Alice", text)
            assert awake.heard.acquire(timeout=5)
        assert deaf.gone.wait(5)
    assert room.people == 0
    awake.sock.shutdown(socket.SHUT_RDWR)
    reader.join(5)
    assert awake.texts == ["", *said]
    deaf.close()
    awake.close()


def test_a_message_is_trimmed_and_bounded() -> None:
    """Blank text is not said; 500 characters are, and the last fifty messages are kept."""
    room, peer = Room(), Peer()
    room.say("alice", "Alice", "  ")
    for number in range(60):
        room.say("alice", "Alice", f" {number} {'x' * 600}")
    with room.join(peer, "bob"):
        (history,) = json.loads(peer.far.makefile().readline()).values()
    assert [len(message["text"]) for message in history] == [500] * 50
    assert history[0]["text"].startswith("10 x")
    peer.close()


def test_gunicorn_serves_localhost_on_the_port_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One worker, threads for many sockets, loopback only."""
    monkeypatch.setenv("PORT", "5123")
    served = runpy.run_path(str(ROOT / "demo" / "gunicorn.conf.py"))
    assert served["bind"] in (["127.0.0.1:5123"], ["127.0.0.1:5123", "[::1]:5123"])
    assert (served["workers"], served["worker_class"], served["threads"]) == (1, "gthread", 100)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the demo as `make demo` does, on a socket that this process holds."""
    log_file = tmp_path_factory.mktemp("demo") / "log"
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as listener,
        log_file.open("wb") as log,
    ):
        command = ["gunicorn", "-c", "demo/gunicorn.conf.py", "-b", f"fd://{listener.fileno()}"]
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "demo:create_app()"],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        number = listener.getsockname()[1]
    try:
        yield number
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Visitor(Browser):
    """Somebody on the demo."""

    def post(self, path: str, form: str = "") -> Answer:
        """Send a form of the page."""
        return self.fetch(
            "POST", path, form.encode(), {"Content-Type": "application/x-www-form-urlencoded"}
        )

    def scope(self, scope: str, allowed: str) -> None:
        """Give or remove a scope of the person who is logged in."""
        assert self.post("/scopes", f"scope={scope}&allowed={allowed}").status == 303

    def chat(self) -> Wire:
        """Enter the chat, and skip what was said before."""
        wire = self.open("/chat")
        assert list(json.loads(wire.text())) == ["history"]
        return wire


@pytest.fixture
def people(port: int) -> Iterator[dict[str, Visitor]]:
    """Alice and Bob, each in a browser, logged in and with all their scopes."""
    both = {person: Visitor(port) for person in ("alice", "bob")}
    for person, visitor in both.items():
        assert visitor.post("/login", f"person={person}").status == 303
        visitor.scope("chat:read", "yes")
        visitor.scope("chat:write", "yes")
    yield both
    for visitor in both.values():
        visitor.close()


def say(wire: Wire, text: str) -> None:
    wire.send_frame(1, f"say {text}".encode())


def verdict(port: int, **wanted: Any) -> dict[str, Any]:
    """Return the last such verdict that the public ticker tells."""
    stranger = Visitor(port)
    granted = stranger.ask("/ticker")
    assert (granted.status, granted.json["token"]) == (200, None)
    wire = stranger.send(stranger.attempt("/ticker"))
    assert wire.answer().status == 101
    verdicts = json.loads(wire.text())["verdicts"]
    stranger.close()
    return next(v for v in reversed(verdicts) if wanted.items() <= v.items())


def test_two_people_talk(people: dict[str, Visitor]) -> None:
    """What one says both hear, with the name that the server knows."""
    alice, bob = people["alice"].chat(), people["bob"].chat()
    say(alice, "Hello <Bob> \u2665")
    for wire in (alice, bob):
        message = json.loads(wire.text())
        assert (message["name"], message["text"]) == ("Alice", "Hello <Bob> \u2665")
    say(bob, "Hello Alice")
    assert json.loads(alice.text())["person"] == "bob"
    late = people["bob"].open("/chat")
    assert json.loads(late.text())["history"][-1]["text"] == "Hello Alice"


def test_the_ticker_counts_people_and_ticks(port: int, people: dict[str, Visitor]) -> None:
    """Anybody on the site's page may listen; it goes on by itself."""
    chats = [people["alice"].chat(), people["alice"].chat(), people["bob"].chat()]
    with Wire(port) as wire:
        wire.send(Visitor(port).attempt("/ticker").bytes())
        assert wire.answer().status == 101
        first, second = json.loads(wire.text()), json.loads(wire.text())
    assert second["people"] == 2
    assert first["at"] <= second["at"]
    for chat in chats:
        chat.close()


def test_the_ticker_does_not_listen(port: int) -> None:
    """Whoever talks to it is sent away."""
    with Wire(port) as wire:
        wire.send(Visitor(port).attempt("/ticker").bytes())
        assert wire.answer().status == 101
        wire.text()
        wire.send_frame(1, b"hello")
        assert wire.closing() == (1008, "this socket does not listen")


def test_without_chat_read_nobody_enters(port: int, people: dict[str, Visitor]) -> None:
    """Preauth tells the reason, and the audit shows it with the user."""
    bob = people["bob"]
    bob.scope("chat:read", "no")
    refused = bob.ask("/chat")
    assert (refused.status, refused.json["reason"]) == (403, "scope_missing")
    shown = verdict(port, step="preauth", reason="scope_missing")
    assert (shown["user"], shown["origin"]) == ("bob", bob.origin)
    bob.scope("chat:read", "yes")
    bob.chat()


def test_without_chat_write_nobody_speaks(people: dict[str, Visitor]) -> None:
    """Reading goes on until the first word, which closes the socket with the reason."""
    alice, bob = people["alice"].chat(), people["bob"]
    bob.scope("chat:write", "no")
    wire = bob.chat()
    say(alice, "anybody here?")
    assert json.loads(wire.text())["text"] == "anybody here?"
    say(wire, "me")
    assert wire.closing() == (4403, "scope_missing")


def test_a_dropped_socket_ends_without_a_close_frame(people: dict[str, Visitor]) -> None:
    """So that the page sees 1006 and reconnects."""
    wire = people["alice"].chat()
    wire.send_frame(1, b"drop")
    assert wire.is_closed()


@pytest.mark.parametrize("frame", [(1, b"shout hello"), (1, b""), (2, b"say hello")])
def test_other_frames_close_the_chat(people: dict[str, Visitor], frame: tuple[int, bytes]) -> None:
    """An unknown word, no word, and binary data are not guessed at."""
    wire = people["alice"].chat()
    wire.send_frame(*frame)
    assert wire.closing() == (1003, "say <text>, or drop")


def test_logged_out_is_401(port: int, people: dict[str, Visitor]) -> None:
    """A page whose session ended elsewhere learns at its next preauth what to do."""
    alice = people["alice"]
    assert alice.post("/logout").status == 303
    refused = alice.ask("/chat")
    assert (refused.status, refused.json["reason"]) == (401, "login_required")
    assert refused.json["login_url"] == "/"
    assert verdict(port, reason="login_required")["user"] is None


def test_a_ticket_kept_past_logout_is_refused(port: int, people: dict[str, Visitor]) -> None:
    """The handshake is a 403, and the audit says why."""
    alice = people["alice"]
    attempt = alice.attempt("/chat", alice.preauth("/chat"))
    alice.post("/logout")
    assert alice.send(attempt).answer().status == 403
    assert verdict(port, step="handshake", reason="session_ended")["path"] == "/chat"


@pytest.mark.parametrize("path", ["/chat", "/ticker"])
def test_a_foreign_origin_is_refused(port: int, people: dict[str, Visitor], path: str) -> None:
    """With all her cookies and a token of hers, still 403; the audit names victim and origin."""
    alice = people["alice"]
    attempt = alice.attempt(path, alice.preauth("/chat"))
    attempt.put(b"Origin", b"http://localhost:1")
    assert alice.send(attempt).answer().status == 403
    shown = verdict(port, path=path, reason="origin_not_allowed")
    assert (shown["user"], shown["origin"]) == ("alice", "http://localhost:1")
    assert "token" not in json.dumps(shown)


def test_the_command_on_the_page_is_refused(port: int) -> None:
    """What the page tells a visitor to type does what it says."""
    page = Visitor(port).fetch("GET", "/").body.decode()
    assert f"curl -i http://localhost:{port}/chat" in page
    assert "Origin: https://evil.example" in page
    attempt = Visitor(port).attempt("/chat")
    attempt.put(b"Origin", b"https://evil.example")
    with Wire(port) as wire:
        wire.send(attempt.bytes())
        assert wire.answer().status == 403
