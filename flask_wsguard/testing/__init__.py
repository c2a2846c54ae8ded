"""For the test suite of a site with guarded sockets. No server is started; pytest is not needed."""

from .attacks import HOSTILE_ORIGINS, assert_only_own_origin
from .handshakes import Accepted, Refused, handshake
from .sockets import Closed, Socket, connect

__all__ = [
    "HOSTILE_ORIGINS",
    "Accepted",
    "Closed",
    "Refused",
    "Socket",
    "assert_only_own_origin",
    "connect",
    "handshake",
]
