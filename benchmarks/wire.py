"""A client that does next to nothing: it sends bytes that lie ready and looks for the end."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress

from .blocks import Block, Samples, Scale, interleave
from .servers import Server
from .traffic import CLOSE_FRAME, Request

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")


class Wire:
    """One connection to a server."""

    __slots__ = ("_read", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def head(self) -> bytes:
        """Read the head of an answer."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        return head

    def answer(self, request: bytes, status: bytes) -> bytes:
        """Send a request and read its answer's body; raises AssertionError for another status."""
        self.socket.sendall(request)
        head = self.head()
        assert head[9:12] == status, head
        found = _LENGTH.search(head)
        size = int(found[1]) if found else 0
        while len(self._read) < size:
            self._more()
        body, self._read = self._read[:size], self._read[size:]
        return body

    def open(self, request: bytes) -> None:
        """Open a WebSocket."""
        self.answer(request, b"101")

    def shut(self) -> None:
        """Close the WebSocket and wait for the server to say so too, or to hang up."""
        self.socket.sendall(CLOSE_FRAME)
        with suppress(ConnectionError):
            self.frame()

    def frame(self) -> None:
        """Wait for a frame of the server's."""
        if not self._read:
            self._more()

    def until(self, said: bytes) -> None:
        """Wait for bytes of the server's, and forget all that came."""
        while said not in self._read:
            self._more()
        self._read = b""

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server hung up")
        self._read += data


def handshakes(server: Server, request: bytes) -> Block:
    """Measure handshakes by the server's clock: connect, upgrade, close."""

    def call() -> None:
        with Wire(server.port) as wire:
            wire.open(request)
            wire.shut()

    return by_clock_of(server, call)


def requests(server: Server, request: Request, status: bytes) -> Block:
    """Measure requests on one connection that is kept alive, by the server's clock."""
    data, wires = request.wire(), list[Wire]()

    def call() -> None:
        # The first call connects: gunicorn closes what is idle for longer than its keep-alive.
        if not wires:
            wires.append(Wire(server.port))
        wires[0].answer(data, status)

    return by_clock_of(server, call)


def over_servers(
    starts: Mapping[str, Callable[[], AbstractContextManager[Server]]],
    dial: Callable[[str, Server], Block],
    scale: Scale,
) -> Samples:
    """Measure the sides on several sets of servers, each started anew, one after the other.

    ``dial`` makes the block of a side from its name and its server.
    """
    samples: Samples = {name: [] for name in starts}
    for _ in range(scale.sets):
        with ExitStack() as stack:
            servers = {name: stack.enter_context(start()) for name, start in starts.items()}
            sides = {name: dial(name, server) for name, server in servers.items()}
            found = interleave(sides, rounds=scale.wire_rounds, calls=scale.wire_calls)
        for name, values in found.items():
            samples[name] += values
    return samples


def by_clock_of(server: Server, call: Callable[[], None]) -> Block:
    """Measure a call by the clock of the server's processes."""

    def block(calls: int) -> float:
        start = _settled(server)
        for _ in range(calls):
            call()
        return (_settled(server) - start) / calls

    return block


def _settled(server: Server) -> float:
    """Return the server's clock when it has stopped working on what came before."""
    last = server.cpu()
    while True:
        time.sleep(0.005)
        now = server.cpu()
        # An idle gunicorn's housekeeping is some microseconds.
        if now - last < 0.0005:
            return now
        last = now
