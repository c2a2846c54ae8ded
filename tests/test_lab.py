"""The attack lab stays where it belongs: out of the ordinary demo, and on this machine.

What it shows there is true under every name of this machine, with a login and without.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from demo import create_app
from demo.door import LAYERS
from demo.lab import create_lab
from demo.local import OWN, local_origin
from demo.raw import Leak
from demo.witness import Witness
from flask_wsguard import handshake_accepted
from flask_wsguard.core.handshake import CHECKS
from tests.browser import demo_site
from tests.browser.demo_site import Demo
from tests.wire import Answer, Browser, Wire

ROOT = Path(__file__).parents[1]
LINE = "Alice\u2019s private line: call me at 5 pm."
each_name = pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "a.localhost"])


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("PORT", "5000")
    monkeypatch.setenv("EVIL_PORT", "5001")
    return Client(create_lab())


def get(lab: Client, path: str, host: str = "localhost:5000", **environ: Any) -> Any:
    environ = {"SERVER_PORT": host.rpartition(":")[2], "REMOTE_ADDR": "127.0.0.1", **environ}
    return lab.open(path, headers={"Host": host}, environ_overrides=environ)


def test_the_ordinary_demo_has_no_lab() -> None:
    client = create_app().test_client()
    assert client.get("/lab/chat?without=all").status_code == 404
    assert "evil page" not in client.get("/").text


def test_the_lab_says_loudly_that_it_is_on(lab: Client, caplog: pytest.LogCaptureFixture) -> None:
    create_lab()
    assert "THE ATTACK LAB IS ON" in caplog.text


@pytest.mark.parametrize(
    ("host", "link"),
    [
        ("localhost:5000", "http://localhost:5001/?port=5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5001/?port=5000"),
        ("[::1]:5000", "http://[::1]:5001/?port=5000"),
        pytest.param("localhost", "http://localhost:5001/?port=80", id="port 80"),
        pytest.param("[::1]", "http://[::1]:5001/?port=80", id="IPv6, port 80"),
    ],
)
def test_the_demo_links_to_the_other_port(lab: Client, host: str, link: str) -> None:
    assert f'href="{link}"' in get(lab, "/", host, SERVER_PORT="5000").text


@pytest.mark.parametrize(
    ("host", "query", "victim"),
    [
        ("localhost:5001", "?port=5000", "localhost:5000"),
        ("localhost:5001", "?port=80", "localhost:80"),
        ("[::1]:5001", "?port=5000", "[::1]:5000"),
        pytest.param("localhost:5001", "", "localhost:5000", id="no port"),
        pytest.param("localhost:5001", "?port=80@example.org", "localhost:5000", id="no number"),
    ],
)
def test_the_evil_page_attacks_its_own_host(
    lab: Client, host: str, query: str, victim: str
) -> None:
    page = get(lab, f"/{query}", host).text
    assert f'data-victim="{victim}"' in page
    assert f'<a href="http://{victim}/"' in page


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        pytest.param("evil.example", "127.0.0.1", id="rebound name"),
        pytest.param("localhost", "192.0.2.7", id="other machine"),
        pytest.param("", "127.0.0.1", id="no host"),
    ],
)
@pytest.mark.parametrize(
    ("port", "path"),
    [
        ("5000", "/"),
        ("5000", "/lab/chat?without=all"),
        ("5001", "/"),
        ("5001", "/reason/1"),
        ("5001", "/leak"),
        ("5001", "/raw/ticket"),
        ("5001", "/raw/session"),
    ],
)
def test_the_lab_is_for_localhost(lab: Client, name: str, peer: str, port: str, path: str) -> None:
    answer = get(lab, path, f"{name}:{port}", REMOTE_ADDR=peer)
    assert (answer.status_code, answer.text) == (403, "The lab is for localhost.\n")


def test_with_nothing_left_out_the_lab_refuses(lab: Client) -> None:
    assert get(lab, "/lab/chat").text == "Refused.\n"


def test_an_unknown_layer_leaves_nothing_out(lab: Client) -> None:
    assert get(lab, "/lab/chat?without=everything,route").text == "Refused.\n"


def test_the_layers_are_checks_of_core() -> None:
    assert {check for layer in LAYERS.values() for check in layer} < set(CHECKS)


def test_nothing_on_the_evil_page_is_inline(lab: Client) -> None:
    page = get(lab, "/", "localhost:5001").text
    assert page.count("<script") == page.count('<script src="') == 1
    assert "style=" not in page


def test_the_evil_page_says_what_it_is_without_javascript(lab: Client) -> None:
    page = get(lab, "/", "localhost:5001").text
    assert page.index("<main>") < page.index("<noscript><p") < page.index("</main>")
    assert page.index('id="layers"') < page.index("</main>")


def test_the_evil_page_says_what_goes_with_the_token(lab: Client) -> None:
    """The layer of the token holds the ticket's checks too, and the page must not hide it."""
    assert set(LAYERS["ticket"]) < set(LAYERS["token"])
    page = " ".join(get(lab, "/", "localhost:5001").text.split())
    assert "where its checks are left out, nobody asks for the ticket either" in page


def connect(site: Flask, host: str) -> None:
    """Let the site say that it accepted a handshake at this host."""
    headers = {"Host": host, "Cookie": "wsguard-ID=ticket"}
    path = "/chat?wsguard_token=t1.ID.signature"
    with site.test_request_context(
        path, headers=headers, environ_base={"REMOTE_ADDR": "::1"}
    ) as at:
        at.request.environ[OWN] = local_origin(at.request.environ)
        handshake_accepted.send(site, path="/chat", origin=None)


def overheard(site: Flask, witness: Witness, host: str, seconds: float) -> Leak | None:
    """Return what leaks at [::1] while handshakes at a host go on."""
    with ThreadPoolExecutor() as pool:
        leak = pool.submit(witness.leak, "[::1]", seconds)
        while not leak.done():
            connect(site, host)
    return leak.result()


def test_only_what_leaks_later_at_the_same_host_is_a_leak() -> None:
    """A handshake of a while ago, or of the user on the other host, is not this page's doing."""
    site = create_app()
    witness = Witness(site)
    connect(site, "[::1]:5000")
    assert overheard(site, witness, "localhost:5000", 0.1) is None
    leak = overheard(site, witness, "[::1]:5000", 8)
    assert leak == Leak("[::1]:5000", "t1.ID.signature", {"wsguard-ID": "ticket"})


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo_site.running(tmp_path_factory.mktemp("lab")) as demo:
        yield demo


class Visitor(Browser):
    """Somebody at the demo under one of this machine's names."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(port)
        self.host = f"{name}:{port}"
        self.origin = f"http://{self.host}"

    def fetch(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        return super().fetch(method, path, body, {"Host": self.host, **(headers or {})})

    def log_in_at_the_demo(self) -> None:
        """Send the form of the page."""
        self._send("/login", b"person=alice")

    def allow(self, answer: str) -> None:
        """Remove the scope that the chat needs, or give it back."""
        self._send("/scopes", f"scope=chat:read&allowed={answer}".encode())

    def chat(self) -> None:
        """Connect to the chat, and leave."""
        attempt = self.attempt("/chat", self.preauth("/chat"))
        attempt.put(b"Host", self.host.encode())
        attempt.put(b"Origin", self.origin.encode())
        with self.send(attempt) as wire:
            assert wire.answer().status == 101

    def _send(self, path: str, form: bytes) -> None:
        type_ = {"Content-Type": "application/x-www-form-urlencoded"}
        assert self.fetch("POST", path, form, type_).status == 303


def fetch(port: int, name: str, path: str) -> Any:
    """POST to a site under this name, and return its JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: {name}:{port}\r\nContent-Length: 0\r\n\r\n"
    with Wire(port) as wire:
        wire.send(head.encode())
        return wire.answer().json


def attack(demo: Demo, name: str, path: str) -> Any:
    """Let the evil page ask its server, while alice connects under that name again and again."""
    visitor = Visitor(demo.port, name)
    visitor.log_in_at_the_demo()
    with ThreadPoolExecutor() as pool:
        told = pool.submit(fetch, demo.evil_port, name, path)
        while not told.done():
            visitor.chat()
    visitor.close()
    return told.result()


@each_name
def test_a_leak_is_of_the_evil_pages_own_host(demo: Demo, name: str) -> None:
    assert attack(demo, name, "/leak")["token"].startswith("t1.")


@each_name
@pytest.mark.parametrize(
    ("without", "line", "reason"),
    [
        pytest.param("", None, "ticket_invalid", id="nothing left out"),
        pytest.param("ticket", LINE, "accepted", id="signature unchecked"),
    ],
)
def test_a_forged_ticket_needs_its_signature_unchecked(
    demo: Demo, name: str, without: str, line: str | None, reason: str
) -> None:
    told = attack(demo, name, f"/raw/ticket?without={without}")
    assert told == {"leaked": True, "line": line, "reason": reason}


@each_name
@pytest.mark.parametrize(
    ("without", "line", "reason"),
    [
        pytest.param("", None, "session_ended", id="nothing left out"),
        pytest.param("session", LINE, "accepted", id="session unchecked"),
    ],
)
def test_what_was_kept_past_a_logout_needs_the_session_unchecked(
    demo: Demo, name: str, without: str, line: str | None, reason: str
) -> None:
    """Without the logout all of it is alice's own, and nothing would refuse it."""
    told = fetch(demo.evil_port, name, f"/raw/session?without={without}")
    assert told == {"leaked": True, "line": line, "reason": reason}


def test_who_gets_no_ticket_keeps_none(demo: Demo) -> None:
    """Alice's scope, removed at the demo, is removed on her other computer too."""
    alice = Visitor(demo.port, "localhost")
    alice.log_in_at_the_demo()
    alice.allow("no")
    assert fetch(demo.evil_port, "localhost", "/raw/session?without=session") == {"leaked": False}
    alice.allow("yes")


@pytest.mark.parametrize("without", ["all", "origin,fetch,token"])
def test_with_nobody_logged_in_there_is_nothing_to_steal(demo: Demo, without: str) -> None:
    """No line is told, no message is said: the socket opens and closes."""
    stranger = Visitor(demo.port, "localhost")
    attempt = stranger.attempt("/lab/chat")
    attempt.query = f"without={without}".encode()
    with stranger.send(attempt) as wire:
        assert wire.answer().status == 101
        wire.send_frame(1, b"Please wire the money")
        assert wire.closing() == (4401, "nobody is logged in")


@pytest.mark.parametrize("without", ["all", "origin,fetch,token"])
def test_with_alice_logged_in_her_line_is_told(demo: Demo, without: str) -> None:
    alice = Visitor(demo.port, "localhost")
    alice.log_in_at_the_demo()
    attempt = alice.attempt("/lab/chat")
    attempt.query = f"without={without}".encode()
    with alice.send(attempt) as wire:
        assert wire.answer().status == 101
        assert json.loads(wire.text()) == {"name": "Alice", "line": LINE}
