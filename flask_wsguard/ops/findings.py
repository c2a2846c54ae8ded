"""What an audit looks at, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask

from ..core.origins import Origin
from ..state import State
from .addresses import trusted_hosts
from .inventory import SocketRoute

ERROR, WARNING = "error", "warning"

GTHREAD, GEVENT, SYNC, OTHER = "gthread", "gevent", "sync", "other"

WORKERS = {
    "gthread": GTHREAD,
    "gunicorn.workers.gthread.ThreadWorker": GTHREAD,
    "gevent": GEVENT,
    "gevent_wsgi": GEVENT,
    "gevent_pywsgi": GEVENT,
    "gunicorn.workers.ggevent.GeventWorker": GEVENT,
    "gunicorn.workers.ggevent.GeventPyWSGIWorker": GEVENT,
    "sync": SYNC,
    "gunicorn.workers.sync.SyncWorker": SYNC,
}
"""gunicorn's worker classes by every name that it takes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: a stable ``id``, ``severity`` (error, warning), what is wrong, what to write."""

    id: str
    severity: str
    what: str
    write: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """How and where the site is served; None where nobody said."""

    workers: int | None = None
    threads: int | None = None
    worker_class: str | None = None
    own: Origin | None = None

    @property
    def worker(self) -> str | None:
        """Return gthread, gevent or sync, whatever it was called; OTHER for one not known here."""
        if self.worker_class is None:
            return None
        worker = WORKERS.get(self.worker_class.removeprefix("egg:gunicorn#"), OTHER)
        # gunicorn's own rule.
        return GTHREAD if worker == SYNC and (self.threads or 1) > 1 else worker


@dataclass(frozen=True, slots=True)
class Site:
    """All that the audit looks at. Needs an app context."""

    app: Flask
    state: State
    routes: list[SocketRoute]
    served: Deployment

    @property
    def sock_options(self) -> dict[str, Any]:
        """Return what flask-sock is told."""
        return self.app.config.get("SOCK_SERVER_OPTIONS") or {}

    @property
    def serves_sockets(self) -> bool:
        """Tell whether flask-sock's sockets are among them, and not only another library's."""
        return any(route.endpoint for route in self.routes)

    @property
    def known_as(self) -> list[Origin]:
        """Return where the site says that it is served; of TRUSTED_HOSTS the host alone counts."""
        names = (name.lstrip(".") for name in trusted_hosts(self.app))
        trusted = [Origin.of_request("https", name) for name in names]
        return [origin for origin in (*trusted, self.served.own) if origin]


Audit = Callable[[Site], Iterator[Finding]]
"""One question to a site."""
