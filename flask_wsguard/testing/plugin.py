"""Fixtures for pytest: ``pytest_plugins = ["flask_wsguard.testing.plugin"]`` in conftest.py.

No entry point: one would load Flask into every pytest run of its environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient

from .attacks import assert_only_own_origin
from .handshakes import Accepted, Refused, handshake
from .sockets import Socket, connect


@dataclass(frozen=True, slots=True)
class SocketClient:
    """The test kit, bound to a test client; the sockets it opens are closed with the test."""

    client: FlaskClient
    _opened: ExitStack

    def handshake(self, path: str, **options: Any) -> Accepted | Refused:
        """Return the verdict on a handshake."""
        return handshake(self.client, path, **options)

    def connect(self, path: str, **options: Any) -> Socket:
        """Open a socket and run its view."""
        return self._opened.enter_context(connect(self.client, path, **options))

    def assert_only_own_origin(self, path: str, **options: Any) -> None:
        """Raise AssertionError unless the site's own page connects, and no hostile one."""
        assert_only_own_origin(self.client, path, **options)


@pytest.fixture
def wsguard_client(client: FlaskClient) -> Iterator[SocketClient]:
    """Give the test kit for the ``client`` fixture of your suite, a Flask test client."""
    with ExitStack() as opened:
        yield SocketClient(client, opened)
