"""What the server in front cannot do, and what its workers do not share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..core.storage import needs_redis, sqlite_path
from .findings import ERROR, GTHREAD, OTHER, SYNC, WARNING, Finding, Site

_THREADS = "--threads 100"
_GOOD_WORKER = f"--worker-class gthread {_THREADS}"


def serving(site: Site) -> Iterator[Finding]:
    """Find what the server in front cannot do."""
    served = site.served
    if served.worker == SYNC:
        what = "gunicorn's sync worker serves one socket, and nothing else meanwhile"
        yield Finding("sync_worker", ERROR, what, _GOOD_WORKER)
    if served.worker == OTHER:
        # A class of the site's own, unlike a bare name, may be a worker that serves sockets.
        severity = WARNING if "." in str(served.worker_class) else ERROR
        what = f"sockets are not known to work under a worker class {served.worker_class!r}"
        yield Finding("unknown_worker", severity, what, _GOOD_WORKER)
    # A library with sockets of its own takes no slot, so no cap would hold it.
    if site.serves_sockets and served.worker in {None, GTHREAD}:
        yield from _threads(site)
    if not site.state.has_early_gate:
        what = "wsgi_app was wrapped before init_app: hopeless handshakes open a session first"
        line = "app.wsgi_app = ProxyFix(app.wsgi_app, ...), below WSGuard(app)"
        yield Finding("no_early_gate", WARNING, what, line)


def _threads(site: Site) -> Iterator[Finding]:
    served, most = site.served, site.state.settings.max_connections
    # gunicorn's own default, where it is known that there are threads.
    threads = served.threads or (1 if served.worker == GTHREAD else None)
    if most is not None and (threads is None or most < threads):
        return
    what = "under gthread open sockets can hold every thread: then the site hangs"
    line = f"WSGUARD_MAX_CONNECTIONS = {threads * 9 // 10 if threads else 90}"
    # No cap is below one.
    yield Finding("all_threads", WARNING, what, _THREADS if threads == 1 else line)


def shared_store(site: Site) -> Iterator[Finding]:
    """Find what workers do not tell each other."""
    settings = site.state.settings
    if settings.storage_uri is not None:
        yield from _of_file(settings.storage_uri)
        return
    if site.served.workers == 1:
        return
    line = 'WSGUARD_STORAGE_URI = "sqlite:////run/app/wsguard.db"'
    if settings.single_use:
        what = "single use holds in one process only: a token opens a socket in each worker"
        yield Finding("single_use_without_store", ERROR, what, line)
    what = "a logout reaches the sockets of its own process only (--workers 1, if that is all)"
    yield Finding("no_store", WARNING, what, line)


def _of_file(uri: str) -> Iterator[Finding]:
    """Find a SQLite file that cannot work: to its folder the database writes two more."""
    if needs_redis(uri):
        return
    path = Path(sqlite_path(uri)).absolute()
    folder = path.parent
    if not os.path.isdir(folder):
        what = f"there is no folder {folder}: the store cannot work"
        yield Finding("store_unusable", ERROR, what, f"mkdir --parents {folder}")
        return
    places = [folder, *([path] if os.path.exists(path) else [])]
    if locked := [str(place) for place in places if not os.access(place, os.W_OK)]:
        what = f"{locked[0]} is not writable for who runs this: the store cannot work"
        line = "run this as the site's own user, or let that one write there"
        yield Finding("store_unusable", ERROR, what, line)
