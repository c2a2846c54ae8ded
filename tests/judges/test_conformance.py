"""The protocol behind the guard is the library's own: other people's clients see no difference.

Each dialogue is held with a guarded socket and with the same socket unguarded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import websocket
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.servers.conftest import Server, running
from tests.wire import Browser, Wire, browsers

pytestmark = pytest.mark.slow

LARGE = "\u00e9" * 100_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One gunicorn with the guarded site, and the same unguarded below /control."""
    with running("gthread", tmp_path_factory.mktemp("judges")) as server:
        yield server


@pytest.fixture
def alice(server: Server) -> Iterator[Browser]:
    """Return a browser in which alice has logged in."""
    with browsers(server.port) as make:
        yield make().log_in("alice")


def door(alice: Browser, *, guarded: bool) -> tuple[str, dict[str, str]]:
    """Return URL and headers of a handshake that is good once."""
    query = f"?wsguard_token={alice.preauth().token}" if guarded else ""
    cookies = "; ".join(f"{name}={value}" for name, value in alice.jar.items())
    prefix = "" if guarded else "/control"
    return f"ws://localhost:{alice.port}{prefix}/echo{query}", {"Cookie": cookies}


def with_websockets(url: str, headers: dict[str, str], origin: str) -> list[Any]:
    """Hold a dialogue with the websockets package."""
    heard: list[Any] = []
    with connect(url, additional_headers=headers, origin=origin) as ws:  # type: ignore[arg-type]
        ws.recv()
        heard.append([type(extension).__name__ for extension in ws.protocol.extensions])
        for message in ("text", "", LARGE, b"\x00\xff", bytes(70_000)):
            ws.send(message)
            heard.append(ws.recv() == message)
        ws.send(["in ", "three ", "fragments"])
        heard.append(ws.recv())
        heard.append(ws.ping(b"are you there").wait(10))
        ws.close(4000, "enough")
        heard.append((ws.close_code, ws.close_reason))
        with pytest.raises(ConnectionClosed):
            ws.recv()
    return heard


def with_websocket_client(url: str, headers: dict[str, str], origin: str) -> list[Any]:
    """Hold a dialogue with the websocket-client package."""
    ws = websocket.create_connection(
        url, origin=origin, cookie=headers["Cookie"], timeout=10, suppress_origin=False
    )
    ws.recv()
    heard: list[Any] = [ws.status, ws.subprotocol]
    for message in ("text", "", LARGE):
        ws.send(message)
        heard.append(ws.recv() == message)
    ws.send_binary(b"\x00\xff")
    heard.append(ws.recv())
    ws.ping("still there")
    heard.append(ws.recv_data(control_frame=True))
    ws.send_close(4001, b"enough")
    heard.append(ws.recv_data(control_frame=True)[0])
    ws.shutdown()
    return heard


@pytest.mark.parametrize(
    ("dialogue", "expected"),
    [
        (
            with_websockets,
            [
                ["PerMessageDeflate"],
                *[True] * 5,
                "in three fragments",
                True,
                (4000, "enough"),
            ],
        ),
        (
            with_websocket_client,
            [101, None, True, True, True, b"\x00\xff", (10, b"still there"), 8],
        ),
    ],
    ids=["websockets", "websocket-client"],
)
def test_dialogue_is_the_same(
    alice: Browser, dialogue: Callable[..., list[Any]], expected: list[Any]
) -> None:
    """Messages, fragments, pings, compression and closes are what they are without the guard."""
    for guarded in (True, False):
        assert dialogue(*door(alice, guarded=guarded), alice.origin) == expected, guarded


FRAMES = {
    "reserved-opcode": b"\x83\x80\x00\x00\x00\x00",
    "reserved-control-opcode": b"\x8b\x80\x00\x00\x00\x00",
    "reserved-bits": b"\xb1\x80\x00\x00\x00\x00",
    "not-masked": b"\x81\x02hi",
    "continuation-of-nothing": b"\x80\x80\x00\x00\x00\x00",
    "fragmented-ping": b"\x09\x80\x00\x00\x00\x00",
    "long-ping": b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + bytes(126),
    "text-that-is-not-utf-8": b"\x81\x82\x00\x00\x00\x00\xff\xff",
    "close-of-one-byte": b"\x88\x81\x00\x00\x00\x00\x03",
    "close-with-a-reserved-code": b"\x88\x82\x00\x00\x00\x00\x03\xed",
    "close-without-code": b"\x88\x80\x00\x00\x00\x00",
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_broken_frame_gets_the_same_end(alice: Browser, frame: bytes) -> None:
    """What RFC 6455 forbids ends a guarded socket with the very bytes that end a bare one."""
    guarded, bare = (
        {end_after(alice, prefix, frame) for _ in range(5)} for prefix in ("", "/control")
    )
    # The library wakes the handler before it answers a close, so now and then the end of the
    # handler overtakes the answer: on both sides, and then nothing comes.
    assert guarded | {b""} == bare | {b""}


def end_after(browser: Browser, prefix: str, frame: bytes) -> bytes:
    """Return what comes after a frame, up to the end of the connection."""
    attempt = browser.attempt("/echo", browser.preauth())
    attempt.path = prefix.encode() + attempt.path
    wire: Wire = browser.send(attempt)
    assert wire.answer().status == 101
    wire.text()
    wire.send(frame)
    wire.finish()
    return wire.rest()
