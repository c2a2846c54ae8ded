"""Who is asking, and whose session it is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from flask import Request, request
from flask.ctx import RequestContext

from .cookies import agreed_on, cookies_of, is_plain, value_of
from .core.case import Session
from .logins import (
    has_flask_login,
    id_of,
    is_readable,
    remember_cookie_name,
    remembered_by,
    unreadable_cookie_hidden,
    user_by_id,
    user_of_request,
)
from .sessions import current_context, open_session_alone, session_of

NONCE_KEY = "_wsguard"
"""Where the session keeps its nonce. Written at login and nowhere else, so that two first
preauths at once cannot race for it."""

Loader = Callable[[Request], "Identity | None"]
Reload = Callable[[str], "object | None"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a loader found: a unique id, the site's user object, and the session's name if any."""

    id: str
    user: object
    session: str | None = None


class Found(NamedTuple):
    """An identity, and whether its credential also travels on a handshake."""

    identity: Identity
    ambient: bool


class Loaders:
    """The site's ways to know its user, asked in order; Flask-Login last."""

    __slots__ = ("_custom", "_reloads", "has_ambient")

    def __init__(self) -> None:
        """Start with Flask-Login alone.

        ``has_ambient`` says whether a loader of the site's must be asked at the handshake.
        """
        self.has_ambient = False
        self._custom: list[tuple[Loader, bool]] = []
        self._reloads: list[Reload] = []

    def add(self, loader: Loader, *, ambient: bool, reload: Reload | None) -> None:
        """Add a loader in front of Flask-Login, behind the earlier ones."""
        self._custom.append((loader, ambient))
        self.has_ambient |= ambient
        if reload:
            self._reloads.append(reload)

    @property
    def all_reload(self) -> bool:
        """Tell whether every loader can find its users again without a request."""
        return len(self._reloads) == len(self._custom)

    def reload(self, user_id: str) -> object | None:
        """Find a user again by id, where there is no request; None for one who is gone."""
        for reload in self._reloads:
            if (user := reload(user_id)) is not None:
                return user
        return user_by_id(user_id) if has_flask_login() else None

    @property
    def has_any(self) -> bool:
        """Tell whether the site has a way to know its user at all."""
        return bool(self._custom) or has_flask_login()

    def find(self, *, ambient: bool | None = None) -> Found | None:
        """Ask for the user of the current request. Errors of a loader are the site's: they pass.

        ``ambient`` asks only for a credential that travels on a handshake, or only for others.
        """
        with unreadable_cookie_hidden(current_context()):
            for loader, travels in self._custom:
                if ambient not in (None, travels):
                    continue
                identity = loader(request)
                if identity is not None:
                    return Found(_checked(identity), travels)
            return _flask_login_user() if ambient is not False and has_flask_login() else None


def _checked(identity: Any) -> Identity:
    if not (
        isinstance(identity, Identity)
        and isinstance(identity.id, str)
        and identity.id
        and isinstance(identity.session, str | None)
    ):
        raise TypeError(
            "an identity_loader returns Identity(id=<a non-empty str>, user=..., "
            f"session=<a str or None>) or None, not {identity!r}"
        )
    return identity


def _flask_login_user() -> Found | None:
    user = user_of_request()
    if user is None:
        return None
    nonce = named_by(session_of(current_context())).nonce
    return Found(Identity(str(id_of(user)), user, nonce), ambient=True)


def session_of_request() -> Session:
    """Say whom the site's session names, without loading anybody.

    A sibling can plant a session cookie with ``Domain=`` and a longer path; it is sent first and
    Flask reads the first. Where the session names nobody the remember cookie does, and it can be
    planted just so.
    """
    context = current_context()
    header: str = context.request.environ.get("HTTP_COOKIE", "")
    name = context.app.session_interface.get_cookie_name(context.app)
    session = named_by(session_of(context))
    if not is_plain(header, name):
        session = agreed_on(cookies_of(header, name), partial(_session_in, context), session)
    if session.user_id is None and not session.disputed and has_flask_login():
        name = remember_cookie_name(context.app)
        if not is_plain(header, name):
            return agreed_on(cookies_of(header, name), _remembered_in, session)
    return session


def _session_in(context: RequestContext, cookie: str) -> Session:
    return named_by(open_session_alone(context, cookie) or {})


def _remembered_in(cookie: str) -> Session | None:
    value = value_of(cookie)
    return Session(remembered_by(value), None) if is_readable(value) else None


def session_that_came() -> Session:
    """Say whom the session named when the request came, whatever a login has written since.

    Else the remember cookie: a user's first request by it has nobody in the session yet.
    """
    context = current_context()
    app = context.app
    session = named_by(app.session_interface.open_session(app, context.request) or {})
    if session.user_id is not None:
        return session
    came = context.request.cookies.get(remember_cookie_name(app), "")
    return session._replace(user_id=remembered_by(came))


def named_by(session: Mapping[str, Any]) -> Session:
    """Return whom a session names; ids are compared as str, as tickets carry them."""
    user_id, nonce = session.get("_user_id"), session.get(NONCE_KEY)
    return Session(
        None if user_id is None else str(user_id), nonce if isinstance(nonce, str) else None
    )


def new_nonce() -> str:
    """Return a fresh session nonce: 128 random bits."""
    return secrets.token_urlsafe(16)
