"""Login sessions that ended: this process's own record, asked at every preauth and handshake.

A browser holds its old, validly signed session cookie until the logout's answer arrives, and
Flask's cookie sessions cannot be revoked. The record closes that window.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from .locks import Lock


class EndedSessions:
    """The nonces of ended sessions, as SHA-256, each kept as long as a socket may live.

    By a clock that nobody can set: one put right would forget them all, or keep them for days.
    """

    __slots__ = ("_clock", "_kept", "_lock", "_until")

    def __init__(self, kept_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with none; remember each for ``kept_seconds`` of ``clock``."""
        self._kept = kept_seconds
        self._clock = clock
        self._lock = Lock()
        self._until: OrderedDict[str, float] = OrderedDict()

    def add(self, digest: str) -> None:
        """Record an end; ``digest`` is of the session's nonce."""
        now = self._clock()
        with self._lock:
            self._until[digest] = now + self._kept
            # All are kept equally long, so the first in is the first to lapse. One that is added
            # again would stay in front, and let nothing behind it go.
            self._until.move_to_end(digest)
            while self._until and next(iter(self._until.values())) <= now:
                self._until.popitem(last=False)

    def holds(self, nonce: str | None) -> bool:
        """Tell whether the session with this nonce has ended."""
        if nonce is None or not self._until:
            return False
        return self._until.get(digest_of(nonce), 0.0) > self._clock()


def digest_of(nonce: str) -> str:
    """Return what records and notices hold of a session's nonce: its SHA-256, in hex."""
    return hashlib.sha256(nonce.encode("utf-8", "surrogatepass")).hexdigest()
