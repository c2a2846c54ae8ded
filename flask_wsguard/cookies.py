"""The cookies of one name, where a sibling may have planted some beside the site's own."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.sansio.http import parse_cookie

from .core.case import DISPUTED, Session

_MOST = 4
"""Distinct cookies of one name that are opened. A site that moved its cookie has two; each may cost
a look into a store, and whoever planted more need not be told apart."""


def is_plain(header: str, name: str) -> bool:
    """Tell cheaply whether there is at most one cookie of this name, in plain sight."""
    return name not in header or (header.count(name) < 2 and '"' not in header and header.isascii())


def cookies_of(header: str, name: str) -> list[str] | None:
    """Return the distinct cookies of a name, each as ``name=value``; None where it is disputed.

    Taken apart by Flask's own parser, so that what it takes for a cookie is one here too. For
    that parser a quoted value may hold semicolons: ``a="`` and ``b="``, planted on both sides of
    a cookie, hide it from the site, and what is hidden is disputed. So are too many.
    """
    found: dict[str, None] = {}
    values: list[str] = []
    for part in header.split(";"):
        if name in part and (seen := parse_cookie(part).getlist(name)):
            values += seen
            found[part.strip()] = None
            if len(found) > _MOST:
                return None
    return list(found) if values == parse_cookie(header).getlist(name) else None


def agreed_on(
    cookies: list[str] | None, read: Callable[[str], Session | None], session: Session
) -> Session:
    """Return ``session`` where all cookies of a name agree with it; else nobody wins the dispute.

    Those that name nobody count for nothing, unless one comes first and hides the others, or
    cannot be read.
    """
    each = [read(cookie) for cookie in cookies or ()]
    if cookies is None or (each and each[0] is None):
        return DISPUTED
    somebody = {one for one in each if one and one.user_id is not None}
    agree = len(somebody) < 2 and (not somebody or each[0] in somebody)
    return session if agree else DISPUTED


def value_of(cookie: str) -> str:
    """Return the value of one ``name=value``, as Flask's parser unquotes it."""
    return next(iter(parse_cookie(cookie).values()), "")
