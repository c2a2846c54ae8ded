"""HTTP and WebSocket over a raw socket: every byte is the test's own.

A client library would mend, refuse or retry what an attacker sends. ``Wire`` is one TCP
connection, ``Attempt`` a handshake to be spoilt, ``Browser`` somebody with a cookie jar.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TIMEOUT = 10.0

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class HungUp(Exception):
    """The peer closed the connection in the middle of what was to come."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; ``head`` is the status line and the headers as they came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    head: bytes

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """Return the one value of a header, None where it is absent."""
        values = self.all(name)
        assert len(values) < 2, f"{len(values)} headers {name}"
        return values[0] if values else None

    @property
    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)

    @property
    def without_date(self) -> bytes:
        """Return all bytes of the answer, the Date header left out."""
        return re.sub(rb"(?im)^date:.*\r\n", b"", self.head) + self.body


class Wire:
    """One TCP connection to localhost."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; twice does no harm."""
        self._socket.close()

    def finish(self) -> None:
        """Say that nothing more will be sent; harmless when the peer has gone already."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        self._socket.sendall(data)

    def rest(self) -> bytes:
        """Return everything until the peer closes."""
        try:
            while self._more():
                pass
        except ConnectionError:
            pass
        data, self._read = self._read, b""
        return data

    def is_closed(self) -> bool:
        """Wait for the peer to close, and tell whether it did so without another byte."""
        return self.rest() == b""

    def answer(self, *, head: bool = False) -> Answer:
        """Read one answer; ``head`` says that the request was a HEAD. Raises HungUp."""
        top = self._until(b"\r\n\r\n")
        first, *lines = top[:-4].decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.[01] (\d{3})(?: .*)?", first)
        assert found, f"not HTTP: {top[:200]!r}"
        status = int(found[1])
        pairs = (line.partition(":") for line in lines)
        headers = tuple((name, value.strip()) for name, _, value in pairs)
        got = Answer(status, headers, b"", top)
        if head or status in {101, 204, 304}:
            return got
        return replace(got, body=self._body(got))

    def frame(self) -> tuple[int, bytes]:
        """Read one WebSocket frame: opcode and payload. Raises HungUp."""
        first, second = self._exactly(2)
        assert first & 0xB0 == 0x80, "a whole frame, plain or compressed"
        assert second < 0x80, "a server does not mask"
        size = second
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        payload = self._exactly(size)
        if first & 0x40:
            payload = self._inflate.decompress(payload + b"\x00\x00\xff\xff")
        return first & 0x0F, payload

    def send_frame(self, opcode: int, payload: bytes = b"") -> None:
        """Send one masked WebSocket frame of less than 64 KiB."""
        short = len(payload) < 126
        size = struct.pack("!B", 0x80 | len(payload)) if short else b"\xfe"
        size += b"" if short else struct.pack("!H", len(payload))
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.send(bytes([0x80 | opcode]) + size + mask + masked)

    def text(self) -> str:
        """Read one text message."""
        opcode, payload = self.frame()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    def closing(self) -> tuple[int, str]:
        """Read a close frame: code and reason."""
        opcode, payload = self.frame()
        assert opcode == CLOSE, (opcode, payload)
        return struct.unpack("!H", payload[:2])[0], payload[2:].decode()

    def say(self, text: str) -> str:
        """Send a text message and return the next one."""
        self.send_frame(TEXT, text.encode())
        return self.text()

    def _body(self, answer: Answer) -> bytes:
        if (length := answer.get("Content-Length")) is not None:
            return self._exactly(int(length))
        if answer.get("Transfer-Encoding") == "chunked":
            return b"".join(self._chunks())
        return self.rest()

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._until(b"\r\n"), 16):
            yield self._exactly(size)
            self._exactly(2)
        self._until(b"\r\n")

    def _more(self) -> bool:
        data = self._socket.recv(65536)
        self._read += data
        return bool(data)

    def _exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            self._need_more()
        data, self._read = self._read[:size], self._read[size:]
        return data

    def _until(self, end: bytes) -> bytes:
        while end not in self._read:
            self._need_more()
        at = self._read.index(end) + len(end)
        data, self._read = self._read[:at], self._read[at:]
        return data

    def _need_more(self) -> None:
        try:
            if self._more():
                return
        except ConnectionError:
            pass
        raise HungUp(f"closed after {self._read!r}")


@dataclass
class Attempt:
    """A handshake as bytes, header by header, so that a test can spoil exactly one of them."""

    port: int
    path: bytes = b"/echo"
    query: bytes = b""
    cookies: list[tuple[bytes, bytes]] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    method: bytes = b"GET"
    protocol: bytes = b"HTTP/1.1"
    body: bytes = b""

    def __post_init__(self) -> None:
        host = b"localhost:%d" % self.port
        self.headers = self.headers or [
            (b"Host", host),
            (b"Connection", b"Upgrade"),
            (b"Upgrade", b"websocket"),
            (b"Origin", b"http://" + host),
            (b"Sec-WebSocket-Key", KEY),
            (b"Sec-WebSocket-Version", b"13"),
        ]

    def drop(self, name: bytes) -> None:
        """Leave a header out; it must be there."""
        kept = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        assert len(kept) < len(self.headers), name
        self.headers = kept

    def put(self, name: bytes, value: bytes) -> None:
        """Give a header this value instead of its own."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        self.headers.append((name, value))

    def add(self, name: bytes, value: bytes) -> None:
        """Add a header, beside one of the same name if there is one."""
        self.headers.append((name, value))

    def put_cookie(self, name: bytes, value: bytes) -> None:
        """Give a cookie this value instead of its own."""
        self.drop_cookie(name)
        self.cookies.append((name, value))

    def drop_cookie(self, name: bytes) -> None:
        """Leave a cookie out."""
        self.cookies = [pair for pair in self.cookies if pair[0] != name]

    def bytes(self) -> bytes:
        """Return the request."""
        target = self.path + (b"?" + self.query if self.query else b"")
        headers = list(self.headers)
        if self.cookies:
            headers.append((b"Cookie", b"; ".join(b"%b=%b" % pair for pair in self.cookies)))
        lines = [self.method + b" " + target + b" " + self.protocol]
        lines += [name + b": " + value for name, value in headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class Grant:
    """What preauth gave: the token, and the ticket's cookie."""

    token: str
    cookie: str
    ticket: str

    @property
    def query(self) -> bytes:
        """Return the query string of the handshake."""
        return b"wsguard_token=" + self.token.encode()


class Browser:
    """Somebody on http://localhost:PORT, with a jar that honours expiries."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.origin = f"http://localhost:{port}"
        self._jar: dict[str, tuple[str, float]] = {}
        self._wires: list[Wire] = []

    def close(self) -> None:
        """Close every connection of this browser."""
        for wire in self._wires:
            wire.close()

    @property
    def jar(self) -> dict[str, str]:
        """Return the live cookies."""
        now = time.time()
        return {name: value for name, (value, until) in self._jar.items() if until > now}

    @property
    def tickets(self) -> list[str]:
        """Return the names of the tickets held."""
        return [name for name in self.jar if name.startswith("wsguard-")]

    def wire(self) -> Wire:
        """Open a connection that is closed with the browser."""
        wire = Wire(self.port)
        self._wires.append(wire)
        return wire

    def fetch(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request as a page of the site would, and keep the cookies of the answer."""
        sent = {"Host": f"localhost:{self.port}", "Origin": self.origin, **(headers or {})}
        if self.jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        if body or method == "POST":
            sent["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{key}: {sent[key]}" for key in sent), "", ""]
        with Wire(self.port) as wire:
            wire.send("\r\n".join(lines).encode("latin-1") + body)
            answer = wire.answer(head=method == "HEAD")
        self.keep(answer)
        return answer

    def log_in(self, user: str) -> Browser:
        """Log in, and return the browser."""
        assert self.fetch("POST", f"/login/{user}").status == 200
        return self

    def log_out(self) -> None:
        """Log out."""
        assert self.fetch("POST", "/logout").status == 200

    def ask(self, path: str = "/echo", prefix: str = "") -> Answer:
        """POST to preauth for the socket at ``path``, spelt as ``location.pathname`` is."""
        body = json.dumps({"path": quote(prefix + path)}).encode()
        return self.fetch(
            "POST", f"{prefix}/wsguard/preauth", body, {"Content-Type": "application/json"}
        )

    def preauth(self, path: str = "/echo", prefix: str = "") -> Grant:
        """Ask preauth, and return what it gave."""
        answer = self.ask(path, prefix)
        assert answer.status == 200, answer.body
        token = answer.json["token"]
        cookie = f"wsguard-{token.split('.')[1]}"
        return Grant(token, cookie, self.jar[cookie])

    def attempt(self, path: str = "/echo", grant: Grant | None = None) -> Attempt:
        """Return the handshake that this browser would send."""
        cookies = [(name.encode(), value.encode()) for name, value in self.jar.items()]
        query = grant.query if grant else b""
        return Attempt(self.port, quote(path).encode(), query, cookies)

    def send(self, attempt: Attempt) -> Wire:
        """Send a handshake on a connection of its own."""
        wire = self.wire()
        wire.send(attempt.bytes())
        return wire

    def open(self, path: str = "/echo", grant: Grant | None = None, prefix: str = "") -> Wire:
        """Connect as the client does: preauth unless a grant is given, then the handshake."""
        wire = self.send(self.attempt(prefix + path, grant or self.preauth(path, prefix)))
        answer = wire.answer()
        assert answer.status == 101, answer
        assert answer.get("Sec-WebSocket-Accept") == ACCEPT
        return wire

    def keep(self, answer: Answer) -> None:
        """Keep, replace and expire cookies as an answer says."""
        for line in answer.all("Set-Cookie"):
            pair, *attributes = line.split(";")
            name, _, value = pair.strip().partition("=")
            self._jar[name] = (value, _until(attributes))


def _until(attributes: list[str]) -> float:
    """Return until when a cookie lives; Max-Age wins over Expires (RFC 6265 section 5.3)."""
    found = {}
    for attribute in attributes:
        name, _, value = attribute.strip().partition("=")
        found[name.lower()] = value
    if "max-age" in found:
        return time.time() + int(found["max-age"]) if int(found["max-age"]) > 0 else 0
    if "expires" in found:
        return parsedate_to_datetime(found["expires"]).timestamp()
    return float("inf")


@contextmanager
def browsers(port: int) -> Iterator[Any]:
    """Give a maker of browsers, and close all that it made."""
    made: list[Browser] = []

    def make() -> Browser:
        made.append(Browser(port))
        return made[-1]

    try:
        yield make
    finally:
        for browser in made:
            browser.close()
