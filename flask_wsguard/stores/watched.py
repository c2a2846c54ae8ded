"""A store and whether it answers: one log line at each change, and nobody waits in a queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

from ..core.tickets import new_id
from ..locks import Lock
from . import MEANWHILE, Store, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger("flask_wsguard")

_PAUSE_SECONDS = 1.0


class WatchedStore:
    """Asks a store that failed at most once a second; meanwhile everybody is told at once."""

    def __init__(self, store: Store) -> None:
        """Take the store for good until it fails."""
        self._store = store
        self._lock = Lock()
        self._ask_again_at = 0.0
        self.is_up = True

    @property
    def is_shared(self) -> bool:
        """Tell whether other processes see what is written here."""
        return self._store.is_shared

    def spend(self, token_id: str, seconds: int) -> bool:
        """Remember a token for ``seconds``; True exactly once. Raises StoreUnavailable."""
        return self._ask(self._store.spend, token_id, seconds)

    def publish(self, notice: str) -> bool:
        """Pass a notice on; False when the store does not take it."""
        try:
            self._ask(self._store.publish, notice)
        except StoreUnavailable:
            return False
        return True

    def notices(self, wait: float) -> list[str] | None:
        """Return the new notices, None when the store does not answer."""
        try:
            texts = self._store.notices(wait)
        except StoreUnavailable as fault:
            self._went_down(fault)
            return None
        if not self.is_up:
            self._probe()
        return texts

    def _probe(self) -> None:
        """Write something: a full disk and a read-only replica still answer questions.

        And nobody else would, as long as preauth refuses.
        """
        with suppress(StoreUnavailable):
            self.spend(new_id(), 1)

    def _ask(self, command: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._may_ask()
        try:
            answer = command(*args, **kwargs)
        except StoreUnavailable as fault:
            self._went_down(fault)
            raise
        self._came_up()
        return answer

    def _may_ask(self) -> None:
        with self._lock:
            now = time.monotonic()
            if not self.is_up and now < self._ask_again_at:
                raise StoreUnavailable("it did not answer a moment ago")
            if not self.is_up:
                self._ask_again_at = now + _PAUSE_SECONDS

    def _went_down(self, fault: StoreUnavailable) -> None:
        with self._lock:
            was_up, self.is_up = self.is_up, False
            self._ask_again_at = time.monotonic() + _PAUSE_SECONDS
        if was_up:
            _log.error("the store does not answer (%s): %s", str(fault), MEANWHILE)

    def _came_up(self) -> None:
        with self._lock:
            was_up, self.is_up = self.is_up, True
        if not was_up:
            _log.warning("the store answers again")
