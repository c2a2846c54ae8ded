"""Cookies that a sibling plants with ``Domain=``: the victim's own page then sends them along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.browser.attack import Attack
from tests.browser.front import OWN, SIBLING
from tests.browser.visitor import Visitor, heard, log_in
from tests.wire import browsers


def session_for_the_socket(visitor: Visitor, site: str) -> str | None:
    """Plant the attacker's session where the socket is: the victim's own page speaks as him."""
    with _planted(visitor, site, f"{site}/echo"):
        own = visitor.world.wss(f"{site}/echo")
        return heard(visitor.knock(own if site == "/control" else visitor.grant(site)["url"]))


def session_for_preauth(visitor: Visitor, site: str) -> str | None:
    """Plant it where preauth alone is: the victim's page gets a ticket that is the attacker's."""
    with _planted(visitor, site, f"{site}/wsguard"):
        granted = visitor.call("grant", site, "/echo")
        return heard(visitor.knock(granted["url"])) if granted["status"] == 200 else None


@contextmanager
def _planted(visitor: Visitor, site: str, path: str) -> Iterator[None]:
    """Let alice's browser hold bob's session at a path, for the length of a ``with``."""
    log_in(visitor, site)
    with browsers(visitor.world.http) as make:
        theirs = make().log_in("bob").jar["session"]
    visitor.blank(SIBLING)
    attributes = f"; Domain={OWN}; Path={path}; Secure; SameSite=None"
    visitor.plant(f"session={theirs}{attributes}")
    try:
        visitor.go(visitor.world.https(path=f"{site}/page"))
        yield
    finally:
        visitor.blank(SIBLING)
        visitor.plant(f"session=; Max-Age=0{attributes}")


ATTACKS = (
    Attack("planted session", session_for_the_socket, "ticket -, session bob", "user_changed"),
    Attack(
        "session planted for preauth alone",
        session_for_preauth,
        "ticket bob, session alice",
        "user_changed",
        "/lacking-session",
    ),
)
