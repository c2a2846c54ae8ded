"""Every attack as a row: what the attacker's page does, where it works, and why it fails here.

The same move runs against the control, where it must get ``gain``, and against the guarded site,
which must refuse it for ``reason``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.browser import cookies, moves
from tests.browser.visitor import Visitor

VICTIM = "ticket -, session alice"
TICKET = "ticket alice, session alice"
PLANTED = "ticket bob, session alice"
GONE = "her ticket is gone"
FORCED = "user_changed, by the client"
PREFIX = "refuses the cookie"


@dataclass(frozen=True)
class Attack:
    """One attack. ``stopped_by`` are the engines that stop it themselves, on the control too.

    ``elsewhere`` are the reasons in engines where the guard has another.
    """

    name: str
    run: Callable[[Visitor, str], str | None]
    gain: str
    reason: str
    control: str = "/control"
    guarded: str = ""
    stopped_by: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)


ATTACKS = (
    Attack("cross-site page", moves.cross_site_page, VICTIM, "origin_not_allowed"),
    Attack("sibling subdomain", moves.sibling_page, VICTIM, "origin_not_allowed"),
    Attack("other port of the host", moves.other_port_page, VICTIM, "origin_not_allowed"),
    Attack("other port of localhost", moves.other_port_of_localhost, VICTIM, "origin_not_allowed"),
    Attack("http page to wss", moves.http_page_to_wss, VICTIM, "origin_not_allowed"),
    Attack("sandboxed frame", moves.sandboxed_frame, VICTIM, "origin_not_allowed"),
    Attack("file: page", moves.file_page, VICTIM, "origin_not_allowed"),
    Attack(
        "preauth forced by a form",
        moves.form_forces_preauth,
        "granted to alice",
        "not_json",
        "/lacking-preauth",
    ),
    Attack(
        "preauth forced by text/plain",
        moves.text_forces_preauth,
        "granted to alice",
        "not_json",
        "/lacking-preauth",
    ),
    Attack(
        "preauth forced by JSON",
        moves.json_forces_preauth,
        "granted to alice",
        "origin_not_allowed",
        "/listed",
    ),
    Attack(
        "lifted token, on a cross-site page",
        moves.lifted_token_on_another_site,
        VICTIM,
        "ticket_missing",
        "/lacking-origin-and-ticket",
        guarded="/lacking-origin",
    ),
    Attack(
        "lifted token, on a sibling",
        moves.lifted_token_on_a_sibling,
        TICKET,
        "origin_not_allowed",
        "/lacking-origin",
    ),
    Attack(
        "lifted token, on another path",
        moves.lifted_token_on_another_path,
        TICKET,
        "path_mismatch",
        "/lacking-path",
    ),
    Attack(
        "lifted token, in another browser",
        moves.lifted_token_in_another_browser,
        "ticket -, session bob",
        "ticket_missing",
        "/lacking-ticket",
    ),
    Attack(
        "ticket without token",
        moves.ticket_without_token,
        VICTIM,
        "token_missing",
        "/lacking-origin-and-token",
        guarded="/lacking-origin",
    ),
    Attack(
        "planted ticket, plain name",
        partial(cookies.plant_ticket, prefix="wsguard-"),
        PLANTED,
        "ticket_missing",
        "/lacking-prefix",
        guarded="/lacking-origin-and-session",
    ),
    Attack(
        "planted ticket, __Secure- name",
        partial(cookies.plant_ticket, prefix="__Secure-wsguard-"),
        PLANTED,
        "ticket_missing",
        "/lacking-host-prefix",
        guarded="/lacking-origin-and-session",
    ),
    Attack(
        "planted ticket, __Host- name",
        partial(cookies.plant_ticket, prefix="__Host-Http-wsguard-"),
        PLANTED,
        "ticket_missing",
        "/lacking-origin-and-session",
        guarded="/lacking-origin",
        stopped_by={"chromium": PREFIX, "firefox": PREFIX},
        elsewhere={"webkit": "user_changed"},
    ),
    Attack(
        "flood of planted tickets",
        cookies.flood_with_tickets,
        GONE,
        "her ticket stays",
        "/lacking-whose",
    ),
    Attack(
        "another tab's ticket, clobbered",
        cookies.clobber_the_other_tab,
        GONE,
        "each has its own",
        "/lacking-names",
    ),
    Attack("planted session", moves.planted_session, "ticket -, session bob", "user_changed"),
    Attack("login forced by a form", moves.forced_login, "ticket -, session bob", FORCED),
    Attack(
        "logout before connect",
        moves.logout_before_connect,
        "ticket alice, session -",
        "session_ended",
        "/lacking-session",
    ),
    Attack(
        "user switch before connect",
        moves.user_switch_before_connect,
        "ticket alice, session bob",
        "user_changed",
        "/lacking-session",
    ),
    Attack(
        "DNS rebinding",
        moves.rebinding,
        "ticket -, session -",
        "insecure_transport",
        "/lacking-transport",
    ),
)
