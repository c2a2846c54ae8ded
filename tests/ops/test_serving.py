"""``flask wsguard check``: the server in front, and what its workers share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gunicorn.workers import SUPPORTED_WORKERS

from flask_wsguard.ops.findings import WORKERS as KNOWN_WORKERS
from tests.ops.shop import findings, make, said_of

pytestmark = pytest.mark.usefixtures("folder")

# worker class, threads, what is found of a site without and with WSGUARD_MAX_CONNECTIONS = 90
WORKERS: list[tuple[str | None, int | None, list[str], list[str]]] = [
    (None, None, ["all_threads"], []),
    (None, 1, ["all_threads"], ["all_threads"]),
    ("gthread", None, ["all_threads"], ["all_threads"]),
    ("gthread", 1, ["all_threads"], ["all_threads"]),
    ("gthread", 100, ["all_threads"], []),
    ("gthread", 90, ["all_threads"], ["all_threads"]),
    ("gunicorn.workers.gthread.ThreadWorker", 100, ["all_threads"], []),
    ("egg:gunicorn#gthread", 100, ["all_threads"], []),
    ("gevent", 90, [], []),
    ("gevent_wsgi", None, [], []),
    ("gevent_pywsgi", None, [], []),
    ("gunicorn.workers.ggevent.GeventWorker", None, [], []),
    ("gunicorn.workers.ggevent.GeventPyWSGIWorker", None, [], []),
    ("sync", None, ["sync_worker"], ["sync_worker"]),
    ("sync", 1, ["sync_worker"], ["sync_worker"]),
    ("sync", 100, ["all_threads"], []),
    ("gunicorn.workers.sync.SyncWorker", None, ["sync_worker"], ["sync_worker"]),
    ("eventlet", None, ["unknown_worker"], ["unknown_worker"]),
    ("uwsgi", None, ["unknown_worker"], ["unknown_worker"]),
    ("shop.workers.Worker", None, ["unknown_worker"], ["unknown_worker"]),
]


@pytest.mark.parametrize(("name", "threads", "uncapped", "capped"), WORKERS)
def test_workers_that_do_not_fit_are_found(
    name: str | None, threads: int | None, uncapped: list[str], capped: list[str]
) -> None:
    """By any of gunicorn's names; sync with threads is gthread, gevent has none to run out of."""
    served = ["--workers", "2"]
    served += ["--worker-class", name] if name else []
    served += ["--threads", str(threads)] if threads else []
    assert [id_ for id_, _ in findings(make(WSGUARD_MAX_CONNECTIONS=None), *served)] == uncapped
    assert [id_ for id_, _ in findings(make(), *served)] == capped


def test_a_bare_name_that_gunicorn_does_not_know_is_an_error() -> None:
    """It cannot start; a class of the site's own may do."""
    assert findings(make(), "--worker-class", "foo") == [("unknown_worker", "error")]
    assert findings(make(), "--worker-class", "a.B") == [("unknown_worker", "warning")]


def test_known_workers_are_gunicorns() -> None:
    """All of them that serve WSGI, by name and by class."""
    unfit = {"tornado", "asgi", "eventlet"}
    serving = {name: path for name, path in SUPPORTED_WORKERS.items() if name not in unfit}
    assert {*serving, *serving.values()} == set(KNOWN_WORKERS)


HANGS = "under gthread open sockets can hold every thread: then the site hangs"

# cap, what else is said of the server, the line to write
THREADS: list[tuple[int | None, list[str], str]] = [
    (None, [], "WSGUARD_MAX_CONNECTIONS = 90"),
    (None, ["--threads", "50"], "WSGUARD_MAX_CONNECTIONS = 45"),
    (2, ["--threads", "2"], "WSGUARD_MAX_CONNECTIONS = 1"),
    (1, ["--threads", "1"], "--threads 100"),
    (90, ["--worker-class", "gthread"], "--threads 100"),
    (None, ["--worker-class", "gthread"], "--threads 100"),
]


@pytest.mark.parametrize(("most", "served", "line"), THREADS)
def test_the_advice_on_threads_can_be_followed(
    most: int | None, served: list[str], line: str
) -> None:
    """One thread has no room for a cap below it; gunicorn starts one unless told otherwise."""
    served = ["--workers", "2", *served]
    assert said_of(make(WSGUARD_MAX_CONNECTIONS=most), *served) == [("all_threads", HANGS, line)]


def test_one_thread_with_the_smallest_cap_is_satisfied_by_more_threads() -> None:
    """The line that is advised ends the warning."""
    assert findings(make(WSGUARD_MAX_CONNECTIONS=1), "--threads", "100") == []


def test_a_store_without_a_folder_is_found(folder: Path) -> None:
    """Its file cannot be made, and no other finding speaks of it; mkdir mends it."""
    missing = folder / "run" / "app"
    app = make(WSGUARD_STORAGE_URI=f"sqlite:///{missing}/wsguard.db")
    what = f"there is no folder {missing}: the store cannot work"
    assert said_of(app) == [("store_unusable", what, f"mkdir --parents {missing}")]
    missing.mkdir(parents=True)
    assert findings(app) == []


@pytest.mark.parametrize("locked", [".", "wsguard.db"])
def test_a_store_that_may_not_be_written_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, locked: str
) -> None:
    """Neither the folder nor a file that is there; root may write everywhere, so it is played."""
    app = make()
    place = folder / locked
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != place)
    what = f"{place} is not writable for who runs this: the store cannot work"
    line = "run this as the site's own user, or let that one write there"
    assert said_of(app) == [("store_unusable", what, line)]


def test_redis_has_no_folder() -> None:
    """Whether it answers is not asked."""
    assert findings(make(WSGUARD_STORAGE_URI="redis://localhost:1")) == []
