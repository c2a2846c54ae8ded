"""Locks that a forked process finds open, whoever held them in its parent."""

from __future__ import annotations

import os
import threading
import weakref


class Lock:
    """A lock for a few lines that never wait.

    A process that forks while another of its threads holds one leaves it locked for ever in the
    child, and a job that only wanted to call ``guard.disconnect`` hangs.

    Nor may anything below it let another greenlet run: what was made before gunicorn patched the
    standard library, a preloaded app, holds a lock that stops every greenlet of the worker.
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        """Start open."""
        self.renew()
        _LOCKS.add(self)

    def renew(self) -> None:
        """Open it, whoever holds it: for a process in which nobody of those lives."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *fault: object) -> None:
        self._lock.release()


_LOCKS: weakref.WeakSet[Lock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in _LOCKS:
        lock.renew()


os.register_at_fork(after_in_child=_renew_all)
