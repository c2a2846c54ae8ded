"""Every attack as a row: what the attacker's page does, where it works, and why it fails here.

The same move runs against the control, where it must get ``gain``, and against the guarded site,
which must refuse it for ``reason``. Where an earlier check speaks for the one that a row is about,
the attack also meets that one: on a site ``behind`` the earlier ones.
"""

from __future__ import annotations

from tests.browser import cookies, delays, moves, plants
from tests.browser.attack import FORCED, TICKET, VICTIM, Attack

EACH_ALONE = {
    "/lacking-preauth-but-origin": "origin_not_allowed",
    "/lacking-preauth-but-fetch": "cross_site_fetch",
}
"""What stops a forced preauth that is taken for JSON: Origin alone, and Sec-Fetch-Site alone."""

ATTACKS = (
    Attack("cross-site page", moves.cross_site_page, VICTIM, "origin_not_allowed"),
    Attack("sibling subdomain", moves.sibling_page, VICTIM, "origin_not_allowed"),
    Attack("other port of the host", moves.other_port_page, VICTIM, "origin_not_allowed"),
    Attack("other port of localhost", moves.other_port_of_localhost, VICTIM, "origin_not_allowed"),
    Attack("http page to wss", moves.http_page_to_wss, VICTIM, "origin_not_allowed"),
    Attack("sandboxed frame", moves.sandboxed_frame, VICTIM, "origin_not_allowed", origin="null"),
    Attack("file: page", moves.file_page, VICTIM, "origin_not_allowed", origin="null"),
    Attack(
        "preauth forced by a form",
        moves.form_forces_preauth,
        "granted to alice",
        "not_json",
        "/lacking-preauth",
        behind=EACH_ALONE,
    ),
    Attack(
        "preauth forced by text/plain",
        moves.text_forces_preauth,
        "granted to alice",
        "not_json",
        "/lacking-preauth",
        behind=EACH_ALONE,
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
        "origin_not_allowed",
        "/lacking-origin-and-ticket",
        behind={"/lacking-origin": "ticket_missing"},
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
        "origin_not_allowed",
        "/lacking-origin-and-token",
        behind={"/lacking-origin": "token_missing"},
    ),
    Attack("login forced by a form", moves.forced_login, "ticket -, session bob", FORCED),
    Attack(
        "DNS rebinding",
        moves.rebinding,
        "ticket -, session -",
        "insecure_transport",
        "/lacking-transport",
    ),
    Attack(
        "DNS rebinding over https",
        moves.rebinding_over_https,
        "ticket -, session -",
        "origin_not_allowed",
        "/self",
        guarded="/named",
    ),
    *cookies.ATTACKS,
    *plants.ATTACKS,
    *delays.ATTACKS,
)
