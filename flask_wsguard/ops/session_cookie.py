"""The session's cookie: whether browsers take it, who can plant it, and who can read it."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask

from .findings import ERROR, WARNING, Finding, Site

_HOST, _SECURE = "__host-", "__secure-"


def session_cookie(site: Site) -> Iterator[Finding]:
    """Find a session that browsers drop, a sibling can plant, or a listener can read."""
    config = site.app.config
    if lines := list(_dropped_for(site.app)):
        name = config["SESSION_COOKIE_NAME"]
        what = f"browsers drop a cookie {name!r} that is not as its prefix demands: no login lasts"
        yield Finding("session_cookie_refused", ERROR, what, "\n".join(lines))
        return
    if not config["SESSION_COOKIE_NAME"].startswith("__Host-"):
        what = "a sibling of your host can plant the session cookie, and lock users out"
        yield Finding("session_plantable", WARNING, what, _against_planting(site.app))
    if not config["SESSION_COOKIE_SECURE"]:
        what = "the session cookie also travels over plain http"
        yield Finding("session_not_secure", WARNING, what, "SESSION_COOKIE_SECURE = True")


def _dropped_for(app: Flask) -> Iterator[str]:
    """Yield the lines without which browsers drop the cookie (RFC 6265bis, section 5.7)."""
    # Browsers compare the prefix without case.
    name = app.config["SESSION_COOKIE_NAME"].lower()
    if name.startswith((_HOST, _SECURE)) and not app.config["SESSION_COOKIE_SECURE"]:
        yield "SESSION_COOKIE_SECURE = True"
    if name.startswith(_HOST) and app.config["SESSION_COOKIE_DOMAIN"]:
        yield "SESSION_COOKIE_DOMAIN = None, or a name without __Host-"
    if name.startswith(_HOST) and _path(app) != "/":
        yield 'SESSION_COOKIE_PATH = "/"'


def _against_planting(app: Flask) -> str:
    """Return the name that forbids it, or what stands in the way of that name."""
    if domain := app.config["SESSION_COOKIE_DOMAIN"]:
        return f"SESSION_COOKIE_DOMAIN = None, or let nobody else have a host of {domain}"
    if _path(app) != "/":
        return 'SESSION_COOKIE_PATH = "/", then check again'
    return 'SESSION_COOKIE_NAME = "__Host-session"'


def _path(app: Flask) -> str:
    """Return the cookie's path, as Flask chooses it."""
    path: str = app.config["SESSION_COOKIE_PATH"] or app.config["APPLICATION_ROOT"]
    return path
