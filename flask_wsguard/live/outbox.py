"""Notices that the store did not take, kept until it does."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from ..locks import Lock

_log = logging.getLogger("flask_wsguard")

MOST_WAITING = 1000
"""Notices of up to 2 KiB each: what an outage may cost a process in memory."""


class Outbox:
    """First in, first out; beyond ``most`` the oldest are lost, and that is said."""

    __slots__ = ("_kept", "_lock", "_lost", "_most", "_waiting")

    def __init__(self, kept_seconds: float, most: int = MOST_WAITING) -> None:
        """Keep each notice for ``kept_seconds``: the sockets it speaks of have ended by then."""
        self._kept = kept_seconds
        self._most = most
        self._lock = Lock()
        self._waiting: deque[tuple[float, str]] = deque()
        self._lost = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def put(self, text: str) -> None:
        """Keep a signed notice; never waits for the store."""
        with self._lock:
            self._waiting.append((time.monotonic() + self._kept, text))
            number = len(self._waiting)
            if number > self._most:
                self._waiting.popleft()
                self._lost += 1
            lost = self._lost
        if number == 1:
            _log.error(
                "other processes were not told of a disconnect or logout: they will be, when the "
                "store answers"
            )
        elif number > self._most and lost == 1:
            _log.critical(
                "more than %d notices wait for the store: the oldest are lost, and other "
                "processes keep sockets that should be closed",
                self._most,
            )

    def send(self, publish: Callable[[str], bool]) -> None:
        """Publish what waits until something is not taken. One thread at a time calls it."""
        told = 0
        while first := self._first():
            if not publish(first[1]):
                return
            told += 1
            self._drop(first)
        if told:
            with self._lock:
                lost, self._lost = self._lost, 0
            _log.warning(
                "the store took %d notices that had waited for it; %d were lost", told, lost
            )

    def _first(self) -> tuple[float, str] | None:
        with self._lock:
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                self._waiting.popleft()
            return self._waiting[0] if self._waiting else None

    def _drop(self, sent: tuple[float, str]) -> None:
        with self._lock:
            # An overflow may have dropped it meanwhile.
            if self._waiting and self._waiting[0] is sent:
                self._waiting.popleft()
