"""Real servers, each in a process of its own.

The test binds and listens, the server inherits the socket: no port can be lost to somebody else,
and a client that connects early waits in the backlog until the server answers. So nothing polls.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.wire import Attempt, Browser, Wire, browsers

ROOT = Path(__file__).parents[2]

THREADS = 12
"""Pool threads of gthread: more than any test holds open, fewer than one throws at it."""

_GUNICORN = ["-m", "gunicorn", "--workers", "1", "--log-level", "info", "--no-control-socket"]
_NEEDS = {
    "werkzeug": "werkzeug",
    "gthread": "gunicorn",
    "gunicorn-gevent": "gunicorn gevent",
    "pywsgi": "gevent",
    "sync": "gunicorn",
    "waitress": "waitress",
    "wsgiref": "wsgiref",
}
SERVERS = ("werkzeug", "gthread", "gunicorn-gevent", "pywsgi")


@dataclass(frozen=True)
class Server:
    """A running server. ``log`` is what it and its app wrote so far."""

    name: str
    port: int
    log_file: Path
    pid: int

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @property
    def tracebacks(self) -> list[str]:
        """Return the last line of every traceback in the log.

        simple-websocket races with a client that hangs up on its 101: its reader closes the
        socket under the handler's first ``send``. That is no bug of ours and says nothing.
        """
        ends = re.findall(r"^Traceback .*\n(?:[ +|].*\n|\n)*(\S.*)$", self.log, re.MULTILINE)
        gone = ("OSError: [Errno 9]", "BrokenPipeError", "ConnectionResetError")
        return [end for end in ends if not end.startswith(gone)]

    @property
    def keeps_alive(self) -> bool:
        """Tell whether the server lets any connection live; Werkzeug's says close on all."""
        return self.name != "werkzeug"

    def verdicts(self, wire: Wire | None = None) -> list[str]:
        """Return what was refused since last asked, on a given connection or a new one."""
        asked = b"POST /verdicts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        if wire is None:
            with Wire(self.port) as fresh:
                return self.verdicts(fresh)
        wire.send(asked)
        answer = wire.answer()
        assert answer.status == 200
        verdicts: list[str] = answer.json
        return verdicts


def need(module: str) -> None:
    """Skip where a tool is missing, and fail instead where CI promised to have it."""
    if find_spec(module) is None:
        why = f"{module} is not installed"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


def command(name: str, descriptor: int, maker: str) -> list[str]:
    """Return the command that serves a maker of tests.servers.apps on an inherited socket."""
    workers = {
        "gthread": ["--worker-class", "gthread", "--threads", str(THREADS)],
        "gunicorn-gevent": ["--worker-class", "gevent"],
        "sync": ["--worker-class", "sync"],
    }
    if name in workers:
        bound = ["--bind", f"fd://{descriptor}", f"tests.servers.apps:{maker}()"]
        return [sys.executable, *_GUNICORN, *workers[name], *bound]
    return [sys.executable, "-m", "tests.servers.serve", name, str(descriptor), maker]


@contextmanager
def running(
    name: str, folder: Path, maker: str = "make_guarded", **environment: str
) -> Iterator[Server]:
    """Run a server until the block ends; then its whole process group is killed."""
    for module in _NEEDS[name].split():
        need(module)
    log_file = folder / f"{name}.log"
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as listener,
        log_file.open("wb") as log,
    ):
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            command(name, listener.fileno(), maker),
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    server = Server(name, port, log_file, process.pid)
    try:
        _wait_for(server)
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(server: Server) -> None:
    """Wait for the first answer; a process that dies resets the connection instead."""
    try:
        with Wire(server.port) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wire.answer()
    except Exception as fault:
        raise RuntimeError(f"{server.name} did not start:\n{server.log}") from fault


@pytest.fixture(scope="session", params=SERVERS)
def _server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with running(request.param, tmp_path_factory.mktemp("servers")) as server:
        yield server


@pytest.fixture
def server(_server: Server) -> Server:
    """Each of the servers that the extension must work on, with nothing refused yet."""
    _server.verdicts()
    return _server


@pytest.fixture
def visitor(server: Server) -> Iterator[Callable[[], Browser]]:
    """Make browsers that know nobody yet; all connections are closed at the end."""
    with browsers(server.port) as make:
        yield make


@pytest.fixture
def alice(visitor: Callable[[], Browser]) -> Browser:
    """Return a browser in which alice has logged in."""
    return visitor().log_in("alice")


def control(attempt: Attempt) -> str:
    """Send a handshake to the site without the extension, and return whom it names."""
    attempt.path = b"/control" + attempt.path
    with Wire(attempt.port) as wire:
        wire.send(attempt.bytes())
        answer = wire.answer()
        assert answer.status == 101, answer
        return wire.text()
