"""Origins: parse, canonicalise, match. Nothing that a browser would not send is an origin.

Format: RFC 6454 section 6.2 and the WHATWG URL standard's host serialisation.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

DEFAULT_PORTS = {"http": 80, "https": 443}

# fullmatch only: `re.match` without an end let `example.com.evil` in (Jupyter CVE-2026-40110).
# No userinfo, path or foreign byte can match (Spring CVE-2024-22243, Vite CVE-2026-14631).
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/@?#\\\s]+)", re.ASCII | re.IGNORECASE)
_AUTHORITY = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?",
    re.ASCII,
)
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
_LONGEST_HOST = 254
_LONGEST_ORIGIN = len("https://") + _LONGEST_HOST + len(":65535")


class Origin(NamedTuple):
    """Scheme, host (lower case, IPv6 compressed in brackets) and port, always explicit."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin | None:
        """Read a serialised origin; None for ``null`` and for all that is not exactly one."""
        return _parse(text) if len(text) <= _LONGEST_ORIGIN else None

    @classmethod
    def of_request(cls, scheme: str, authority: str) -> Origin | None:
        """Build the origin of a request from its scheme and its ``Host`` value."""
        return _of_request(scheme, authority) if len(authority) <= _LONGEST_ORIGIN else None

    def __str__(self) -> str:
        """Return the serialisation that a browser sends: the default port left out."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def netloc(self) -> str:
        """Return host and port, the default port left out."""
        return self.host if self.port == DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether the host is this machine: ``localhost`` and below, 127/8, ``[::1]``."""
        host = self.host.removesuffix(".")
        if host == "localhost" or host.endswith(".localhost") or host == "[::1]":
            return True
        # Looked at first: of a name that is no address the other raises, which is dear.
        if not host.startswith("127."):
            return False
        try:
            return IPv4Address(host).is_loopback
        except AddressValueError:
            return False


# A site sees the same few origins all day: remembering them saves a tenth of a handshake's check.
# A flood of others pushes them out, and costs what it would without the memory.
@lru_cache(maxsize=256)
def _parse(text: str) -> Origin | None:
    found = _ORIGIN.fullmatch(text)
    return _of_request(found["scheme"].lower(), found["authority"]) if found else None


@lru_cache(maxsize=256)
def _of_request(scheme: str, authority: str) -> Origin | None:
    if scheme not in DEFAULT_PORTS or not (found := _AUTHORITY.fullmatch(authority)):
        return None
    port = int(found["port"] or DEFAULT_PORTS[scheme])
    host = _canonical_host(found["host"])
    return Origin(scheme, host, port) if host and port <= 65535 else None


def _canonical_host(host: str) -> str | None:
    """Lower and compress a host that has the right letters; None where no browser has it."""
    if len(host) > _LONGEST_HOST:
        return None
    if host[0] == "[":
        try:
            return f"[{IPv6Address(host[1:-1]).compressed}]"
        except AddressValueError:
            return None
    host = host.lower()
    labels = host.removesuffix(".").split(".")
    if any(len(label) > 63 for label in labels):
        return None
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        # `127.1` and `0x7f.1` are addresses to a browser, which never sends them spelt so.
        try:
            return str(IPv4Address(host))
        except AddressValueError:
            return None
    return host


class OriginPolicy:
    """The allowed origins. Matching costs the same for one entry and for ten thousand.

    An entry is ``"self"``, an exact http(s) origin, or ``scheme://*.domain[:port]``, which
    matches one or more labels and never the apex.
    """

    __slots__ = ("_allows_self", "_exact", "_wildcards")

    def __init__(self, entries: tuple[str, ...]) -> None:
        """Take entries of the settings' grammar. Raises ValueError that names the first fault."""
        self._allows_self = "self" in entries
        self._exact: dict[Origin, str] = {}
        self._wildcards: dict[Origin, str] = {}
        for entry in entries:
            if entry != "self":
                origin, wildcard = parse_entry(entry)
                (self._wildcards if wildcard else self._exact)[origin] = entry

    @property
    def allows_self(self) -> bool:
        """Tell whether the request's own origin is allowed."""
        return self._allows_self

    def rule_for(self, origin: Origin, own: Origin | None) -> str | None:
        """Return the entry that allows this origin, None if there is none.

        ``own`` is the origin of the request itself, which ``"self"`` stands for.
        """
        if self._allows_self and origin == own:
            return "self"
        return self.listed(origin)

    def listed(self, origin: Origin) -> str | None:
        """Return the exact or wildcard entry that names this origin, None if there is none."""
        if rule := self._exact.get(origin):
            return rule
        if self._wildcards:
            # Label by label: a string suffix made `*.x` match `evilx` (Phoenix CVE-2022-42975).
            host = origin.host
            while "." in host:
                host = host.split(".", 1)[1]
                if rule := self._wildcards.get(Origin(origin.scheme, host, origin.port)):
                    return rule
        return None


def parse_entry(entry: str) -> tuple[Origin, bool]:
    """Read one entry of ``WSGUARD_ALLOWED_ORIGINS`` that is not ``"self"``.

    Returns the origin and whether it stands for everything below it. Raises ValueError with a
    sentence that says how to write it instead.
    """
    if not entry.strip():
        raise ValueError("an entry is empty")
    if not entry.isascii():
        raise ValueError(f"{entry!r} is not ASCII: write the punycode form (xn--...)")
    if entry in {"*", "null"}:
        raise ValueError(f"{entry!r} would let any page in: list the origins one by one")
    scheme, separator, rest = entry.partition("://")
    if not separator:
        raise ValueError(f"{entry!r} has no scheme: write https://{entry}")
    if scheme.lower() not in DEFAULT_PORTS:
        raise ValueError(f"{entry!r}: an origin's scheme is http or https, also for wss sockets")
    wildcard = rest.startswith("*.")
    origin = Origin.parse(f"{scheme}://{rest.removeprefix('*.')}")
    if origin is None:
        raise ValueError(
            f"{entry!r} is not an origin: write scheme://host[:port], without path or slash"
        )
    if wildcard and (origin.host[0] == "[" or _NUMERIC_LABEL.fullmatch(origin.host.split(".")[-1])):
        raise ValueError(f"{entry!r}: an address has no subdomains")
    if wildcard and "." not in origin.host.strip(".") and origin.host != "localhost":
        raise ValueError(f"{entry!r} covers a whole top-level domain: name at least two labels")
    return origin, wildcard
