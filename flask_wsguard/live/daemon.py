"""A thread that each process has once, from its first need on."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress

from ..locks import Lock

_log = logging.getLogger("flask_wsguard")


def log_fault(what: str) -> None:
    """Log the exception at hand, for a thread that must outlive it.

    A handler that sends lines over the network raises just when the network, and with it the
    store, has gone.
    """
    with suppress(Exception):
        _log.exception(what)


class Daemon:
    """Starts a thread once per process, however many ask for it at once.

    ``event`` is this process's, for the thread and those who wait for it or wake it: a forked
    child may have got the parent's in somebody's hands.
    """

    __slots__ = ("_lock", "_name", "_pid", "event")

    def __init__(self, name: str) -> None:
        """Start nothing yet: a process that forks must start its own."""
        self.event = threading.Event()
        self._name = name
        self._pid = 0
        self._lock = Lock()

    @property
    def runs(self) -> bool:
        """Tell whether this process has its thread."""
        return self._pid == os.getpid()

    def start(self, run: Callable[[], object]) -> None:
        """Let the thread do ``run``, unless it does already. It keeps no process from exiting.

        Raises RuntimeError where the system has no thread to give; the next call tries again.
        """
        with self._lock:
            if self.runs:
                return
            self.event = threading.Event()
            self._pid = os.getpid()
        # Not under the lock: under gevent the start of a thread lets other greenlets run.
        try:
            threading.Thread(target=run, name=self._name, daemon=True).start()
        except BaseException:
            self._pid = 0
            raise
