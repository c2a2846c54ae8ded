"""OpenTelemetry events by the guard's signals, on the span of the request they are about."""

from typing import Any

from opentelemetry import trace

from flask_wsguard import connection_closed, handshake_accepted, handshake_refused, preauth_refused


def _event(name: str, **attributes: Any) -> None:
    trace.get_current_span().add_event(
        name, {f"wsguard.{key}": value for key, value in attributes.items() if value is not None}
    )


@handshake_accepted.connect
def accepted(app: Any, path: str, ticket: Any, origin: str | None) -> None:
    _event("wsguard.accepted", path=path, user=ticket and ticket.user_id, origin=origin)


@handshake_refused.connect
def refused(app: Any, reason: Any, path: str, origin: str | None, **_: Any) -> None:
    _event("wsguard.refused", reason=reason.value, path=path, origin=origin)


@preauth_refused.connect
def preauth(app: Any, reason: Any, path: str, origin: str | None, **_: Any) -> None:
    _event("wsguard.preauth_refused", reason=reason.value, path=path, origin=origin)


@connection_closed.connect
def closed(app: Any, path: str, reason: str, seconds: float, **_: Any) -> None:
    _event("wsguard.closed", path=path, reason=reason or "by the peer or handler", seconds=seconds)
