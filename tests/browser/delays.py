"""What happens between preauth and connect, and credentials that are kept for too long."""

from __future__ import annotations

from tests.browser.attack import TICKET, Attack
from tests.browser.front import OWN
from tests.browser.visitor import Visitor, heard, log_in
from tests.wire import browsers

LATER = 60
"""Seconds by which the server's clock is put on; the browser still holds the ticket."""


def logout_unheard(visitor: Visitor, site: str) -> str | None:
    """Keep a ticket past a logout of the site's own, which the extension never heard of."""
    log_in(visitor, site)
    url = visitor.grant(site)["url"]
    visitor.post("/control/logout")
    return heard(visitor.knock(url))


def logout_heard(visitor: Visitor, site: str) -> str | None:
    """Keep a token past a logout that the guard heard: it expired the ticket."""
    log_in(visitor, site)
    url = visitor.grant(site)["url"]
    visitor.post(f"{site}/logout")
    return heard(visitor.knock(url))


def logout_unanswered(visitor: Visitor, site: str) -> str | None:
    """Connect after a logout whose answer has not come: session and ticket are still held."""
    log_in(visitor, site)
    url = visitor.grant(site)["url"]
    cookie = f"session={visitor.driver.get_cookie('session')['value']}"
    host = f"{OWN}:{visitor.world.tls}"
    headers = {"Host": host, "X-Forwarded-Proto": "https", "Cookie": cookie}
    with browsers(visitor.world.http) as make:
        assert make().fetch("POST", f"{site}/logout", headers=headers).status == 200
    return heard(visitor.knock(url))


def user_switch(visitor: Visitor, site: str) -> str | None:
    """Keep a ticket past a login as somebody else."""
    log_in(visitor, site)
    url = visitor.grant(site)["url"]
    visitor.log_in("bob", "/control")
    return heard(visitor.knock(url))


def late(visitor: Visitor, site: str) -> str | None:
    """Use token and ticket when their time is over."""
    log_in(visitor, site)
    url = visitor.grant(site)["url"]
    visitor.world.tell(ahead=LATER)
    return heard(visitor.knock(url))


ATTACKS = (
    Attack(
        "logout unheard, before connect",
        logout_unheard,
        "ticket alice, session -",
        "session_ended",
        "/lacking-session",
    ),
    Attack(
        "logout before connect",
        logout_heard,
        "ticket -, session -",
        "ticket_missing",
        "/lacking-ticket",
    ),
    Attack(
        "logout not yet answered, before connect",
        logout_unanswered,
        TICKET,
        "session_ended",
        "/lacking-session",
    ),
    Attack(
        "user switch before connect",
        user_switch,
        "ticket alice, session bob",
        "user_changed",
        "/lacking-session",
    ),
    Attack("token kept too long", late, TICKET, "token_expired", "/lacking-time"),
    Attack(
        "ticket kept too long",
        late,
        TICKET,
        "token_expired",
        "/lacking-time",
        behind={"/lacking-token-time": "ticket_expired"},
    ),
)
