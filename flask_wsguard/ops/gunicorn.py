"""A graceful restart: in gunicorn.conf.py, ``from flask_wsguard.ops.gunicorn import *``.

Or call :func:`post_worker_init` in a hook of your own. An extension cannot do this by itself:
signal handlers are installed on the main thread only.
"""

from __future__ import annotations

import _thread
import signal
from types import FrameType
from typing import Any

from ..live.sockets import drain_all

__all__ = ["post_worker_init"]


def post_worker_init(worker: Any) -> None:
    """Close the worker's sockets with 1012, spread out, when gunicorn tells it to go.

    Clients come back one by one, with jitter, instead of as a herd when the worker is killed.
    SIGHUP reaches workers as SIGTERM.
    """
    previous = signal.getsignal(signal.SIGTERM)

    def drain_then_exit(number: int, frame: FrameType | None) -> None:
        # A thread, because the handler may have interrupted whoever holds the registry's lock;
        # a bare one, because Thread.start waits, which gevent forbids in a signal handler.
        _thread.start_new_thread(drain_all, ())
        if callable(previous):
            previous(number, frame)

    signal.signal(signal.SIGTERM, drain_then_exit)
