"""A graceful restart: in gunicorn.conf.py, ``from flask_wsguard.ops.gunicorn import *``.

Or call :func:`post_worker_init` in a hook of your own. An extension cannot do this by itself: it
does not know its worker.
"""

from __future__ import annotations

from typing import Any

from .. import servers
from ..live.sockets import drain_all
from ..live.timer import TIMER, Ticker

__all__ = ["post_worker_init"]

_watches: list[Ticker] = []


def post_worker_init(worker: Any) -> None:
    """Close the worker's sockets with 1012, spread out, when gunicorn lets it go.

    Clients come back one by one, with jitter, instead of as a herd when the worker is killed.
    """
    servers.threads_of_worker = worker.cfg.threads
    # The timer holds nobody whom it calls.
    _watches.append(_Watch(worker))
    TIMER.watch(_watches[-1])


class _Watch(Ticker):
    """Looks every second whether the worker shall go on.

    Signals would tell sooner, and would not tell of ``max_requests``.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._drains = False

    def tick(self, now: float) -> bool:
        """Drain once, when gunicorn's own flag has fallen."""
        if not (self._worker.alive or self._drains):
            self._drains = True
            drain_all()
        return False
