"""The site's Flask-Login, if it has one. The only door to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, current_app, g, url_for
from flask.ctx import RequestContext
from flask_login import COOKIE_NAME, current_user, decode_cookie, user_logged_in, user_logged_out
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import BuildError

from .cookies import is_plain
from .errors import ConfigError
from .sessions import current_context

Receiver = Callable[..., None]


def has_flask_login() -> bool:
    """Tell whether the current app uses Flask-Login."""
    return hasattr(current_app, "login_manager")


def user_of_request() -> Any:
    """Return the user who is logged in, loading them if need be; None for nobody."""
    _hide_unreadable_cookie(current_context())
    user = current_user._get_current_object()
    return user if user and user.is_authenticated else None


def id_of(user: Any) -> str | None:
    """Return the id under which Flask-Login keeps a user, None for nobody.

    A site's own class for nobody need not have one.
    """
    get_id = getattr(user, current_app.login_manager.id_attribute, None)  # type: ignore[attr-defined]
    user_id = get_id() if get_id else None
    return None if user_id is None else str(user_id)


def user_by_id(user_id: str) -> object | None:
    """Find a user again without a request; None for one who is gone. Raises ConfigError."""
    load = current_app.login_manager._user_callback  # type: ignore[attr-defined]
    if load is None:
        raise ConfigError(
            [
                "WSGUARD_REVALIDATE_EVERY needs a way to find users again: give Flask-Login a "
                "user_loader beside its request_loader"
            ]
        )
    user: object | None = load(user_id)
    return user if user is not None and getattr(user, "is_authenticated", True) else None


def remember_cookie_name(app: Flask) -> str:
    """Return the name of the cookie by which Flask-Login remembers users."""
    name: str = app.config.get("REMEMBER_COOKIE_NAME", COOKIE_NAME)
    return name


def _hide_unreadable_cookie(context: RequestContext) -> None:
    """Hide a remember cookie that no site wrote, at which Flask-Login raises.

    It looks at it even beside a session, where that one's user is gone.
    """
    name, asked = remember_cookie_name(context.app), context.request
    if is_plain(asked.environ.get("HTTP_COOKIE", ""), name):
        return
    if not asked.cookies.get(name, "").isascii():
        readable = [(key, value) for key, value in asked.cookies.items(multi=True) if key != name]
        vars(asked)["cookies"] = ImmutableMultiDict(readable)


def remembered_by(value: str) -> str | None:
    """Return whom a remember cookie names, None where nobody signed it."""
    # Flask-Login compares it as text, which raises on any other letter.
    user_id: str | None = decode_cookie(value) if value.isascii() else None
    return user_id


def connect_logins(app: Flask, on_login: Receiver, on_logout: Receiver) -> None:
    """Call back at each login and logout of this app: receiver(app, user=...)."""
    user_logged_in.connect(on_login, app)
    user_logged_out.connect(on_logout, app)


def make_anonymous() -> None:
    """Let the handler of a socket that any page may open see nobody."""
    if has_flask_login():
        g._login_user = current_app.login_manager.anonymous_user()  # type: ignore[attr-defined]


def login_url() -> str | None:
    """Return where the site's login page is, None when Flask-Login does not know."""
    if not has_flask_login():
        return None
    view: str | None = current_app.login_manager.login_view  # type: ignore[attr-defined]
    if not view or view.startswith(("http://", "https://", "/")):
        return view or None
    try:
        return url_for(view)
    except BuildError:
        return None
