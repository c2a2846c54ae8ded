"""The marks on a view, and what a marked view does before and after its body."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar, overload

from flask import has_request_context, request
from wsproto.utilities import LocalProtocolError

from .core.case import Mark, Protected, Public
from .core.refusals import Refusal, Refused
from .errors import ScopeMissing
from .sessions import current_context
from .verdicts import Attachable, Observed, Verdict, connection_of, verdict_of

ViewT = TypeVar("ViewT", bound=Callable[..., Any])

_MARK = "__wsguard_mark__"
_log = logging.getLogger("flask_wsguard")

POLICY_CLOSE = 4403
"""The close code of a socket whose user may not do this."""


def mark_of(view: Callable[..., Any] | None) -> Mark | None:
    """Return a view's mark, None where it has none or a decorator without ``wraps`` lost it."""
    mark: Mark | None = getattr(view, _MARK, None)
    return mark


def naming_view(refused: Refused, view: Callable[..., Any] | None) -> Refused:
    """Say which view carries no mark."""
    if refused.reason is not Refusal.UNGUARDED_ROUTE or view is None:
        return refused
    name = f"{view.__module__}.{getattr(view, '__qualname__', type(view).__name__)}"
    return refused._replace(detail=f"the view is {name}")


@overload
def ws_protected(view: ViewT, /) -> ViewT: ...
@overload
def ws_protected(
    *, scopes: str | Iterable[str] = ..., max_age: int | None = ...
) -> Callable[[ViewT], ViewT]: ...
def ws_protected(
    view: Any = ..., /, *, scopes: str | Iterable[str] = (), max_age: int | None = None
) -> Any:
    """Mark a WebSocket view: a ticket is needed, and all of ``scopes``.

    ``max_age`` closes its sockets after so many seconds; it can only shorten
    ``WSGUARD_MAX_CONNECTION_AGE``. Stands directly below ``@sock.route(...)``. Raises TypeError
    above it, and on a view that is marked already. Uncaught ScopeMissing closes with 4403.
    """
    if max_age is not None and (type(max_age) is not int or max_age < 1):
        raise TypeError(f"max_age is a whole number of seconds, at least 1, not {max_age!r}")
    mark = Protected(scopes_demanded(scopes), max_age)
    if view is ...:
        return lambda view: _protect(view, mark)
    return _protect(view, mark)


@overload
def ws_public(view: ViewT, /) -> ViewT: ...
@overload
def ws_public(*, any_origin: bool = ...) -> Callable[[ViewT], ViewT]: ...
def ws_public(view: Any = ..., /, *, any_origin: bool = False) -> Any:
    """Mark a WebSocket view as public: no login and no ticket, but Origin is checked.

    ``any_origin=True`` lets every page in; the handler then sees nobody: an anonymous user, an
    empty session, no cookies and no Authorization. Marks in place:
    ``ws_public(app.view_functions["x"])`` is enough. Raises TypeError above ``@sock.route`` and on
    a view that is marked already.
    """
    mark = Public(any_origin)
    if view is ...:
        return lambda view: _open(view, mark)
    return _open(view, mark)


def scopes_demanded(scopes: str | Iterable[str]) -> frozenset[str]:
    """Return the scopes that a route needs. Raises TypeError for what is no scope."""
    demanded = frozenset({scopes} if isinstance(scopes, str) else scopes)
    if not all(isinstance(scope, str) and scope for scope in demanded):
        raise TypeError(f"scopes are one non-empty str or several, not {scopes!r}")
    return demanded


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
    try:
        setattr(view, _MARK, mark)
    except AttributeError:
        raise TypeError(f"@{name} cannot mark {view!r}: give it a function") from None
    return view


def _open(view: Any, mark: Public) -> Any:
    """Mark the view in place, and wrap it so that its socket can be closed from elsewhere."""
    _put(view, mark, "ws_public")

    @wraps(view)
    def attached(*args: Any, **kwargs: Any) -> Any:
        environ = _environ()
        if environ is None:
            return view(*args, **kwargs)
        return _run_attached(connection_of(environ), view, args, kwargs)

    return attached


def _protect(view: Any, mark: Protected) -> Any:
    """Mark the view in place, and wrap it so that its body never runs without a verdict."""
    _put(view, mark, "ws_protected")

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        environ = _environ()
        if environ is None or not _may_run(verdict_of(environ), mark):
            return _stop(
                _socket_among(*args, *kwargs.values()),
                "no guard judged this handshake for it: call WSGuard(app) or guard.init_app(app), "
                "and let no decorator hide its mark",
            )
        return _run_attached(connection_of(environ), view, args, kwargs)

    return guarded


def _environ() -> dict[str, Any] | None:
    """Return the environ of the current request, None without one."""
    return current_context().request.environ if has_request_context() else None


def _may_run(verdict: Verdict | None, mark: Protected) -> bool:
    """Tell whether a verdict lets a visitor in here: a public view's, and one that asked less, no.

    A view may call another, and a decorator without ``wraps`` may hide the mark below its own.
    """
    if isinstance(verdict, Observed):
        return True
    ticket = verdict.ticket if verdict else None
    return ticket is not None and mark.scopes <= ticket.scopes


def _socket_among(*given: Any) -> Any:
    """Return the socket that a view is called with, None without one.

    A method has it behind ``self``, and a decorator may put anything in front of it.
    """
    for one in given:
        # The site's own object may keep its Sock under that name.
        if hasattr(getattr(one, "sock", None), "shutdown") and hasattr(one, "close"):
            return one
    return None


def _run_attached(
    connection: Attachable | None, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run a handler while its socket can be closed from elsewhere."""
    ws = _socket_among(*args, *kwargs.values())
    if connection and ws is not None and not connection.attach(ws):
        return None
    try:
        return view(*args, **kwargs)
    except ScopeMissing as missing:
        _log.warning("closing a socket on %r: %s", request.path, missing)
        if connection:
            connection.close(POLICY_CLOSE, "scope_missing")
        else:
            ws.close(POLICY_CLOSE, "scope_missing")
    except (OSError, LocalProtocolError):
        # A handler that was sending when its socket was closed; that is no fault of the site's,
        # and an answer would be HTTP behind the close frame.
        if not connection or not connection.is_closing:
            raise
    finally:
        if connection and connection.is_closing:
            # gunicorn's main thread would wait two seconds for a peer that stays silent.
            connection.end()
    return None


def _stop(ws: Any, why: str) -> None:
    """Close the socket that was opened unguarded; raising would write HTTP into it."""
    _log.error("a protected view was reached and did not run: %s", why)
    if ws is not None:
        ws.close(1011, "unguarded")
        return
    raise RuntimeError(f"a protected view was reached and did not run: {why}")
