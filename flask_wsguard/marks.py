"""The marks on a view, the verdict on a request, and ``current_ticket`` between them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, TypeVar, cast, overload

from flask import has_request_context, request
from werkzeug.local import LocalProxy

from .core.case import Mark, Protected, Public
from .core.refusals import Refusal, Refused
from .core.tickets import Ticket
from .errors import ScopeMissing

ViewT = TypeVar("ViewT", bound=Callable[..., Any])

_MARK = "__wsguard_mark__"
_VERDICT = "flask_wsguard.verdict"
_log = logging.getLogger("flask_wsguard")

POLICY_CLOSE = 4403
"""The close code of a socket whose user may not do this."""


@dataclass(frozen=True, slots=True)
class Admitted:
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
    return cast("Verdict | None", environ.get(_VERDICT))


def set_verdict(environ: dict[str, Any], verdict: Verdict) -> None:
    """Put the verdict on a request; only the guard does."""
    environ[_VERDICT] = verdict


def mark_of(view: Callable[..., Any] | None) -> Mark | None:
    """Return a view's mark, None where it has none or a decorator without ``wraps`` lost it."""
    return cast("Mark | None", getattr(view, _MARK, None))


def naming_view(refused: Refused, view: Callable[..., Any] | None) -> Refused:
    """Say which view carries no mark."""
    if refused.reason is not Refusal.UNGUARDED_ROUTE or view is None:
        return refused
    name = f"{view.__module__}.{getattr(view, '__qualname__', type(view).__name__)}"
    return replace(refused, detail=f"the view is {name}")


@overload
def ws_protected(view: ViewT, /) -> ViewT: ...
@overload
def ws_protected(*, scopes: str | Iterable[str] = ...) -> Callable[[ViewT], ViewT]: ...
def ws_protected(view: Any = ..., /, *, scopes: str | Iterable[str] = ()) -> Any:
    """Mark a WebSocket view: a ticket is needed, and all of ``scopes``.

    Stands directly below ``@sock.route(...)``. Raises TypeError above it, and on a view that is
    marked already. Uncaught ScopeMissing closes the socket with 4403.
    """
    mark = Protected(frozenset({scopes} if isinstance(scopes, str) else scopes))
    if view is ...:
        return lambda view: _protect(view, mark)
    return _protect(view, mark)


@overload
def ws_public(view: ViewT, /) -> ViewT: ...
@overload
def ws_public(*, any_origin: bool = ...) -> Callable[[ViewT], ViewT]: ...
def ws_public(view: Any = ..., /, *, any_origin: bool = False) -> Any:
    """Mark a WebSocket view as public: no login and no ticket, but Origin is checked.

    ``any_origin=True`` lets every page in; the handler then has an anonymous user and an empty
    session. Marks in place: ``ws_public(app.view_functions["x"])`` is enough. Raises TypeError
    above ``@sock.route`` and on a view that is marked already.
    """
    mark = Public(any_origin)
    if view is ...:
        return lambda view: _put(view, mark, "ws_public")
    return _put(view, mark, "ws_public")


def _put(view: Any, mark: Mark, name: str) -> Any:
    if isinstance(view, str):
        raise TypeError(f"write @{name}(scopes={view!r})")
    if not callable(view):
        # sock.route returns None, so a mark above it would protect nothing, silently.
        raise TypeError(
            f"@{name} got {view!r} instead of a view: it goes below @sock.route(...), "
            "directly above the function"
        )
    if mark_of(view) is not None:
        raise TypeError(f"{getattr(view, '__name__', view)!r} carries two marks: keep one")
    setattr(view, _MARK, mark)
    return view


def _protect(view: Any, mark: Protected) -> Any:
    """Mark the view in place, and wrap it so that its body never runs without a verdict."""
    _put(view, mark, "ws_protected")

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not has_request_context() or verdict_of(request.environ) is None:
            return _stop(
                args, "no guard judged this handshake: call WSGuard(app) or guard.init_app(app)"
            )
        try:
            return view(*args, **kwargs)
        except ScopeMissing as missing:
            _log.warning("closing a socket on %s: %s", request.path, missing)
            args[0].close(POLICY_CLOSE, "scope_missing")

    return guarded


def _stop(args: tuple[Any, ...], why: str) -> None:
    """Close the socket that was opened unguarded; raising would write HTTP into it."""
    _log.error("a protected view was reached and did not run: %s", why)
    if args and hasattr(args[0], "close"):
        args[0].close(1011, "unguarded")
        return
    raise RuntimeError(f"a protected view was reached and did not run: {why}")
