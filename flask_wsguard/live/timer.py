"""The one timer thread of a process: deadlines, and cutting peers that do not answer a close.

Nothing on it may wait: a peer that stops reading would switch everybody's logout off.
"""

from __future__ import annotations

import time
import weakref

from ..locks import Lock
from .daemon import Daemon, log_fault

_IDLE_SECONDS = 1.0
_BUSY_SECONDS = 0.1


class Timer:
    """Calls each tick about once a second, ten times where one is busy. Starts lazily."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._ticks: weakref.WeakSet[Ticker] = weakref.WeakSet()
        self._lock = Lock()
        self._daemon = Daemon("wsguard-timer")

    @property
    def runs(self) -> bool:
        """Tell whether this process has its thread, which a fork leaves behind."""
        return self._daemon.runs

    def watch(self, ticker: Ticker) -> None:
        """Call this ticker from now on, as long as somebody else holds it, and soon."""
        with self._lock:
            self._ticks.add(ticker)
        self._daemon.start(self._run)
        self._daemon.event.set()

    def tickers(self) -> list[Ticker]:
        """Return what is being called and still alive."""
        with self._lock:
            return list(self._ticks)

    def _run(self) -> None:
        wake = self._daemon.event
        busy = True
        while True:
            wake.wait(_BUSY_SECONDS if busy else _IDLE_SECONDS)
            wake.clear()
            # No variable: it would keep the last ticker, and its app, alive.
            busy = any([self._tick(ticker) for ticker in self.tickers()])

    def _tick(self, ticker: Ticker) -> bool:
        try:
            return ticker.tick(time.monotonic())
        except Exception:
            log_fault("the timer survived a fault")
            return False


class Ticker:
    """Something that wants to be called about once a second."""

    def tick(self, now: float) -> bool:
        """Do what is due at monotonic time ``now``, without waiting; True to come back soon."""
        raise NotImplementedError


TIMER = Timer()
