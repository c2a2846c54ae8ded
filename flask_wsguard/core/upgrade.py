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

    ``length`` is what WSGI says of the body's, "" for nothing; ``headers`` are all others, their
    names as WSGI spells them, ``HTTP_`` in front. What else stands among them is overlooked.
    """

    method: str
    protocol: str
    length: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is no upgrade, and the status to answer with."""

    text: str
    status: int = 400


_NOT_ASCII = Fault("a header that must be ASCII is not")
_FORBIDDEN = Fault("a header has a name or a byte that HTTP forbids")
_LONGEST_KEPT = 4096
"""Letters of what one request may leave in a memory: a stranger chooses them."""

_OF_A_BODY = ("HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")


class _Form(NamedTuple):
    """What a form of request is found to be: its first fault, else the names of its headers."""

    fault: Fault | None
    names: tuple[str, ...] = ()


def fault_of(request: Upgrade) -> Fault | None:
    """Return the first fault of an upgrade request, None when it is well formed."""
    headers = request.headers
    header = headers.get
    parts = (
        request.method,
        request.protocol,
        request.length,
        header("HTTP_UPGRADE", ""),
        header("HTTP_CONNECTION", ""),
        header("HTTP_SEC_WEBSOCKET_VERSION", ""),
        header("HTTP_HOST", ""),
        header("HTTP_SEC_WEBSOCKET_EXTENSIONS", ""),
        *headers,
    )
    is_short = len("".join(parts)) <= _LONGEST_KEPT
    fault, names = _form_of(*parts) if is_short else _form_of.__wrapped__(*parts)
    if fault:
        return fault
    if not _KEY.fullmatch(header("HTTP_SEC_WEBSOCKET_KEY", "")):
        return Fault("Sec-WebSocket-Key is not 16 bytes in base64")
    if not header("HTTP_SEC_WEBSOCKET_PROTOCOL", "").isascii():
        return _NOT_ASCII
    if _holds_forbidden(" ".join(map(headers.__getitem__, names))):
        return _FORBIDDEN
    return None


# What a browser and a proxy write into every handshake alike is looked through once. A flood of
# other forms pushes them out, and costs what it would without the memory; strangers' long ones are
# not kept.
@lru_cache(maxsize=64)
def _form_of(
    method: str,
    protocol: str,
    length: str,
    upgrade: str,
    connection: str,
    version: str,
    host: str,
    extensions: str,
    *keys: str,
) -> _Form:
    names = tuple([key for key in keys if key.startswith("HTTP_")])
    if method != "GET" or protocol != "HTTP/1.1":
        return _Form(Fault("an upgrade is a GET of HTTP/1.1"))
    if length not in {"", "0"} or not {*names}.isdisjoint(_OF_A_BODY):
        return _Form(Fault("an upgrade has no body"))
    # IE 11 writes `Upgrade: Websocket`.
    if upgrade.lower() != "websocket":
        return _Form(Fault("Upgrade is not websocket"))
    if not _says_upgrade(connection):
        return _Form(Fault("Connection does not say upgrade"))
    if version != "13":
        return _Form(Fault("Sec-WebSocket-Version is not 13", 426 if version else 400))
    if not _is_decodable(host):
        return _Form(Fault("Host is missing or not a host name"))
    if not f"{connection}{extensions}".isascii():
        return _Form(_NOT_ASCII)
    if not _NAMES.fullmatch("\n".join(names)):
        return _Form(_FORBIDDEN)
    if not _are_sound(extensions):
        return _Form(Fault("a permessage-deflate offer that RFC 7692 forbids"))
    return _Form(None, names)


def _holds_forbidden(values: str) -> bool:
    # Five looks for one letter cost a twentieth of a search for any of the five.
    return (
        "\x00" in values or "\n" in values or "\r" in values or "\x0b" in values or "\x0c" in values
    )


def _says_upgrade(connection: str) -> bool:
    return "upgrade" in {part.strip(" \t").lower() for part in connection.split(",")}


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


def _are_sound(extensions: str) -> bool:
    """Tell whether every permessage-deflate offer parses; other extensions are ignored."""
    return all(
        _OFFER.fullmatch(offer)
        for offer in extensions.split(",")
        if offer.strip().lower().startswith("permessage-deflate")
    )
