"""The tickets that a browser still holds, of which preauth keeps few and a logout none."""

from __future__ import annotations

from flask import request

from .core.case import cookie_pairs
from .core.source import Source
from .core.tickets import Ticket, read_ticket
from .state import State


def held_tickets(state: State, source: Source) -> list[tuple[str, str, Ticket]]:
    """Return name, text and content of every live ticket of this site that the browser holds."""
    if source.own is None:
        return []
    prefix, expected = state.expected.cookie_prefix(source.own), state.expected
    header: str = request.environ.get("HTTP_COOKIE", "")
    held = []
    for name, text in cookie_pairs(header) if prefix in header else ():
        if name.startswith(prefix) and expected.keys.verifies_ticket(text):
            ticket = read_ticket(text)
            # Under its own name only: another one is planted, and may be none that can be expired.
            if ticket and name == prefix + ticket.id and _is_live(state, ticket):
                held.append((name, text, ticket))
    return held


def _is_live(state: State, ticket: Ticket) -> bool:
    return state.now() < ticket.expires_at + state.expected.clock_skew
