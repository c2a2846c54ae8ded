"""Prometheus metrics of the guard, built on its signals. Needs the extra ``metrics``.

Under several workers set PROMETHEUS_MULTIPROC_DIR to an empty folder before the server starts, and
put ``from flask_wsguard.ops.metrics import child_exit`` into ``gunicorn.conf.py``.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

from flask import Flask, Response, request, request_started

try:
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        REGISTRY,
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        generate_latest,
        multiprocess,
    )
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f'{missing.name} is missing: pip install "flask-wsguard[metrics]"', name=missing.name
    ) from None

from .. import signals

__all__ = ["Metrics", "child_exit"]

_STARTED = "flask_wsguard.metrics.started"
# The guard's own reasons to close; a site may write any text into guard.disconnect(reason=...),
# and a label of any text has no bound.
_CAUSES = {
    "login_required", "max_age", "restart", "revalidation_failed", "scope_missing", "session_ended",
}  # fmt: skip
_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)


class Metrics:
    """Count what the guard of an app decides: ``Metrics(app)``, or ``init_app`` for each of many.

    ``wsguard_preauths_total`` and ``wsguard_handshakes_total`` by ``outcome`` and ``reason``,
    ``wsguard_open_sockets``, ``wsguard_disconnects_total`` by ``cause``, and
    ``wsguard_seconds``: from the start of a request to the guard's verdict, by ``step``.
    """

    def __init__(self, app: Flask | None = None, registry: CollectorRegistry = REGISTRY) -> None:
        """Keep the numbers in ``registry``; count for ``app`` at once when it is given."""
        self._registry = registry
        self._kept = _Collectors.of(registry)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Count for an app from now on."""
        # Blinker holds receivers weakly; the app holds them for us.
        app.extensions["wsguard_metrics"] = self
        request_started.connect(self._start, app)
        signals.preauth_granted.connect(self._granted, app)
        signals.preauth_refused.connect(self._preauth_refused, app)
        signals.handshake_accepted.connect(self._accepted, app)
        signals.handshake_refused.connect(self._refused, app)
        signals.connection_opened.connect(self._opened, app)
        signals.connection_closed.connect(self._closed, app)

    def page(self) -> Response:
        """Answer what Prometheus asks: a view for a route that only Prometheus can reach."""
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    def _start(self, _: Flask, **__: Any) -> None:
        request.environ[_STARTED] = time.perf_counter()

    def _took(self, step: str) -> None:
        # verify_handshake may be called where no request was dispatched by Flask.
        if (started := request.environ.pop(_STARTED, None)) is not None:
            self._kept.seconds.labels(step).observe(time.perf_counter() - started)

    def _granted(self, _: Flask, **__: Any) -> None:
        self._took("preauth")
        self._kept.preauths.labels("granted", "").inc()

    def _preauth_refused(self, _: Flask, reason: Any, **__: Any) -> None:
        self._took("preauth")
        self._kept.preauths.labels("refused", reason.value).inc()

    def _accepted(self, _: Flask, **__: Any) -> None:
        self._took("handshake")
        self._kept.handshakes.labels("accepted", "").inc()

    def _refused(self, _: Flask, reason: Any, observed: bool, **__: Any) -> None:
        self._took("handshake")
        self._kept.handshakes.labels("observed" if observed else "refused", reason.value).inc()

    def _opened(self, _: Flask, **__: Any) -> None:
        self._kept.open.inc()

    def _closed(self, _: Flask, code: int | None, reason: str, **__: Any) -> None:
        self._kept.open.dec()
        cause = reason if reason in _CAUSES else "disconnect"
        self._kept.disconnects.labels("peer or handler" if code is None else cause).inc()


class _Collectors:
    """The numbers in one registry, shared by all that count there: it takes each name once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.preauths = Counter(
            "wsguard_preauths", "Preauths.", ["outcome", "reason"], registry=registry
        )
        self.handshakes = Counter(
            "wsguard_handshakes", "WebSocket handshakes.", ["outcome", "reason"], registry=registry
        )
        self.open = Gauge(
            "wsguard_open_sockets",
            "Guarded sockets that are open.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.disconnects = Counter(
            "wsguard_disconnects", "Sockets that ended.", ["cause"], registry=registry
        )
        self.seconds = Histogram(
            "wsguard_seconds",
            "From the start of a request to the guard's verdict.",
            ["step"],
            buckets=_BUCKETS,
            registry=registry,
        )

    @staticmethod
    @cache
    def of(registry: CollectorRegistry) -> _Collectors:
        """Return the one set of a registry."""
        return _Collectors(registry)


def child_exit(server: Any, worker: Any) -> None:
    """Let gunicorn forget the open sockets of a worker that has gone."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
