"""Handshakes and preauths byte for byte: what a WebSocket library would mend, this sends."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
from base64 import b64encode
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie

from ..core.carriers import SUBPROTOCOL, offering

TIMEOUT = 10.0
"""Seconds to wait for each answer."""


class NoAnswer(Exception):
    """The site answered nothing that tells anything. ``status`` is 0 where it was not HTTP."""

    status = 0


@dataclass(frozen=True, slots=True)
class Target:
    """A socket's address: scheme http or https, host, port, the path with its prefix, the query."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @property
    def netloc(self) -> str:
        """Return the Host header, the default port left out."""
        standard = {"http": 80, "https": 443}[self.scheme]
        return self.host if self.port == standard else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Return the origin of the site's own pages."""
        return f"{self.scheme}://{self.netloc}"

    def at(self, path: str) -> Target:
        """Return another socket of the same site; the query is the first one's alone."""
        return replace(self, path=path, query="")

    def connect(self) -> socket.socket:
        """Open a connection, with TLS where the address says so."""
        raw = socket.create_connection((self.host.strip("[]"), self.port), TIMEOUT)
        if self.scheme == "http":
            return raw
        return ssl.create_default_context().wrap_socket(raw, server_hostname=self.host.strip("[]"))


@dataclass(frozen=True, slots=True)
class Handshake:
    """One upgrade to send. ``origins``: a header each; ``cookies`` a Cookie header.

    The tokens travel in ``carrier``: the query, under the name ``param``, or the subprotocols.
    """

    target: Target
    origins: tuple[str, ...]
    tokens: tuple[str, ...]
    param: str
    carrier: str
    cookies: str
    headers: tuple[tuple[str, str], ...] = ()

    def at(self, path: str) -> Handshake:
        """Return the same handshake at another path."""
        return replace(self, target=self.target.at(path))

    def bytes(self) -> bytes:
        """Return the request."""
        offer, query = "", self._own_query()
        if self.tokens and self.carrier == SUBPROTOCOL:
            offer = ", ".join(offering((), *self.tokens))
        elif self.tokens:
            query += [f"{self.param}={token}" for token in self.tokens]
        lines = [
            f"GET {self.target.path}{'?' if query else ''}{'&'.join(query)} HTTP/1.1",
            f"Host: {self.target.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {b64encode(secrets.token_bytes(16)).decode()}",
            *(f"Origin: {origin}" for origin in self.origins),
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        named = {"Cookie": self.cookies, "Sec-WebSocket-Protocol": offer}
        lines += [f"{name}: {value}" for name, value in named.items() if value]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _own_query(self) -> list[str]:
        """Return the parameters of the URL, without the spent token of one that was copied."""
        given = self.target.query.split("&")
        return [one for one in given if one and one.partition("=")[0] != self.param]


def knock(handshake: Handshake) -> int:
    """Send a handshake and return the status of the answer; the socket is not kept."""
    try:
        with handshake.target.connect() as wire:
            wire.sendall(handshake.bytes())
            with wire.makefile("rb") as answer:
                words = answer.readline(1024).split()
        return int(words[1])
    except (OSError, IndexError, ValueError) as fault:
        raise NoAnswer(f"{handshake.target.origin}: {fault or 'no HTTP'}") from None


@dataclass(frozen=True, slots=True)
class Preauth:
    """What preauth answered. ``token`` is empty where none was given, ``cookies`` what it set.

    ``retry_after`` is the seconds of a 429 or 503, None where it names none.
    """

    status: int
    token: str = ""
    param: str = ""
    cookies: tuple[str, ...] = ()
    reason: str = ""
    retry_after: int | None = None

    @property
    def is_public(self) -> bool:
        """Tell whether preauth says yes and gives no token: a public route needs none."""
        return self.status == 200 and not self.token


def preauth(
    target: Target,
    prefix: str,
    cookies: str,
    *,
    origin: str | None,
    content_type: str,
) -> Preauth:
    """Ask for a token for the target's path, as a page of ``origin`` would."""
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    headers = {"Content-Type": content_type, "Cookie": cookies}
    if origin is not None:
        headers["Origin"] = origin
    wire = kind(target.host.strip("[]"), target.port, timeout=TIMEOUT)
    try:
        wire.request("POST", f"{prefix}/preauth", json.dumps({"path": target.path}), headers)
        answer = wire.getresponse()
        return _read(answer, answer.read(65536))
    # ValueError: what http.client cannot spell.
    except (OSError, ValueError, http.client.HTTPException) as fault:
        raise NoAnswer(f"{target.origin}: {fault}") from None
    finally:
        wire.close()


def _read(answer: http.client.HTTPResponse, body: bytes) -> Preauth:
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {}
    set_now = [_pair(line) for line in answer.headers.get_all("Set-Cookie") or []]
    return Preauth(
        answer.status,
        str(fields.get("token") or ""),
        str(fields.get("param") or ""),
        tuple(pair for pair in set_now if pair),
        str(fields.get("reason") or ""),
        _retry_after(answer),
    )


def _retry_after(answer: http.client.HTTPResponse) -> int | None:
    value = answer.headers.get("Retry-After", "")
    if answer.status not in {429, 503} or not (value.isascii() and value.isdecimal()):
        return None
    return int(value[:10])


def _pair(line: str) -> str:
    """Return name=value of a cookie that is set, empty for one that is expired."""
    try:
        cookie = next(iter(SimpleCookie(line).values()))
    except (CookieError, StopIteration):
        return ""
    return "" if cookie["max-age"] == "0" else line.partition(";")[0].strip()
