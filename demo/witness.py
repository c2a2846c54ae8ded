"""What the lab overhears: why a handshake was refused, and what a log gives away of one."""

from __future__ import annotations

from collections import OrderedDict
from threading import Condition
from typing import Any

from flask import Flask, request

from flask_wsguard import Refusal, handshake_accepted, handshake_refused

from .local import OWN
from .raw import Leak

_KEPT = 100


class Witness:
    """The last verdicts, by the name that the attacker's page gave its attempt; and leaks."""

    def __init__(self, site: Flask) -> None:
        self._reasons: OrderedDict[str, str] = OrderedDict()
        self._leaks: dict[str, Leak] = {}
        self._leaked = Condition()
        handshake_refused.connect(self._hear, site)
        handshake_accepted.connect(self._hear, site)

    def reason(self, attempt: str) -> str | None:
        """Return why a handshake was refused, ``accepted``, or None for one nobody has seen."""
        return self._reasons.get(attempt)

    def leak(self, host: str, seconds: float = 8) -> Leak | None:
        """Wait for the chat to connect at a host; return what a log has of that, None if nothing.

        The token stands in the URL, which an access log keeps; the cookie in a log of headers.
        Another host has other cookies, hence another user.
        """
        with self._leaked:
            before = self._leaks.get(host)
            self._leaked.wait_for(lambda: self._leaks.get(host) is not before, seconds)
            leak = self._leaks.get(host)
            return None if leak is before else leak

    def note(self, reason: Refusal | None) -> None:
        """Remember the verdict on the current request."""
        if attempt := request.args.get("attempt"):
            self._reasons[attempt] = str(reason or "accepted")
            while len(self._reasons) > _KEPT:
                self._reasons.popitem(last=False)

    def _hear(self, _: Flask, reason: Refusal | None = None, **__: Any) -> None:
        self.note(reason)
        if reason is None and request.path == "/chat":
            own, token = request.environ[OWN], request.args["wsguard_token"]
            name = f"wsguard-{token.split('.')[1]}"
            with self._leaked:
                self._leaks[own.host] = Leak(own.netloc, token, {name: request.cookies[name]})
                self._leaked.notify_all()
