"""Real gunicorns that serve ``tests.live.app``, and waiting for what must come true in them."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.conftest import need
from tests.wire import Answer, Browser, HungUp, Wire

ROOT = Path(__file__).parents[2]
KINDS = ("gthread", "gevent")


def until(holds: Callable[[], Any], seconds: float = 5.0) -> float:
    """Wait until something holds, and return after how many seconds; fail at the deadline."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, f"not so within {seconds} seconds"
        time.sleep(0.01)
    return time.monotonic() - start


@dataclass(frozen=True)
class Gunicorn:
    """A running gunicorn. ``log`` is what it and its app wrote so far."""

    kind: str
    port: int
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def fetch(self, method: str, path: str, content: Any = None) -> Answer:
        """Send a request as a tool would, without cookies."""
        body = b"" if content is None else json.dumps(content).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with Wire(self.port) as wire:
            wire.send(head.encode() + body)
            return wire.answer()

    @property
    def stats(self) -> Any:
        """Return what is going on in (one of) the worker(s)."""
        return self.fetch("GET", "/stats").json

    @property
    def held(self) -> int:
        """Return how many sockets the worker holds."""
        return int(self.stats["held"])

    def disconnect(self, **which: Any) -> Any:
        """Call ``guard.disconnect`` in a view."""
        return self.fetch("POST", "/disconnect", which).json

    def turn(self, **site: Any) -> None:
        """Turn the site: who is ``gone``, which ``scopes`` and ``faulty`` loaders there are."""
        assert self.fetch("POST", "/site", site).json is True

    def wait_at(self, gate: str) -> None:
        """Wait until somebody is held at a gate."""
        until(lambda: self.fetch("GET", f"/gates/{gate}").json)

    def open_gate(self, gate: str) -> None:
        """Let go whoever is held there."""
        assert self.fetch("POST", f"/gates/{gate}", {}).json is True

    @property
    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in children.split()]

    def wait_for_workers(self, number: int, gone: Iterable[int] = ()) -> None:
        """Wait until so many workers serve, and those ``gone`` have ended.

        A worker that has just been forked still has the handlers of gunicorn's master, and loses
        every signal sent to it.
        """

        def serve() -> bool:
            now, log = self.workers, self.log
            serving = all(f" {pid} serves\n" in log for pid in now)
            return len(now) == number and serving and set(now).isdisjoint(gone)

        until(serve, 20)


@contextmanager
def running(
    kind: str,
    folder: Path,
    *options: str,
    workers: int = 1,
    threads: int = 120,
    config: dict[str, Any] | None = None,
    site: str = "tests.live.app:make()",
    environment: dict[str, str] | None = None,
    program: str = "gunicorn",
) -> Iterator[Gunicorn]:
    """Run a gunicorn until the block ends; then its whole process group is killed."""
    need("gunicorn" if kind == "gthread" else "gevent")
    pool = ["--threads", str(threads)] if kind == "gthread" else []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port = listener.getsockname()[1]
        log_file = folder / f"{kind}-{port}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", program, "--worker-class", kind, *pool),
                    *("--workers", str(workers), "--no-control-socket", "--log-level", "info"),
                    *("--worker-connections", "2000", "--bind", f"fd://{listener.fileno()}"),
                    *(*options, site),
                ],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "LIVE_CONFIG": json.dumps(config or {}),
                    **(environment or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
    server = Gunicorn(kind, port, process, log_file)
    try:
        try:
            assert server.fetch("GET", "/").status == 200
        except Exception as fault:
            raise RuntimeError(f"{kind} did not start:\n{server.log}") from fault
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start(browser: Browser, path: str = "/stay") -> Wire:
    """Open a socket and wait until its handler runs."""
    wire = browser.open(path)
    wire.text()
    return wire


def is_open(wire: Wire) -> bool:
    """Tell whether the handler at the other end still answers."""
    return wire.say("still there?") == "still there?"


def ends(wire: Wire, seconds: float = 10.0) -> bool:
    """Wait for the end of a connection, whatever comes before it."""
    wire._socket.settimeout(seconds)
    try:
        wire.rest()
    except (ConnectionError, HungUp):
        pass
    return True


def raise_file_limit(least: int) -> None:
    """Let this process, and those it starts, open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < least:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, max(hard, least)))
