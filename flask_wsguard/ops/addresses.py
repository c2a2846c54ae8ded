"""Addresses as they are typed: what is wrong with one is said, and is never an exception."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

import click
from flask import Flask

from ..core.origins import Origin


def socket_path(_: click.Context, option: click.Parameter, path: str | None) -> str | None:
    """Return an option's path. Raises BadParameter for one that no URL has, and for a rule."""
    if path is not None and not path.startswith("/"):
        raise click.BadParameter(f"a path begins with a slash: /{path}", param=option)
    if path is not None and "<" in path:
        raise click.BadParameter(f"{path} is a rule: write a path that it serves", param=option)
    return path


def parts_of(url: str) -> SplitResult:
    """Split a URL; one that cannot be split, such as ``http://[::1``, has no parts."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def served_at(app: Flask, site: str | None, scheme: str | None = None) -> Origin | None:
    """Return the origin of the app's own pages, None where neither ``site`` nor SERVER_NAME says.

    SERVER_NAME has no scheme: it is ``scheme``, or else PREFERRED_URL_SCHEME. Raises UsageError for
    a ``site`` that is no origin; a slash at its end does no harm.
    """
    name = app.config.get("SERVER_NAME")
    scheme = scheme or app.config["PREFERRED_URL_SCHEME"]
    text = site or (f"{scheme}://{name}" if name else None)
    if text is None:
        return None
    if (own := Origin.parse(text.rstrip("/"))) is None:
        raise click.UsageError(f"--site {text!r} is not scheme://host[:port]")
    return own


def trusted_hosts(app: Flask) -> list[str]:
    """Return TRUSTED_HOSTS; Werkzeug takes a str for a list of one."""
    names = app.config.get("TRUSTED_HOSTS") or []
    return [names] if isinstance(names, str) else list(names)


def likely_origin(authority: str) -> Origin | None:
    """Return the origin of a host whose scheme nobody said: https, on this machine http."""
    origin = Origin.of_request("https", authority)
    return Origin.of_request("http", authority) if origin and origin.is_loopback else origin
