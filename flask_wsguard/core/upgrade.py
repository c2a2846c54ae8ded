"""What a well-formed WebSocket upgrade is (RFC 6455 section 4.2.1, RFC 7692).

The WebSocket library parses the request only after our last word, and an exception there is a
500 and a traceback for whoever sends garbage. So everything on which it would raise ends here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==", re.ASCII)
_OFFER = re.compile(
    r"\s*permessage-deflate\s*(?:;\s*(?:(?:server|client)_no_context_takeover|"
    r"(?:server|client)_max_window_bits(?:\s*=\s*[0-9]{1,2})?)\s*)*",
    re.ASCII,
)
# What the library's HTTP parser takes for a header name, as WSGI spells it.
_NAME = r"HTTP_[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_NAMES = re.compile(rf"{_NAME}(?:\n{_NAME})*", re.ASCII)


class Upgrade(NamedTuple):
    """The request line and headers of an upgrade, as they came.

    ``length`` is what WSGI says of the body's, "" for nothing; ``names`` are those of all other
    headers as WSGI spells them, ``HTTP_`` in front, ``headers`` their values among any others.
    """

    method: str
    protocol: str
    length: str
    names: tuple[str, ...]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is no upgrade, and the status to answer with."""

    text: str
    status: int = 400


def fault_of(request: Upgrade) -> Fault | None:
    """Return the first fault of an upgrade request, None when it is well formed."""
    if request.method != "GET" or request.protocol != "HTTP/1.1":
        return Fault("an upgrade is a GET of HTTP/1.1")
    headers = request.headers
    header = headers.get
    if (
        request.length not in {"", "0"}
        or "HTTP_CONTENT_LENGTH" in headers
        or "HTTP_TRANSFER_ENCODING" in headers
    ):
        return Fault("an upgrade has no body")
    # IE 11 writes `Upgrade: Websocket`.
    if header("HTTP_UPGRADE", "").lower() != "websocket":
        return Fault("Upgrade is not websocket")
    if not _says_upgrade(connection := header("HTTP_CONNECTION", "")):
        return Fault("Connection does not say upgrade")
    if (version := header("HTTP_SEC_WEBSOCKET_VERSION")) != "13":
        return Fault("Sec-WebSocket-Version is not 13", 426 if version else 400)
    if not _KEY.fullmatch(header("HTTP_SEC_WEBSOCKET_KEY", "")):
        return Fault("Sec-WebSocket-Key is not 16 bytes in base64")
    if not _is_decodable(header("HTTP_HOST", "")):
        return Fault("Host is missing or not a host name")
    extensions = header("HTTP_SEC_WEBSOCKET_EXTENSIONS", "")
    if not f"{connection}{extensions}{header('HTTP_SEC_WEBSOCKET_PROTOCOL', '')}".isascii():
        return Fault("a header that must be ASCII is not")
    values = " ".join(map(headers.__getitem__, request.names))
    if not _are_names(request.names) or _holds_forbidden(values):
        return Fault("a header has a name or a byte that HTTP forbids")
    if not _are_sound(extensions):
        return Fault("a permessage-deflate offer that RFC 7692 forbids")
    return None


# All browsers together write these few parts of a handshake in a few ways: each is read once.
# A flood of others pushes them out, and costs what it would without the memory.
_remembered = lru_cache(maxsize=64)


def _holds_forbidden(values: str) -> bool:
    # Five looks for one letter cost a twentieth of a search for any of the five.
    return (
        "\x00" in values or "\n" in values or "\r" in values or "\x0b" in values or "\x0c" in values
    )


@_remembered
def _says_upgrade(connection: str) -> bool:
    return "upgrade" in {part.strip(" \t").lower() for part in connection.split(",")}


@_remembered
def _are_names(names: tuple[str, ...]) -> bool:
    """Tell whether each name is what HTTP calls a token."""
    return _NAMES.fullmatch("\n".join(names)) is not None


@_remembered
def _is_decodable(host: str) -> bool:
    if not host or not host.isascii():
        return False
    if "xn--" not in host.lower():
        return True
    try:
        host.encode("ascii").decode("idna")
    except UnicodeError:
        return False
    return True


@_remembered
def _are_sound(extensions: str) -> bool:
    """Tell whether every permessage-deflate offer parses; other extensions are ignored."""
    return all(
        _OFFER.fullmatch(offer)
        for offer in extensions.split(",")
        if offer.strip().lower().startswith("permessage-deflate")
    )
