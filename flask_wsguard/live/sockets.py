"""What the guard does with open sockets: admit, close, expire."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any, ClassVar

from .connection import Connection
from .registry import Registry, Selector
from .revalidation import Ask, Revalidation
from .timer import TIMER, Ticker

SIGN_IN_AGAIN = 4401
"""The close code after which the client asks preauth whether it may come back."""
RESTART = 1012
"""The close code of a server that goes away and comes back."""


# By then a gevent worker that was told to go accepts nobody any more.
_SENT_ON_SECONDS = 1.0


class Sockets(Ticker):
    """The open sockets of one app in this process."""

    is_leaving: ClassVar[bool] = False
    """Whether this process was told to go: who comes to it all the same is sent on soon."""

    def __init__(self, max_total: int | None, per_user: int, drain_seconds: float) -> None:
        """Start with none, under these caps; a restart's closes take ``drain_seconds``."""
        self.registry = Registry(max_total, per_user)
        self.drain_seconds = drain_seconds
        self.revalidation: Revalidation | None = None
        self.ever_held = False
        self._is_timed = False

    def take(self, connection: Connection) -> bool:
        """Take a slot for a connection before it is upgraded; False when the caps forbid it.

        Raises RuntimeError where the system has no thread left for the timer: what nothing can
        cut is not opened.
        """
        if not self.registry.take(connection):
            return False
        self._begin(connection)
        return True

    def hold(self, connection: Connection) -> None:
        """Hold a connection that observe-only mode lets in, whatever the caps say."""
        self.registry.add(connection)
        self._begin(connection)

    def _begin(self, connection: Connection) -> None:
        self.ever_held = True
        if Sockets.is_leaving:
            connection.drain_at = time.monotonic() + _SENT_ON_SECONDS
        if not (self._is_timed and TIMER.runs):
            try:
                TIMER.watch(self)
            except BaseException:
                self.registry.give_back(connection)
                raise
            self._is_timed = True

    def give_back(self, connection: Connection) -> None:
        """Forget a connection whose handler has ended."""
        self.registry.give_back(connection)

    def close(self, connections: Iterable[Connection], code: int, reason: str) -> int:
        """Close sockets, each once; return how many this call closed."""
        closed = sum([connection.close(code, reason) for connection in connections])
        if closed:
            # Once, not for each: the timer looks at all of them.
            TIMER.watch(self)
        return closed

    def revalidate(self, every: float, failures: int, ask: Ask) -> None:
        """Ask again every ``every`` seconds whether the users here may stay."""
        self.revalidation = Revalidation(
            every,
            failures,
            ask=ask,
            registry=self.registry,
            close=lambda connections, reason: self.close(connections, SIGN_IN_AGAIN, reason),
        )

    def drain(self, seconds: float | None = None) -> int:
        """Close all with 1012, evenly spread over ``seconds``; return how many are meant."""
        seconds = self.drain_seconds if seconds is None else seconds
        connections = self.registry.select(Selector())
        now = time.monotonic()
        for number, connection in enumerate(connections):
            connection.drain_at = now + seconds * number / len(connections)
        TIMER.watch(self)
        return len(connections)

    def tick(self, now: float) -> bool:
        """Close what is over its age or its turn to drain, cut what did not answer.

        And wake whoever waits for a peer that is gone.
        """
        held = self.registry.select(Selector())
        for connection in held:
            if now >= connection.drain_at:
                connection.close(RESTART, "restart")
            elif now >= connection.deadline:
                connection.close(SIGN_IN_AGAIN, "max_age")
            if now >= connection.cut_at:
                connection.cut()
            connection.wake_from_lost_end()
        if self.revalidation:
            self.revalidation.tick(now)
        return any(connection.cut_at < math.inf for connection in held)


def raw_socket(environ: dict[str, Any]) -> Any:
    """Return the socket below a request, where the server shows it."""
    if sock := environ.get("gunicorn.socket") or environ.get("werkzeug.socket"):
        return sock
    # gevent's own server shows it in no other place; simple-websocket looks here too.
    stream = getattr(environ.get("wsgi.input"), "rfile", None)
    return getattr(getattr(stream, "raw", None), "_sock", None)


def drain_all() -> None:
    """Drain every app's sockets in this process, and those yet to come, because it is to end."""
    Sockets.is_leaving = True
    for ticker in TIMER.tickers():
        if isinstance(ticker, Sockets):
            ticker.drain()
