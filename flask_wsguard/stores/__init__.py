"""What several processes share: spending a token once, and passing notices on."""

from __future__ import annotations

from typing import Protocol

MOST_AT_ONCE = 1000
"""Notices that one call returns: a catch-up after a long night is read in several."""


MEANWHILE = (
    "meanwhile a logout or a disconnect reaches the sockets of its own process only, and "
    "single use refuses"
)
"""What it means that a store does not answer: the rest goes on."""


class StoreUnavailable(Exception):
    """The store does not answer, or may not be written."""


class Store(Protocol):
    """One protocol, three stores, one contract test. Every method may raise StoreUnavailable.

    Nothing waits longer than two seconds, but ``notices`` for as long more as it is told.
    """

    is_shared: bool
    """Whether other processes see what is written here."""

    spans_machines: bool
    """Whether those processes may go by another clock."""

    def spend(self, token_id: str, seconds: int) -> bool:
        """Remember a token for ``seconds``; True exactly once."""

    def publish(self, notice: str) -> None:
        """Pass a notice on to every process, those that start within its time included."""

    def notices(self, wait: float) -> list[str]:
        """Return the notices that came since the last call, at first those that are kept.

        ``MOST_AT_ONCE`` of them at the most; none when none is left, after a wait of up to
        ``wait`` seconds for the next. One thread per process calls it.
        """
