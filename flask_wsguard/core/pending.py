"""How many unspent tickets a browser may hold: past some 50 the server answers 431 to all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_BYTES = 4096
"""Bytes that the tickets of one session may take together in the Cookie header."""


@dataclass(frozen=True, slots=True)
class Held:
    """An unexpired, verified ticket of the asking session: its cookie's name, size and time."""

    name: str
    size: int
    issued_at: int


def surplus(held: Iterable[Held], *, new_size: int, most: int) -> list[str]:
    """Return the names to expire, oldest first, so that one more of ``new_size`` bytes fits.

    Only tickets of the asking session may be passed: counting others would let a sibling that
    plants valid tickets of its own account push the victim's out.
    """
    kept, room, names = 1, MOST_BYTES - new_size, []
    # Tickets of one second stand in the order in which browsers send cookies: oldest first.
    for ticket in reversed(sorted(held, key=lambda ticket: ticket.issued_at)):
        kept += 1
        room -= ticket.size
        if kept > most or room < 0:
            names.append(ticket.name)
    return names[::-1]
