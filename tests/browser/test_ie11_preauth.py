"""What only the Referer tells: IE 11 lets a page on another port ask for tickets."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.browser import ie11
from tests.browser.engines import need
from tests.browser.front import World
from tests.browser.test_old_engines import HTMLUNIT, flow

pytestmark = pytest.mark.browser

LACKING = "/lacking-preauth-origin"


@pytest.mark.evidence(
    "HtmlUnit (selenium-server 3.14.0) as IE 11, preauth forced from another port"
)
def test_a_page_on_another_port_forces_no_preauth(
    world: World, record_property: Callable[[str, str], None]
) -> None:
    """The same page gets its ticket where Origin and Referer are the one check left out."""
    need(ie11.missing(HTMLUNIT))
    world.tell()
    world.verdicts()
    own, evil = (f"http://localhost:{port}" for port in (world.http, world.other_http))
    command = [sys.executable, "-m", "tests.browser.ie11_preauth", str(HTMLUNIT), own, evil]
    assert flow([*command, LACKING, ""]) == ["200", "403"]
    control, guarded = world.verdicts()
    for asked in (control, guarded):
        assert (asked["sent_origin"], asked["fetch_site"]) == (None, None)
        assert asked["origin"] == evil
    assert (control["site"], control["reason"], control["user"]) == (LACKING[1:], None, "alice")
    assert (guarded["site"], guarded["reason"]) == ("guarded", "origin_not_allowed")
    record_property("evidence", f"succeeds ({LACKING[1:]}), guarded: origin_not_allowed")
