"""Loading docs/examples, in this process or under a gunicorn of its own."""

from __future__ import annotations

import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.wire import Wire

FOLDER = Path(__file__).parents[2] / "docs" / "examples"


def load(name: str) -> dict[str, Any]:
    """Run an example as a module and return its names."""
    return runpy.run_path(str(FOLDER / f"{name}.py"))


@contextmanager
def serving(name: str, log_file: Path, **environment: str) -> Iterator[int]:
    """Serve an example's ``app`` with gunicorn gthread; give the port."""
    module = FOLDER / f"{name}.py"
    with socket.create_server(("127.0.0.1", 0)) as listener, log_file.open("wb") as log:
        port: int = listener.getsockname()[1]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "20"),
                *("--no-control-socket", "--bind", f"fd://{listener.fileno()}"),
                *("--chdir", str(module.parent), f"{module.stem}:app"),
            ],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    try:
        _wait_for(port, log_file)
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(port: int, log_file: Path) -> None:
    """Wait for the first answer: the socket listens already, so nothing polls."""
    try:
        with Wire(port) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wire.answer()
    except Exception as fault:
        raise RuntimeError(f"it did not start:\n{log_file.read_text()}") from fault
