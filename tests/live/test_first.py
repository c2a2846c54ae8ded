"""The first ones come together, to a gevent worker whose master has loaded parts of the guard.

What the master loads is older than gevent's patch of the worker: a lock of it stops every greenlet.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.wire import Browser, Wire, browsers

from .gunicorn import Gunicorn, is_open, running
from .test_logout import request_logout

CROWD = 6


@pytest.fixture(params=["configuration", "preload", "preload-sqlite"])
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gunicorn]:
    """Run a worker that nobody has asked for a socket yet."""
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text("from flask_wsguard.ops.gunicorn import *\n")
    options = ["--preload"] if "preload" in request.param else ["--config", str(configuration)]
    store = {"WSGUARD_STORAGE_URI": f"sqlite:///{tmp_path}/store.db"}
    config = store if "sqlite" in request.param else {}
    with running("gevent", tmp_path, *options, config=config) as server:
        yield server


def at_once(wires: list[Wire], requests: list[bytes]) -> list[int]:
    """Send every request before the first answer is read; return what they were answered."""
    for wire, request in zip(wires, requests, strict=True):
        wire._socket.settimeout(5)
        wire.send(request)
    return [wire.answer().status for wire in wires]


def test_first_logouts_together(loaded: Gunicorn) -> None:
    """Everybody who logs out is answered, and so is who comes later."""
    with browsers(loaded.port) as make:
        people = [make().log_in(f"user-{number}") for number in range(CROWD)]
        with ThreadPoolExecutor(CROWD) as pool:
            answers = list(pool.map(lambda one: request_logout(one, "").answer().status, people))
        assert answers == [200] * CROWD
        assert make().fetch("GET", "/").status == 200


def test_first_preauths_and_first_sockets_together(loaded: Gunicorn) -> None:
    """Everybody who asks is granted a ticket, everybody who comes with one has a socket."""
    with browsers(loaded.port) as make:
        people: list[Browser] = [make().log_in(f"user-{number}") for number in range(CROWD)]
        with ThreadPoolExecutor(CROWD) as pool:
            grants = list(pool.map(lambda one: one.preauth("/stay"), people))
        attempts = [
            one.attempt("/stay", grant).bytes() for one, grant in zip(people, grants, strict=True)
        ]
        wires = [one.wire() for one in people]
        assert at_once(wires, attempts) == [101] * CROWD
        assert all(wire.text() for wire in wires)
        assert all(is_open(wire) for wire in wires)
