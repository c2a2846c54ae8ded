"""Login sessions that ended: this process's own record, asked at every preauth and handshake.

A browser holds its old, validly signed session cookie until the logout's answer arrives, and
Flask's cookie sessions cannot be revoked. The record closes that window.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

KEPT_SECONDS = 3600.0
"""How long an end is remembered."""


class EndedSessions:
    """The nonces of ended sessions, as SHA-256, each kept for KEPT_SECONDS."""

    __slots__ = ("_lock", "_until")

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def add(self, nonce: str, now: float) -> None:
        """Record the end of the session with this nonce at ``now``, seconds of any one clock."""
        with self._lock:
            self._until[_digest(nonce)] = now + KEPT_SECONDS
            # All are kept equally long, so the first in is the first to lapse.
            while self._until and next(iter(self._until.values())) <= now:
                self._until.popitem(last=False)

    def holds(self, nonce: str | None, now: float) -> bool:
        """Tell whether the session with this nonce has ended."""
        if nonce is None or not self._until:
            return False
        return self._until.get(_digest(nonce), now) > now


def _digest(nonce: str) -> bytes:
    return hashlib.sha256(nonce.encode("utf-8", "surrogatepass")).digest()
