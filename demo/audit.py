"""What the guard decided, as its signals tell it: the last verdicts, for the page to show."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from functools import partial
from threading import Lock
from typing import Any

from flask import Flask
from flask_login import current_user

from flask_wsguard import (
    Refusal,
    handshake_accepted,
    handshake_refused,
    preauth_granted,
    preauth_refused,
)

_HEARD = (
    ("preauth", preauth_granted),
    ("preauth", preauth_refused),
    ("handshake", handshake_accepted),
    ("handshake", handshake_refused),
)
_KEPT = 50
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision: ``number`` counts from 1, ``at`` is Unix seconds, ``reason`` None for a yes.

    ``user`` is whom the request's session names: in an attack, the victim.
    """

    number: int
    at: int
    step: str
    path: str
    user: str | None
    origin: str | None
    reason: str | None


class Audit:
    """The last verdicts on an app."""

    def __init__(self, app: Flask) -> None:
        self._lock = Lock()
        self._verdicts: deque[Verdict] = deque(maxlen=_KEPT)
        self._count = 0
        for step, signal in _HEARD:
            signal.connect(partial(self._note, step), app, weak=False)

    def after(self, number: int = 0) -> list[dict[str, Any]]:
        """Return the verdicts later than this number, oldest first."""
        with self._lock:
            return [asdict(verdict) for verdict in self._verdicts if verdict.number > number]

    def _note(
        self,
        step: str,
        _: Flask,
        *,
        path: str,
        origin: str | None,
        reason: Refusal | None = None,
        **__: Any,
    ) -> None:
        user = current_user.get_id()
        with self._lock:
            self._count += 1
            self._verdicts.append(
                Verdict(
                    number=self._count,
                    at=int(time.time()),
                    step=step,
                    path=_printable(path),
                    user=user,
                    origin=None if origin is None else _printable(origin),
                    reason=None if reason is None else reason.value,
                )
            )


def _printable(text: str) -> str:
    """Escape and cut what a stranger sent."""
    return text[:_LONGEST].encode("unicode_escape").decode("ascii")
