"""The verdict on a request, and ``current_ticket``, which shows it to the handler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

from flask import has_request_context, request
from werkzeug.local import LocalProxy

from .core.refusals import Refusal
from .core.tickets import Ticket
from .errors import ScopeMissing

_VERDICT = "flask_wsguard.verdict"
_CONNECTION = "flask_wsguard.connection"


class Admitted(NamedTuple):
    """The verdict on an accepted handshake; ``ticket`` is None on public routes."""

    ticket: Ticket | None
    path: str


@dataclass(frozen=True, slots=True)
class Observed:
    """The verdict that observe-only mode put in place of a refusal."""

    reason: Refusal


Verdict = Admitted | Observed


class CurrentTicket:
    """What ``current_ticket`` is inside the handler of a protected socket.

    ``issued_at`` and ``expires_at`` are Unix seconds; ``session`` is the opaque fingerprint of
    the login session, as ``disconnect`` takes it.
    """

    __slots__ = ("_ticket", "path")

    def __init__(self, ticket: Ticket, path: str) -> None:
        """Show a verified ticket, opened at ``path``."""
        self._ticket = ticket
        self.path = path

    @property
    def user_id(self) -> str:
        """Return the id that the site's login gave the user."""
        return self._ticket.user_id

    @property
    def scopes(self) -> frozenset[str]:
        """Return all scopes of the user at the time of preauth."""
        return self._ticket.scopes

    @property
    def id(self) -> str:
        """Return the ticket's id, 22 letters, unique."""
        return self._ticket.id

    @property
    def session(self) -> str:
        """Return the login session's fingerprint; empty where the credential cannot travel."""
        return self._ticket.session

    @property
    def issued_at(self) -> int:
        """Return when preauth issued the ticket."""
        return self._ticket.issued_at

    @property
    def expires_at(self) -> int:
        """Return until when the ticket opened a socket; the socket outlives it."""
        return self._ticket.expires_at

    def require(self, scope: str) -> None:
        """Raise ScopeMissing unless the ticket holds this scope."""
        if scope not in self._ticket.scopes:
            raise ScopeMissing(scope)


class NoTicket:
    """What ``current_ticket`` is where there is none: falsy, and every field says why."""

    __slots__ = ("_why",)

    def __init__(self, why: str) -> None:
        """Keep the sentence that every field raises."""
        self._why = why

    def __bool__(self) -> bool:
        """Tell that there is no ticket."""
        return False

    def __getattr__(self, name: str) -> Any:
        """Raise RuntimeError, whatever is asked."""
        raise RuntimeError(f"current_ticket has no {name!r} here: {self._why}")


def _current() -> CurrentTicket | NoTicket:
    if not has_request_context():
        return NoTicket("there is no request")
    match verdict_of(request.environ):
        case Admitted(ticket, path) if ticket is not None:
            return CurrentTicket(ticket, path)
        case Admitted():
            return NoTicket("this is a public route")
        case Observed(reason):
            return NoTicket(f"WSGUARD_ENFORCE is off and this handshake fails: {reason}")
    return NoTicket("this request is no guarded handshake")


current_ticket = cast(CurrentTicket, LocalProxy(_current))


def verdict_of(environ: dict[str, Any]) -> Verdict | None:
    """Return the verdict that stands on a request, None before or without one."""
    verdict: Verdict | None = environ.get(_VERDICT)
    return verdict


def set_verdict(environ: dict[str, Any], verdict: Verdict) -> None:
    """Put the verdict on a request; only the guard does."""
    environ[_VERDICT] = verdict


class Attachable(Protocol):
    """What a handler gives its socket to, so that others can close it."""

    @property
    def is_closing(self) -> bool:
        """Tell whether somebody asked for the close."""

    def attach(self, ws: Any) -> bool:
        """Take the socket; False when the handler must not run."""

    def close(self, code: int, reason: str) -> bool:
        """Send the close frame, without waiting for the peer; False when closing already."""

    def end(self) -> None:
        """Shut the connection down, and see its reader leave."""


def connection_of(environ: dict[str, Any]) -> Attachable | None:
    """Return the connection that stands for this request's socket, None without one."""
    connection: Attachable | None = environ.get(_CONNECTION)
    return connection


def set_connection(environ: dict[str, Any], connection: Attachable) -> None:
    """Put the connection on a request; only the guard does."""
    environ[_CONNECTION] = connection


def drop_connection(environ: dict[str, Any]) -> Attachable | None:
    """Take the connection off a request and return it, None without one."""
    connection: Attachable | None = environ.pop(_CONNECTION, None)
    return connection
