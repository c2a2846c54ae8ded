"""Clients that break off, do not read, or send what nobody should: the others notice nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.gunicorn import KINDS, Gunicorn, is_open, running, start, until
from tests.wire import KEY, Browser, Wire, browsers

from .conftest import Visitor


def test_half_sent_handshakes(troubled: Gunicorn, visitor: Visitor, alice: Browser) -> None:
    """Thirty that stop in the middle of a header and stay: good clients come and go."""
    whole = alice.attempt("/stay", alice.preauth("/stay")).bytes()
    for _ in range(30):
        alice.wire().send(whole[: whole.index(KEY) + 4])
    bob = visitor().log_in("bob")
    for _ in range(5):
        assert is_open(start(bob))
    assert troubled.held <= 5


def test_client_that_never_reads(troubled: Gunicorn, visitor: Visitor, alice: Browser) -> None:
    """Its handler is stuck in ``send``; everybody else is served, and it ends when it hangs up."""
    wire = alice.open("/flood")
    wire.send_frame(1, b"go")
    until(lambda: troubled.stats["ran"].get("/flood"))
    bob = start(visitor().log_in("bob"))
    assert is_open(bob)
    wire.close()
    until(lambda: troubled.held == 1, 5)
    assert is_open(bob)


def test_a_thousand_that_vanish_after_the_101(troubled: Gunicorn, alice: Browser) -> None:
    """No slot, no thread and no descriptor stays behind."""
    assert is_open(start(alice))
    for number in range(1000):
        if number % 200 == 0:
            attempt = alice.attempt("/stay", alice.preauth("/stay"))
        wire = alice.send(attempt)
        assert wire.answer().status == 101
        wire.close()
    alice.close()
    until(lambda: troubled.held == 0, 20)
    left = troubled.fetch("POST", "/settle", {}).json
    assert left["connections"] == 0
    assert left["descriptors"] < 40


CHUNKS = {
    "size": b"zz\r\n",
    "extension": b'0;a="\x01\r\n\r\n',
    "trailer's name": b"0\r\nBad Name: x\r\n\r\n",
    "trailer without a colon": b"0\r\nnonsense\r\n\r\n",
    "trailers": b"0\r\n" + b"A: b\r\n" * 150 + b"\r\n",
}


@pytest.mark.parametrize("chunk", CHUNKS)
def test_chunks_that_are_none(troubled: Gunicorn, alice: Browser, chunk: str) -> None:
    """The server's parser raises while the body is read: that is no body, and no 500."""
    body = b'11\r\n{"path": "/stay"}\r\n' + CHUNKS[chunk]
    head = (
        f"POST /wsguard/preauth HTTP/1.1\r\nHost: localhost:{troubled.port}\r\n"
        f"Origin: http://localhost:{troubled.port}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with Wire(troubled.port) as wire:
        wire.send(head.encode() + body)
        assert wire.answer().status == 400


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_too_big_of_peers_that_hang_up(kind: str, tmp_path: Path) -> None:
    """simple-websocket loses some of these ends; no slot and no thread stays behind."""
    config = {"SOCK_SERVER_OPTIONS": {"max_message_size": 1000}}
    with running(kind, tmp_path, config=config) as server, browsers(server.port) as make:
        for _ in range(40):
            browser = make()
            wire = browser.send(browser.attempt("/public"))
            assert wire.answer().status == 101
            wire.send_frame(1, b"x" * 2000)
            wire.close()
        until(lambda: server.held == 0)


def test_two_thousand_cookies(troubled: Gunicorn, alice: Browser) -> None:
    """The server refuses what is too long; what just fits is judged as ever."""
    grant = alice.preauth("/stay")
    too_long, fits = alice.attempt("/stay", grant), alice.attempt("/stay", grant)
    too_long.cookies += [(b"cookie-%d" % number, b"x" * 20) for number in range(2000)]
    fits.cookies += [(b"c%d" % number, b"") for number in range(1000)]
    assert alice.send(too_long).answer().status in (400, 431)
    wire = alice.send(fits)
    assert wire.answer().status == 101


def test_http_1_0(alice: Browser) -> None:
    """A handshake of HTTP/1.0 is none (RFC 6455 section 4.1), whatever it carries."""
    attempt = alice.attempt("/stay", alice.preauth("/stay"))
    attempt.protocol = b"HTTP/1.0"
    assert alice.send(attempt).answer().status == 400


def test_pipelined(alice: Browser) -> None:
    """Between a page's requests in one packet a handshake is judged like any other."""
    page = f"GET / HTTP/1.1\r\nHost: localhost:{alice.port}\r\n\r\n".encode()
    good = alice.attempt("/stay", alice.preauth("/stay"))
    wire = alice.wire()
    wire.send(page + page + good.bytes())
    assert [wire.answer().status for _ in range(3)] == [200, 200, 101]
    foreign = alice.attempt("/stay", alice.preauth("/stay"))
    foreign.put(b"Origin", b"http://evil.example.net")
    wire = alice.wire()
    wire.send(page + foreign.bytes() + page)
    assert [wire.answer().status for _ in range(3)] == [200, 403, 200]


def test_handshakes_pipelined_into_a_socket(troubled: Gunicorn, alice: Browser) -> None:
    """What follows the first handshake is frames, and bad ones: no second socket opens."""
    attempt = alice.attempt("/stay", alice.preauth("/stay"))
    wire = alice.wire()
    wire.send(attempt.bytes() * 3)
    assert wire.answer().status == 101
    wire.finish()
    assert b"HTTP/1.1" not in wire.rest()
    until(lambda: troubled.held == 0)


def test_a_proxy_that_rewrites_host(troubled: Gunicorn, alice: Browser) -> None:
    """Nobody gets in, the page learns why, and the log says what came and what was wanted."""
    mended = alice.attempt("/stay", alice.preauth("/stay"))
    spoilt = alice.attempt("/stay", alice.preauth("/stay"))
    spoilt.put(b"Host", b"backend.internal:8000")
    assert alice.send(spoilt).answer().status == 403
    told = alice.fetch(
        "POST",
        "/wsguard/preauth",
        b'{"path": "/stay"}',
        {"Host": "backend.internal:8000", "Content-Type": "application/json"},
    )
    assert (told.status, told.json["reason"]) in (
        (403, "origin_not_allowed"),
        (403, "insecure_transport"),
    )
    assert "backend.internal:8000" in troubled.log
    assert alice.send(mended).answer().status == 101
