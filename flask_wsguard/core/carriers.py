"""How a token travels: in the query, or as a subprotocol where no secret may stand in a URL.

A page can set no header on a handshake, but it can name subprotocols, which no access log, no
history and no Referer holds (OWASP ASVS 5.0, 14.2.1). The page offers ``wsguard.token.<token>``
beside its own protocols; no answer may choose that one.
"""

from __future__ import annotations

from collections.abc import Iterable

QUERY, SUBPROTOCOL = CARRIERS = ("query", "subprotocol")

OWN_PROTOCOL = "wsguard"
"""What a page offers that needs no protocol of its own: a browser that offered some, and is
answered with none of them, fails the connection."""

_PREFIX = "wsguard.token."


def tokens_offered(offer: str) -> tuple[str, ...]:
    """Return every token in a ``Sec-WebSocket-Protocol`` value.

    One that stands beside a byte which is white space to the library alone keeps that byte, and
    is nobody's token: a token has one spelling.
    """
    if _PREFIX not in offer:
        return ()
    return tuple(
        part.strip(" \t").removeprefix(_PREFIX)
        for part in offer.split(",")
        if part.strip().startswith(_PREFIX)
    )


def offering(own: Iterable[str], *tokens: str) -> list[str]:
    """Return the subprotocols of a client: its own, or ours where it has none, then the tokens."""
    return [*(list(own) or [OWN_PROTOCOL]), *(f"{_PREFIX}{token}" for token in tokens)]


def without_tokens(offer: str) -> str:
    """Return a ``Sec-WebSocket-Protocol`` value without its tokens; empty when nothing is left."""
    if _PREFIX not in offer:
        return offer
    return ", ".join(name for name in _names(offer) if not name.startswith(_PREFIX))


def _names(offer: str) -> list[str]:
    # As the library below takes it apart: what it would call a name is one here too.
    return [name.strip() for name in offer.split(",")]
