"""A worker that is told to go closes its sockets with 1012, one after the other, and goes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.wire import browsers

from .gunicorn import KINDS, is_open, running, start, until

SECONDS = 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_restart(kind: str, number: int, tmp_path: Path) -> None:
    """Ten sockets are told over two seconds; the worker ends; after SIGHUP another one serves."""
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text("from flask_wsguard.ops.gunicorn import *\n")
    config = {"WSGUARD_DRAIN_SECONDS": SECONDS}
    with (
        running(kind, tmp_path, "--config", str(configuration), config=config) as server,
        browsers(server.port) as make,
    ):
        alice = make().log_in("alice")
        wires = [start(alice) for _ in range(10)]
        (worker,) = server.workers
        begin = time.monotonic()
        server.process.send_signal(number)
        told = []
        for wire in wires:
            wire._socket.settimeout(10)
        remaining = list(wires)
        while remaining:
            wire = _next(remaining)
            assert wire.closing() == (1012, "restart")
            told.append(time.monotonic() - begin)
            remaining.remove(wire)
        assert max(told) < SECONDS + 2
        assert max(told) - min(told) > SECONDS / 2
        until(lambda: not Path(f"/proc/{worker}/stat").exists() or _is_dead(worker), 10)
        if number == signal.SIGHUP:
            assert server.workers != [worker]
            assert is_open(start(alice))
        else:
            assert server.process.wait(10) == 0
        assert "Traceback" not in server.log


@pytest.mark.parametrize("kind", KINDS)
def test_worker_that_has_had_its_requests(kind: str, tmp_path: Path) -> None:
    """``--max-requests`` sends no signal; the sockets are told all the same, before it ends."""
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text("from flask_wsguard.ops.gunicorn import *\n")
    options = ("--config", str(configuration), "--max-requests", "30")
    with (
        running(kind, tmp_path, *options, config={"WSGUARD_DRAIN_SECONDS": 1}) as server,
        browsers(server.port) as make,
    ):
        alice = make().log_in("alice")
        wires = [start(alice) for _ in range(3)]
        (worker,) = server.workers
        begin = time.monotonic()
        while not _is_dead(worker):
            alice.fetch("GET", "/")
            if "Autorestarting" in server.log:
                break
        assert [wire.closing() for wire in wires] == [(1012, "restart")] * 3
        assert time.monotonic() - begin < 8
        server.wait_for_workers(1, gone=[worker])
        assert is_open(start(alice))
        assert "timeout" not in server.log.lower()


def test_who_comes_back_to_a_worker_that_goes_is_sent_on(tmp_path: Path) -> None:
    """Over a connection that it had accepted before: told with 1012, not cut when it is killed."""
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text("from flask_wsguard.ops.gunicorn import *\n")
    options = ("--config", str(configuration), "--keep-alive", "20", "--graceful-timeout", "20")
    with (
        running("gevent", tmp_path, *options, config={"WSGUARD_DRAIN_SECONDS": 1}) as server,
        browsers(server.port) as make,
    ):
        alice = make().log_in("alice")
        first, again = start(alice), alice.attempt("/stay", alice.preauth("/stay"))
        kept = alice.wire()
        kept.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.answer().status == 200
        (worker,) = server.workers
        os.kill(worker, signal.SIGTERM)
        assert first.closing() == (1012, "restart")
        first.close()
        kept.send(again.bytes())
        assert kept.answer().status == 101
        begin = time.monotonic()
        assert int(kept.text().split()[0]) == worker
        assert kept.closing() == (1012, "restart")
        assert time.monotonic() - begin < 3
        until(lambda: _is_dead(worker), 10)
        assert "timeout" not in server.log.lower()


def _is_dead(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def _next(wires: list) -> object:
    """Return a wire on which something came."""
    import select

    ready, _, _ = select.select([wire._socket for wire in wires], [], [], 10)
    assert ready
    return next(wire for wire in wires if wire._socket in ready)
