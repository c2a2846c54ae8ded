"""The site's session, read but never written by anything that the guard answers.

Flask re-sends permanent sessions with every answer: a preauth that a logout overtook would bring
the old session back, and a refusal would refresh a stranger's. And a server-side session saved
when a socket ends would undo a logout of hours ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from flask.ctx import RequestContext
from flask.globals import request_ctx
from flask.sessions import NullSession, SessionMixin

_WRITERS = ("__setitem__", "__delitem__", "clear", "pop", "popitem", "update", "setdefault")


current_context: Callable[[], RequestContext] = request_ctx._get_current_object  # type: ignore[attr-defined]
"""Returns what ``request``, ``session`` and ``current_app`` look up anew each time."""


def session_of(context: RequestContext) -> SessionMixin:
    """Return a request's session without the mark of having been read.

    Flask adds ``Vary: Cookie`` for that mark; the guard's answers carry their own.
    """
    session: SessionMixin = getattr(context, _SESSION_SLOT)
    return session


def detach_session(context: RequestContext, *, empty: bool = False) -> None:
    """Put a throw-away copy of the session, or an empty one, in a request.

    What is written to it is seen by this request alone. A null session would not do: Flask-Login
    writes to it, and it raises.
    """
    copy = _throwaway_class(context.app.session_interface.null_session_class)()
    original = session_of(context)
    vars(copy).update(vars(original))
    if not empty:
        dict.update(copy, original)
    setattr(context, _SESSION_SLOT, copy)


@contextmanager
def session_untouched(context: RequestContext) -> Iterator[None]:
    """Put a throw-away copy in a request for a while: what is written to it is gone then."""
    original = session_of(context)
    detach_session(context)
    try:
        yield
    finally:
        setattr(context, _SESSION_SLOT, original)


def is_thrown_away(context: RequestContext) -> bool:
    """Tell whether what is written to a request's session reaches no browser."""
    return context.app.session_interface.is_null_session(session_of(context))


def open_session_alone(context: RequestContext, cookie: str) -> SessionMixin | None:
    """Open the session that the site would see, were ``name=value`` the only cookie."""
    app = context.app
    environ = {**context.request.environ, "HTTP_COOKIE": cookie}
    return app.session_interface.open_session(app, app.request_class(environ))


# Flask 3.1.3 put a property without a setter in front of the attribute.
_HAS_PROPERTY = isinstance(getattr(RequestContext, "session", None), property)
_SESSION_SLOT = "_session" if _HAS_PROPERTY else "session"


@cache
def _throwaway_class(null_session: type[NullSession]) -> type[NullSession]:
    """Derive a session that takes writes from the class that Flask never saves."""
    writers = {name: getattr(dict, name) for name in _WRITERS}
    return type("ThrowAwaySession", (null_session,), writers)
