"""A fuzzed input becomes a request, as a server that refuses the worst would hand it on.

The first line picks the scene, a letter each; the rest is an HTTP request that a human can read:
lines end with LF, and ``{t0}`` stands for the token of the first grant (see scene.py).
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

_NAME = re.compile(rb"[-!#$%&'*+.^`|~0-9A-Za-z]+")


@dataclass(frozen=True)
class Request:
    """One HTTP request. ``headers`` are name in lower case and value, as they came."""

    method: str
    path: bytes
    query: bytes
    protocol: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def all(self, name: bytes) -> list[bytes]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key == name]

    def joined(self, name: bytes) -> bytes | None:
        """Return a header as WSGI hands it over: a repeated one is joined by commas."""
        values = self.all(name)
        return b",".join(values) if values else None

    def environ(self, scheme: str) -> dict[str, Any]:
        """Return the WSGI environ of this request."""
        length = self.joined(b"content-length")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(self.path).decode("latin-1"),
            "QUERY_STRING": self.query.decode("latin-1"),
            "SERVER_PROTOCOL": self.protocol,
            "SERVER_NAME": "fuzz",
            "SERVER_PORT": "443",
            "SERVER_SOFTWARE": "fuzz",
            "REMOTE_ADDR": "192.0.2.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": scheme,
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if length is not None:
            environ["CONTENT_LENGTH"] = length.decode("latin-1")
        for name, _ in self.headers:
            key = name.decode("latin-1").upper().replace("-", "_")
            text = (self.joined(name) or b"").decode("latin-1")
            if name == b"content-type":
                environ["CONTENT_TYPE"] = text
            elif name != b"content-length":
                environ[f"HTTP_{key}"] = text
        return environ


def read_request(text: bytes) -> Request | None:
    """Read a request; None for what every server answers itself, with a 400."""
    top, _, body = text.partition(b"\n\n")
    first, *lines = top.split(b"\n")
    words = first.split(b" ")
    if len(words) != 3 or not words[1].startswith(b"/") or not _NAME.fullmatch(words[0]):
        return None
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            return None
        headers.append((name.lower(), value.strip(b" \t")))
    path, _, query = words[1].partition(b"?")
    method, protocol = words[0].decode("latin-1"), words[2].decode("latin-1")
    request = Request(method, path, query, protocol, tuple(headers), body)
    return _with_its_body(request)


def _with_its_body(request: Request) -> Request | None:
    """Cut the body to its length; None where the server cannot know where it ends."""
    length = request.joined(b"content-length")
    if length is None:
        size = 0
    elif not re.fullmatch(rb"[0-9]{1,9}", length) or int(length) > len(request.body):
        return None
    else:
        size = int(length)
    cut = request.body[:size]
    return Request(
        request.method, request.path, request.query, request.protocol, request.headers, cut
    )
