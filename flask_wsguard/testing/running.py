"""The request that runs a socket's view, on a thread of its own."""

from __future__ import annotations

import errno
import socket
import threading
from typing import Any
from urllib.parse import quote

from flask.testing import FlaskClient
from wsproto.utilities import LocalProtocolError


def _is_of_the_close(fault: BaseException) -> bool:
    """Tell whether a view that sends to a page that has left may raise this: no fault of it."""
    if isinstance(fault, OSError) and fault.errno == errno.EBADF:
        return True
    return isinstance(fault, (BrokenPipeError, ConnectionResetError, LocalProtocolError))


class RunningView(threading.Thread):
    """The request that runs the view, on a thread of its own."""

    def __init__(self, client: FlaskClient, path: str, theirs: socket.socket, asked: Any) -> None:
        """Ask as ``client`` for ``path``, with ``asked``; ``theirs`` is the view's socket."""
        super().__init__(name=f"wsguard {path}", daemon=True)
        self.path = path
        self._theirs = theirs
        self._asked = asked
        self._fault: BaseException | None = None
        self.page_left = False
        # A client of its own, because the test goes on using the other; they share their cookies,
        # and the address and browser that Flask-Login may have bound the login to.
        self._client = client.application.test_client()
        self._client._cookies = client._cookies
        self._client.environ_base = client.environ_base

    def run(self) -> None:
        """Send the request; its answer is none, for the socket took its place."""
        overrides = {"werkzeug.socket": self._theirs}
        try:
            self._client.get(quote(self.path), environ_overrides=overrides, **self._asked)
        except BaseException as fault:  # it is the test's, which sees it in close()
            if not (self.page_left and _is_of_the_close(fault)):
                self._fault = fault
        finally:
            self._theirs.close()

    def end(self, timeout: float) -> None:
        """Wait for the view to end, and raise what it raised."""
        self.join(timeout)
        if self.is_alive():
            raise TimeoutError(f"the view of {self.path} runs on after its socket is closed")
        if self._fault is not None:
            raise self._fault
