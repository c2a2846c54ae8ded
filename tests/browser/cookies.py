"""What an attacker does with cookies: tickets of his own, planted in the victim's browser.

Each move returns what the attacker got, None for nothing.
"""

from __future__ import annotations

from functools import partial

from tests.browser.attack import Attack
from tests.browser.front import OWN, SIBLING
from tests.browser.visitor import Visitor
from tests.wire import browsers

MORE_THAN_THE_CAP = 20
PLANTED = "ticket bob, session alice"
GONE = "her ticket is gone"
PREFIX = "refuses the cookie"
NOT_HELD = {"/lacking-origin": "ticket_missing"}


def plant_ticket(visitor: Visitor, site: str, prefix: str) -> str | None:
    """Plant the attacker's own ticket from a sibling; its token is in the address he opens."""
    visitor.go(visitor.world.https(path=f"{site}/page"))
    visitor.log_in("bob", site)
    granted = visitor.grant(site)
    ticket_id = granted["token"].split(".")[1]
    held = visitor.cookies()
    ticket = next(held[name] for name in held if name.endswith(ticket_id))
    visitor.forget()
    visitor.go(visitor.world.https(path=f"{site}/page"))
    visitor.log_in("alice", site)
    visitor.blank(SIBLING)
    attributes = f"; Domain={OWN}; Path=/; Secure; SameSite=None; Max-Age=30"
    visitor.plant(f"{prefix}{ticket_id}={ticket}{attributes}")
    visitor.stopped = "" if f"{prefix}{ticket_id}" in visitor.cookies() else PREFIX
    heard: str | None = visitor.knock(granted["url"])["heard"]
    return heard


def flood_with_tickets(visitor: Visitor, site: str) -> str | None:
    """Plant valid tickets of the attacker, more than the cap, so that it expires the victim's.

    From another port of localhost: over plain http the cookies' names have no prefix.
    """
    visitor.go(visitor.local(f"{site}/page"))
    visitor.log_in("alice", site)
    unspent = visitor.grant(site)["url"].replace("http", "ws")
    with browsers(visitor.world.http) as make:
        theirs = make().log_in("bob")
        grants = [theirs.preauth("/echo", site) for _ in range(MORE_THAN_THE_CAP)]
    visitor.go(visitor.local("/blank", other=True))
    visitor.plant(*(f"{one.cookie}={one.ticket}; Path=/; Max-Age=30" for one in grants))
    visitor.go(visitor.local(f"{site}/page"))
    visitor.grant(site)
    visitor.page_reason = "her ticket stays"
    return None if visitor.knock(unspent)["heard"] else GONE


def clobber_the_other_tab(visitor: Visitor, site: str) -> str | None:
    """Ask for a ticket in a second tab before the first has used its own."""
    page = visitor.world.https(path=f"{site}/page")
    visitor.go(page)
    visitor.log_in("alice", site)
    first = visitor.driver.current_window_handle
    unspent = visitor.grant(site)["url"]
    visitor.driver.switch_to.new_window("tab")
    visitor.go(page)
    visitor.grant(site)
    visitor.driver.switch_to.window(first)
    visitor.page_reason = "each has its own"
    return None if visitor.knock(unspent)["heard"] else GONE


ATTACKS = (
    Attack(
        "planted ticket, plain name",
        partial(plant_ticket, prefix="wsguard-"),
        PLANTED,
        "origin_not_allowed",
        "/lacking-prefix",
        behind={"/lacking-origin-and-session": "ticket_missing"},
    ),
    Attack(
        "planted ticket, __Secure- name",
        partial(plant_ticket, prefix="__Secure-wsguard-"),
        PLANTED,
        "origin_not_allowed",
        "/lacking-host-prefix",
        behind={"/lacking-origin-and-session": "ticket_missing"},
    ),
    Attack(
        "planted ticket, __Host- name",
        partial(plant_ticket, prefix="__Host-Http-wsguard-"),
        PLANTED,
        "origin_not_allowed",
        "/lacking-origin-and-session",
        behind={"/lacking-origin": "user_changed"},
        stopped_by={"chromium": PREFIX, "firefox": PREFIX},
        elsewhere={"chromium": NOT_HELD, "firefox": NOT_HELD},
    ),
    Attack(
        "flood of planted tickets",
        flood_with_tickets,
        GONE,
        "her ticket stays",
        "/lacking-whose",
    ),
    Attack(
        "another tab's ticket, clobbered",
        clobber_the_other_tab,
        GONE,
        "each has its own",
        "/lacking-names",
    ),
)
