"""A real redis-server of our own, on a unix socket and a port that nobody else has."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis


class RedisServer:
    """Started, stopped, frozen and started again by the test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "redis.sock"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Return the storage URI over the unix socket."""
        return f"unix://{self.path}"

    @property
    def tcp_uri(self) -> str:
        """Return the storage URI over TCP."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> redis.Redis:
        """Return a client of the test's own; close it."""
        return redis.Redis(unix_socket_path=str(self.path), socket_timeout=5)

    def ask(self, *command: str | int) -> object:
        """Send one command."""
        with self.client as client:
            return client.execute_command(*command)

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--unixsocket", str(self.path), "--save", "", "--appendonly", "no"),
                *("--dir", str(self._folder), "--logfile", str(self._folder / "log")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._listens():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.01)
        self.ask("PING")

    def _listens(self) -> bool:
        # Not redis-py: its 5.0 leaves a socket open where nobody answers.
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.path)) == 0

    def stop(self) -> None:
        """Kill it, frozen or not; twice does no harm."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.path.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Let it hang: connections stand, nothing is answered."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def redis_running() -> Iterator[RedisServer]:
    """Run a redis-server until the block ends. Skips without the binary, fails so in CI."""
    if shutil.which("redis-server") is None:
        why = "redis-server is not installed"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    # A path short enough for a unix socket (108 bytes).
    with tempfile.TemporaryDirectory(prefix="wsguard-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
