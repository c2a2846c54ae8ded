"""A verdict becomes a signal, one log line, and the bytes of the answer."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from blinker import NamedSignal
from flask import Flask, Response

from .core.refusals import Refusal, Refused
from .locks import Lock
from .redaction import redact

_log = logging.getLogger("flask_wsguard")

_WINDOW = 60.0
_KINDS_KEPT, _KINDS_TOLD = 1000, 3

Kind = tuple[str, str, str]
"""What was refused, the reason, and the Origin: what the log counts together."""

_REFUSED_BODY = b"This WebSocket handshake was refused.\n"
_MALFORMED_BODY = b"This is not a well-formed WebSocket upgrade.\n"


@dataclass(frozen=True, slots=True)
class Wire:
    """A refused handshake's answer as WSGI sends it."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def send(self, environ: Any, start_response: Any) -> list[bytes]:
        """Answer a request with it. Keeps the connection open: closing makes gunicorn wait."""
        start_response(self.status, list(self.headers))
        # gevent.pywsgi sends what it is given: behind a HEAD it would be the next answer's start.
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [self.body]


def _wire(status: str, body: bytes, *more: tuple[str, str]) -> Wire:
    headers = (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        *more,
    )
    return Wire(status, headers, body)


_STATUS = {403: "403 FORBIDDEN", 400: "400 BAD REQUEST", 426: "426 UPGRADE REQUIRED"}
_VERSION = {426: (("Sec-WebSocket-Version", "13"),)}
_WIRES = {
    status: _wire(
        line, _REFUSED_BODY if status == 403 else _MALFORMED_BODY, *_VERSION.get(status, ())
    )
    for status, line in _STATUS.items()
}


def wire_of(refused: Refused, *, debug: bool) -> Wire:
    """Return a refusal's bytes, the same whatever the reason; under ``app.debug`` they tell it."""
    malformed = refused.reason is Refusal.MALFORMED_UPGRADE
    built = _WIRES[(refused.status or 400) if malformed else 403]
    if not debug:
        return built
    told = f"{refused.reason}: {sentence(refused)}\n".encode("utf-8", "replace")
    return _wire(built.status, built.body + told, *built.headers[3:])


class HandshakeRefusal(Response):
    """A refusal as a view's answer.

    Built anew for each request, because Flask and its extensions write cookies onto a response:
    a shared one would hand one visitor's session to the next. What they write is not sent.
    """

    def __init__(self, refused: Refused, *, debug: bool) -> None:
        """Take the refusal; only under ``app.debug`` does the body tell why."""
        self._wire = wire_of(refused, debug=debug)
        # As a list: bytes make werkzeug count again what the headers say already.
        super().__init__([self._wire.body], self._wire.status, self._wire.headers)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Send exactly what was built, whatever ``after_request`` hooks have added."""
        return self._wire.send(environ, start_response)


def sentence(refused: Refused) -> str:
    """Return why it was refused, what came, and what to change."""
    return f"{refused.reason.meaning} {advice(refused)}"


def advice(refused: Refused) -> str:
    """Return what came and what to change: what stands beside a refusal's meaning."""
    seen = f"({refused.detail}) " if refused.detail else ""
    return f"{seen}{refused.reason.remedy}"


def emit(signal: NamedSignal, app: Flask, **facts: Any) -> None:
    """Send a signal; a receiver that raises is logged and changes no verdict."""
    if not signal.receivers:
        return
    for receiver in list(signal.receivers_for(app)):
        try:
            receiver(app, **facts)
        except Exception:
            _log.exception("a receiver of %s raised", signal.name)


def is_heard(signal: NamedSignal, app: Flask) -> bool:
    """Tell whether anybody listens to this app's signal."""
    return bool(signal.receivers) and next(iter(signal.receivers_for(app)), None) is not None


class RefusalLog:
    """One WARNING per refusal; the same kind from the same origin is counted, not repeated.

    Within a minute a repeat is a line of its own at the 10th, 100th, 1,000th time; what stayed
    unsaid is summed up by the first refusal after it. So a flood cannot fill a disk.
    """

    __slots__ = ("_counts", "_lock", "_since")

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._lock = Lock()
        self._counts = Counter[Kind]()
        self._since = time.monotonic()

    def write(self, what: str, refused: Refused, path: str, origin: str | None) -> None:
        """Log that ``what`` (preauth, handshake) was refused at ``path`` to ``origin``."""
        times, unsaid = self._count((what, refused.reason, origin or ""))
        if unsaid:
            _sum_up(unsaid)
        if times:
            _log.warning(
                "%s refused: %s on %s from Origin %s: %s%s",
                what,
                refused.reason.value,
                printable(path),
                printable(origin),
                printable(sentence(refused)),
                f" [{times} times within {_WINDOW:.0f} s]" if times > 1 else "",
            )

    def _count(self, kind: Kind) -> tuple[int, Counter[Kind] | None]:
        """Return how often this kind came, 0 when no line is due, and what a past window left."""
        now = time.monotonic()
        with self._lock:
            unsaid = None
            if now - self._since > _WINDOW:
                # A line was written for the 1st, 10th, 100th: as many as the count has digits.
                unsaid = +Counter({kind: n - len(str(n)) for kind, n in self._counts.items()})
                self._counts.clear()
                self._since = now
            if len(self._counts) >= _KINDS_KEPT and kind not in self._counts:
                # The hostile side picks its Origin: past so many, they share one count.
                kind = (*kind[:2], "other origins")
            self._counts[kind] += 1
            times = self._counts[kind]
            due = str(times).strip("0") == "1"
        return (times if due else 0), unsaid


def _sum_up(unsaid: Counter[Kind]) -> None:
    """Write how many refusals were counted, and of what kinds most.

    A line for each: in one of them all an Origin could tell tales of the others.
    """
    _log.warning("%d more refusals in the last period were counted, not written", unsaid.total())
    for (what, reason, origin), times in unsaid.most_common(_KINDS_TOLD):
        _log.warning(
            "among them %d times: %s refused: %s from Origin %s",
            times,
            what,
            reason,
            printable(origin or None),
        )


def accepted(path: str, user_id: str | None, origin: str | None) -> None:
    """Log an accepted handshake, one INFO line."""
    if not _log.isEnabledFor(logging.INFO):
        return
    _log.info(
        "handshake accepted: %s for %s from Origin %s",
        printable(path),
        printable(user_id) if user_id else "the public",
        printable(origin),
    )


def printable(text: str | None, longest: int = 600) -> str:
    """Return text that can stand in a log line: without credentials, foreign letters escaped.

    A path, an Origin or any other header holds what the other side puts there.
    """
    if text is None:
        return "(none)"
    text = redact(text)
    cut = text if len(text) <= longest else f"{text[:longest]}..."
    return cut.encode("unicode_escape").decode("ascii")
