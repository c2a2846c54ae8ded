"""No page on another origin can open your WebSocket as your user, and your own page always can."""

from .core.refusals import Refusal
from .errors import ConfigError, HandshakeRefused, ScopeMissing
from .guard import WSGuard
from .identity import Identity
from .marks import ws_protected, ws_public
from .signals import (
    connection_closed,
    connection_opened,
    handshake_accepted,
    handshake_refused,
    preauth_granted,
    preauth_refused,
)
from .verdicts import current_ticket

__all__ = [
    "ConfigError",
    "HandshakeRefused",
    "Identity",
    "Refusal",
    "ScopeMissing",
    "WSGuard",
    "connection_closed",
    "connection_opened",
    "current_ticket",
    "handshake_accepted",
    "handshake_refused",
    "preauth_granted",
    "preauth_refused",
    "ws_protected",
    "ws_public",
]
