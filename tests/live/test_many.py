"""Many sockets at once: closed in under two seconds, and nothing of them stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.wire import browsers

from .gunicorn import Gunicorn, raise_file_limit, running, start, until

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("WSGUARD_ROUNDS", "3"))
"""How often the sockets come and go; `make soak` asks for more."""


def threads_of(server: Gunicorn) -> int:
    """Return how many threads the worker has, by the kernel's count."""
    (worker,) = server.workers
    status = Path(f"/proc/{worker}/status").read_text()
    return int(status.split("Threads:")[1].split()[0])


@pytest.mark.parametrize(("kind", "number"), [("gevent", 1000), ("gthread", 500)])
def test_disconnect_all(kind: str, number: int, tmp_path: Path) -> None:
    """A thousand on one gevent worker, five hundred under gthread."""
    raise_file_limit(4096)
    config = {"WSGUARD_MAX_CONNECTIONS_PER_USER": number}
    with (
        running(kind, tmp_path, threads=number + 10, config=config) as server,
        browsers(server.port) as make,
    ):
        alice = make().log_in("alice")
        for wire in [start(alice) for _ in range(3)]:
            wire.close()
        until(lambda: server.held == 0)
        before = threads_of(server)
        for _ in range(ROUNDS):
            wires = [start(alice) for _ in range(number)]
            assert server.held == number
            begin = time.monotonic()
            assert server.disconnect() == number
            assert {wire.closing() for wire in wires} == {(4401, "disconnected")}
            assert time.monotonic() - begin < 2.0
            for wire in wires:
                wire.close()
            until(lambda: server.held == 0)
            # gthread keeps its pool threads; the readers, one a socket, must be gone.
            pool = number if kind == "gthread" else 0
            most = before + pool + 4
            until(lambda most=most: threads_of(server) <= most)  # type: ignore[misc]
        assert "Traceback" not in server.log
