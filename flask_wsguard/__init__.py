"""No page on another origin can open your WebSocket as your user, and your own page always can."""

from .core.refusals import Refusal
from .errors import ConfigError, HandshakeRefused, ScopeMissing
from .guard import WSGuard
from .identity import Identity
from .marks import current_ticket, ws_protected, ws_public
from .signals import (
    handshake_accepted,
    handshake_refused,
    preauth_granted,
    preauth_refused,
)

__all__ = [
    "ConfigError",
    "HandshakeRefused",
    "Identity",
    "Refusal",
    "ScopeMissing",
    "WSGuard",
    "current_ticket",
    "handshake_accepted",
    "handshake_refused",
    "preauth_granted",
    "preauth_refused",
    "ws_protected",
    "ws_public",
]
