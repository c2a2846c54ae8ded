"""Workers that die, restart and run out of descriptors while handshakes come in."""

from __future__ import annotations

import os
import resource
import signal
import threading
from pathlib import Path

import pytest

from tests.live.gunicorn import KINDS, is_open, running, start, until
from tests.live.test_rotation import keep_coming
from tests.wire import Browser, HungUp, Wire, browsers


@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_restarted_in_the_middle_of_handshakes(kind: str, tmp_path: Path) -> None:
    """``kill -9`` of workers and SIGHUP: clients are cut off, refused never, and come back."""
    refused: list[str] = []
    stop = threading.Event()
    with running(kind, tmp_path, workers=2) as server, browsers(server.port) as make:
        alice = make().log_in("alice")
        clients = [
            threading.Thread(target=keep_coming, args=(alice, stop, refused)) for _ in range(2)
        ]
        server.wait_for_workers(2)
        for client in clients:
            client.start()
        try:
            for _ in range(2):
                victim = server.workers[0]
                os.kill(victim, signal.SIGKILL)
                server.wait_for_workers(2, gone=[victim])
            before = server.workers
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_workers(2, gone=before)
        finally:
            stop.set()
            for client in clients:
                client.join(20)
        assert refused == []
        assert is_open(start(alice))


@pytest.mark.parametrize("kind", KINDS)
def test_descriptors_exhausted(kind: str, tmp_path: Path) -> None:
    """Who is connected stays, who comes waits or is cut off; then good clients get in again.

    A gthread worker of gunicorn stops accepting for good when ``accept`` finds no descriptor, and
    is replaced after ``--timeout`` seconds; one of gevent goes on.
    """
    with (
        running(kind, tmp_path, "--timeout", "5") as server,
        browsers(server.port) as make,
    ):
        alice = make().log_in("alice")
        held, grant = start(alice), alice.preauth("/stay")
        (worker,) = server.workers
        limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (open_files(worker), limits[1]))
        crowd = [Wire(server.port) for _ in range(20)]
        try:
            wire = alice.wire()
            wire._socket.settimeout(1.0)
            wire.send(alice.attempt("/stay", grant).bytes())
            with pytest.raises((HungUp, TimeoutError)):
                wire.answer()
            assert is_open(held)
        finally:
            resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
            for one in crowd:
                one.close()
        until(lambda: gets_in(alice), 40)
        if kind == "gevent":
            assert is_open(held)
            assert server.workers == [worker]


def gets_in(browser: Browser) -> bool:
    """Tell whether a good client is served."""
    try:
        return is_open(start(browser))
    except (HungUp, OSError):
        return False


def open_files(pid: int) -> int:
    """Return the number above the highest descriptor, all below it being in use or refused."""
    return len(os.listdir(f"/proc/{pid}/fd"))
