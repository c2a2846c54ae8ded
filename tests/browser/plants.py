"""Cookies that a sibling plants with ``Domain=``: the victim's own page then sends them along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.browser.attack import TICKET, Attack
from tests.browser.front import OWN, SIBLING
from tests.browser.visitor import Visitor, heard, log_in
from tests.wire import browsers

ORDER = "sends both quotes before the session"
HERSELF = "she connects as herself"


def session_for_the_socket(visitor: Visitor, site: str) -> str | None:
    """Plant the attacker's session where the socket is: the victim's own page speaks as him."""
    with _planted(visitor, site, [f"session={_theirs(visitor)['session']}"], f"{site}/echo"):
        own = visitor.world.wss(f"{site}/echo")
        return heard(visitor.knock(own if site == "/control" else visitor.grant(site)["url"]))


def session_for_preauth(visitor: Visitor, site: str) -> str | None:
    """Plant it where preauth alone is: the victim's page gets a ticket that is the attacker's."""
    with _planted(visitor, site, [f"session={_theirs(visitor)['session']}"], f"{site}/wsguard"):
        return _connect(visitor, site)


def remembered_behind_quotes(visitor: Visitor, site: str) -> str | None:
    """Plant a remember cookie, and quotes on either side of the victim's session.

    What stands between two quotes is the value of the first cookie to Werkzeug: no session, so
    that the remember cookie says who is there, at preauth and at the socket alike.
    """
    planted = [f"remember_token={_theirs(visitor)['remember_token']}", 'a="']
    with (
        _planted(visitor, site, planted, f"{site}/wsguard", f"{site}/echo"),
        _planted(visitor, site, ['b="'], "/"),
    ):
        words = _connect(visitor, site)
    cookies = visitor.decisions()[0]["cookies"]
    visitor.stopped = ORDER if cookies.index('b="') < cookies.index("session=") else ""
    visitor.page_reason = HERSELF
    return None if words == TICKET else words


def _theirs(visitor: Visitor) -> dict[str, str]:
    """Return the cookies of bob, who let the site remember him."""
    with browsers(visitor.world.http) as make:
        jar: dict[str, str] = make().log_in("bob?remember").jar
    return jar


def _connect(visitor: Visitor, site: str) -> str | None:
    """Let the victim's own page connect."""
    visitor.go(visitor.world.https(path=f"{site}/page"))
    granted = visitor.call("grant", site, "/echo")
    return heard(visitor.knock(granted["url"])) if granted["status"] == 200 else None


@contextmanager
def _planted(visitor: Visitor, site: str, cookies: list[str], *paths: str) -> Iterator[None]:
    """Let alice's browser hold these cookies at each path, for the length of a ``with``."""
    log_in(visitor, site)
    visitor.blank(SIBLING)
    attributes = [f"; Domain={OWN}; Path={path}; Secure; SameSite=None" for path in paths]
    visitor.plant(*(f"{cookie}{where}" for where in attributes for cookie in cookies))
    try:
        visitor.go(visitor.world.https(path=f"{site}/page"))
        yield
    finally:
        names = [cookie.partition("=")[0] for cookie in cookies]
        visitor.blank(SIBLING)
        visitor.plant(*(f"{name}=; Max-Age=0{where}" for where in attributes for name in names))


ATTACKS = (
    Attack("planted session", session_for_the_socket, "ticket -, session bob", "user_changed"),
    Attack(
        "session planted for preauth alone",
        session_for_preauth,
        "ticket bob, session alice",
        "user_changed",
        "/lacking-session",
    ),
    Attack(
        "remember cookie planted behind quotes",
        remembered_behind_quotes,
        "ticket bob, session bob",
        "user_changed",
        "/lacking-dispute",
        stopped_by={"webkit": ORDER},
        elsewhere={"webkit": {"": HERSELF}},
    ),
)
