"""What the lab overhears: why a handshake was refused, and what a log gives away of one."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Condition
from typing import Any

from flask import Flask, request

from flask_wsguard import Refusal, current_ticket, handshake_accepted, handshake_refused

from .raw import Leak

_KEPT = 100
_FRESH = 10
"""Seconds: a third of a token's life."""


class Witness:
    """The last verdicts, by the name that the attacker's page gave its attempt; and leaks."""

    def __init__(self, site: Flask) -> None:
        self._reasons: OrderedDict[str, str] = OrderedDict()
        self._last: tuple[float, Leak | None] = 0.0, None
        self._leaked = Condition()
        handshake_refused.connect(self._hear, site)
        handshake_accepted.connect(self._hear, site)

    def reason(self, attempt: str) -> str | None:
        """Return why a handshake was refused, ``accepted``, or None for one nobody has seen."""
        return self._reasons.get(attempt)

    def leak(self, seconds: float = 8) -> Leak | None:
        """Wait for the chat to connect, and return what a log has of that; None where it did not.

        The token stands in the URL, which an access log keeps; the cookie in a log of headers.
        """
        with self._leaked:
            self._leaked.wait_for(self._fresh, seconds)
            return self._fresh()

    def note(self, reason: Refusal | None) -> None:
        """Remember the verdict on the current request."""
        if attempt := request.args.get("attempt"):
            self._reasons[attempt] = str(reason or "accepted")
            while len(self._reasons) > _KEPT:
                self._reasons.popitem(last=False)

    def _fresh(self) -> Leak | None:
        at, leak = self._last
        return leak if time.monotonic() - at < _FRESH else None

    def _hear(self, _: Flask, reason: Refusal | None = None, **__: Any) -> None:
        self.note(reason)
        if reason is None and request.path == "/chat":
            name = f"wsguard-{current_ticket.id}"
            with self._leaked:
                leak = Leak(request.args["wsguard_token"], request.cookies[name])
                self._last = time.monotonic(), leak
                self._leaked.notify_all()
