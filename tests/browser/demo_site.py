"""The demo with its attack lab, served as ``make demo`` serves it, on ports of our own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.browser.front import listen, process
from tests.wire import Wire


@dataclass(frozen=True)
class Demo:
    """The demo's port, and the attacker's."""

    port: int
    evil_port: int

    @property
    def url(self) -> str:
        """Return the demo's address."""
        return f"http://localhost:{self.port}/"


@contextmanager
def running(
    folder: Path, app: str = "demo.lab:create_lab()", ports: tuple[int, int] = (0, 0)
) -> Iterator[Demo]:
    """Run the demo until the block ends, on these ports where they are free (0: on any)."""
    with _listen(ports[0]) as listener, _listen(ports[1]) as evil:
        demo = Demo(listener.getsockname()[1], evil.getsockname()[1])
        binds = ["-b", f"fd://{listener.fileno()}", "-b", f"fd://{evil.fileno()}"]
        command = [sys.executable, "-m", "gunicorn", "-c", "demo/gunicorn.conf.py", *binds, app]
        environment = {"PORT": str(demo.port), "EVIL_PORT": str(demo.evil_port)}
        log = folder / "demo.log"
        with process(command, log, [listener, evil], **environment), Wire(demo.port) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert wire.answer().status == 200, log.read_text()
            yield demo


def _listen(port: int) -> socket.socket:
    with suppress(OSError):
        return socket.create_server(("127.0.0.1", port), backlog=128)
    return listen()
