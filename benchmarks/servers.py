"""Real servers on a core of their own, and the clock of all their processes."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOST = "localhost"
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES, CLIENT_CORES = {_CORES[-1]}, set(_CORES[:-1]) or {_CORES[-1]}
"""The client keeps off the server's core; with one core they share it, and the report says so."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens, and its first process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    def processes(self) -> list[int]:
        """Return the server's process and all below it."""
        return _tree(self.process.pid)

    def cpu(self) -> float:
        """Return the CPU seconds that its processes, all threads included, have used so far."""
        return sum(time.clock_gettime(_clock_of(pid)) for pid in self.processes())

    def memory(self) -> int:
        """Return the private bytes of its processes: what ends when they do."""
        return sum(_private(pid) for pid in self.processes())

    def threads(self) -> int:
        """Return how many threads its processes have."""
        return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in self.processes())


def pin_client() -> None:
    """Keep this process off the server's core, and let it hold many sockets."""
    os.sched_setaffinity(0, CLIENT_CORES)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))


@contextmanager
def gunicorn(app: str, kind: str = "gthread", threads: int = 8) -> Iterator[Server]:
    """Serve ``benchmarks.sites:<app>()`` with one gunicorn worker of this kind."""
    command = [
        *(sys.executable, "-m", "gunicorn", "--workers", "1", "--worker-class", kind),
        *("--threads", str(threads), "--worker-connections", "16000", "--keep-alive", "75"),
        *("--bind", "fd://{fd}", "--log-level", "error"),
        *("--no-control-socket", f"benchmarks.sites:{app}"),
    ]
    with serving(command) as server:
        yield server


@contextmanager
def serving(command: list[str], environment: dict[str, str] | None = None) -> Iterator[Server]:
    """Run a server; ``{fd}`` and ``{port}`` in its command become the listening socket's.

    ``environment`` is added to this process's own.
    """
    with socket.socket() as listener:
        # Listening from the start, so that whoever connects waits for the server to come.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it; without it an answer in two parts may wait 40 ms for an ACK,
        # and the server's idling meanwhile counts as work.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        port = listener.getsockname()[1]
        filled = [part.format(fd=listener.fileno(), port=port) for part in command]
        process = subprocess.Popen(
            filled,
            cwd=ROOT,
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            preexec_fn=lambda: os.sched_setaffinity(0, SERVER_CORES),
            start_new_session=True,
        )
    try:
        yield Server(port, process)
    finally:
        # Nothing is left to finish, and a polite end takes seconds; the session is ours alone.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tree(pid: int) -> list[int]:
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(other for child in below for other in _tree(int(child)))]


def _clock_of(pid: int) -> int:
    """Return the id of a process's CPU clock, as clock_getcpuclockid(3) computes it."""
    return (~pid << 3) | 2


def _private(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = [line.split()[1] for line in lines if line.startswith("Private_")]
    return sum(int(size) for size in sizes) * 1024
