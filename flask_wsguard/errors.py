"""What the extension raises: at start-up, in handlers, and where a handshake is judged by hand."""

from __future__ import annotations

from collections.abc import Iterable

from werkzeug.exceptions import Forbidden

from .core.refusals import Refusal


class ConfigError(ValueError):
    """The configuration is wrong. ``faults`` holds every fault, the message all of them."""

    def __init__(self, faults: Iterable[str]) -> None:
        """Join all faults into one message, so that one restart mends them all."""
        self.faults = tuple(faults)
        super().__init__(
            "\n".join(["flask_wsguard is not configured:", *(f"- {f}" for f in self.faults)])
        )


class HandshakeRefused(Forbidden):
    """``verify_handshake`` says no: an HTTP 403 that carries the ``reason``."""

    def __init__(self, reason: Refusal, detail: str = "") -> None:
        """Carry the reason, and for the operator what was seen."""
        self.reason = reason
        self.detail = detail
        super().__init__(description=f"{reason.meaning} ({reason})")


class ScopeMissing(Exception):
    """``current_ticket.require(scope)`` says no; uncaught, the socket closes with 4403."""

    def __init__(self, scope: str) -> None:
        """Carry the scope that the ticket lacks."""
        self.scope = scope
        super().__init__(f"the ticket lacks the scope {scope!r}")
