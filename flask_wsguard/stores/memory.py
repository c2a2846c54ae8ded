"""The store of one process: nothing to run, nothing shared."""

from __future__ import annotations

import time
from collections import OrderedDict

from ..locks import Lock


class MemoryStore:
    """Spends tokens for this process alone; passes nothing on."""

    is_shared = False
    spans_machines = False

    def __init__(self) -> None:
        """Start with nothing spent."""
        self._lock = Lock()
        self._spent: OrderedDict[str, float] = OrderedDict()

    def spend(self, token_id: str, seconds: int) -> bool:
        """Remember a token for ``seconds``; True exactly once."""
        now = time.monotonic()
        with self._lock:
            while self._spent and next(iter(self._spent.values())) <= now:
                self._spent.popitem(last=False)
            if self._spent.get(token_id, now) > now:
                return False
            self._spent[token_id] = now + seconds
            self._spent.move_to_end(token_id)
        return True

    def publish(self, notice: str) -> None:
        """Do nothing: whoever calls has acted on it already."""

    def notices(self, wait: float) -> list[str]:
        """Return nothing."""
        return []
