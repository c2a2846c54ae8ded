"""A network between a site and its Redis that delays every byte as long as the test likes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress


class SlowNetwork:
    """Forwards TCP to a port of this machine; each chunk waits ``delay`` seconds on its way."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay = 0.0
        self._hurry = threading.Event()
        self._held = ExitStack()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._go(self._accept)

    def heal(self) -> None:
        """Delay nothing any more, what is on its way included."""
        self.delay = 0.0
        self._hurry.set()

    def close(self) -> None:
        """Cut every connection, and wait for the threads."""
        self.heal()
        for end in (self._listener, *self._sockets):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
        self._held.close()

    def _go(self, run: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._behind), 5)
                far.settimeout(None)
                for end in (near, far):
                    self._sockets.append(self._held.enter_context(end))
                self._go(self._pump, near, far)
                self._go(self._pump, far, near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.delay:
                    self._hurry.wait(self.delay)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def slow_network(port: int) -> Iterator[SlowNetwork]:
    """Run a network in front of a port until the block ends."""
    network = SlowNetwork(port)
    try:
        yield network
    finally:
        network.close()
