"""The site's Flask-Login, if it has one. The only door to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from flask import Flask, Request, current_app, g, url_for
from flask.ctx import RequestContext
from flask_login import COOKIE_NAME, current_user, decode_cookie, user_logged_in, user_logged_out
from werkzeug.routing import BuildError

from .cookies import is_plain
from .errors import ConfigError

Receiver = Callable[..., None]


def has_flask_login() -> bool:
    """Tell whether the current app uses Flask-Login."""
    return hasattr(current_app, "login_manager")


def user_of_request() -> Any:
    """Return the user who is logged in, loading them if need be; None for nobody."""
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


def unreadable_cookie_hidden(context: RequestContext) -> AbstractContextManager[object]:
    """Hide a remember cookie at which Flask-Login raises, while the site is asked for its user.

    Flask-Login looks at it beside a session too, where that one's user is gone.
    """
    header, name = context.request.environ.get("HTTP_COOKIE", ""), remember_cookie_name(context.app)
    if is_plain(header, name) or not has_flask_login():
        return nullcontext()
    readable = is_readable(context.request.cookies.get(name, ""))
    return nullcontext() if readable else _without_cookie(context.request, name)


@contextmanager
def _without_cookie(asked: Request, name: str) -> Iterator[None]:
    all_of_them = asked.cookies
    others = [(key, value) for key, value in all_of_them.items(multi=True) if key != name]
    vars(asked)["cookies"] = type(all_of_them)(others)
    try:
        yield
    finally:
        vars(asked)["cookies"] = all_of_them


@contextmanager
def user_untouched() -> Iterator[None]:
    """Let Flask-Login forget whom it finds meanwhile, beside a session that is put aside.

    It looks once in a request: what its session protection wrote would be gone with that session,
    and in the one that comes back a thief's login would count as fresh.
    """
    had = "_login_user" in g
    before = g.get("_login_user")
    try:
        yield
    finally:
        g.pop("_login_user", None)
        if had:
            g._login_user = before


def is_readable(value: str) -> bool:
    """Tell whether Flask-Login can compare a remember cookie: it raises where the digest is odd."""
    return value.rpartition("|")[2].isascii()


def remembered_by(value: str) -> str | None:
    """Return whom a remember cookie names, None where nobody signed it."""
    user_id: str | None = decode_cookie(value) if is_readable(value) else None
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
