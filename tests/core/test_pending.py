"""How many tickets a browser may hold."""

from __future__ import annotations

import pytest

from flask_wsguard.core.pending import Held, surplus


def held(*ages: int, size: int = 300) -> list[Held]:
    return [Held(f"t{age}", size, 1000 - age) for age in ages]


ROWS: list[tuple[str, list[Held], int, list[str]]] = [
    ("none", [], 16, []),
    ("room-for-one", held(1), 2, []),
    ("oldest-goes", held(1, 2), 2, ["t2"]),
    ("oldest-goes-whatever-the-order", held(3, 1, 2), 3, ["t3"]),
    ("several-oldest-first", held(1, 2, 3, 4), 2, ["t4", "t3", "t2"]),
    ("most-of-one-keeps-the-new-one-alone", held(1, 2), 1, ["t2", "t1"]),
    ("bytes-reach", held(1, 2, 3, size=1198), 16, []),
    ("one-byte-over", held(1, 2, 3, size=1199), 16, ["t3"]),
    ("big-one-in-the-middle", [*held(1), *held(2, size=4000), *held(3)], 16, ["t3", "t2"]),
    ("same-second-in-cookie-order", [Held(n, 300, 7) for n in "abc"], 3, ["a"]),
]


@pytest.mark.parametrize(
    ("tickets", "most", "expired"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_oldest_beyond_the_limits_are_expired(
    tickets: list[Held], most: int, expired: list[str]
) -> None:
    """Number or bytes, whichever comes first; the one being minted always stays."""
    assert surplus(tickets, new_size=500, most=most) == expired
