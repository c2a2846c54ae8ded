"""The browser client among other pages: other tabs, a listed sibling, and a hostile one."""

from __future__ import annotations

import pytest

from tests.browser.desk import FOREIGN
from tests.browser.engines import need
from tests.browser.front import SIBLING
from tests.browser.page import connect, load, wait_for
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


@pytest.mark.evidence("two tabs leave each other their tickets")
def test_two_tabs_leave_each_other_their_tickets(alice: Visitor) -> None:
    """Both ask first, then both open; one shared cookie name made them refuse each other."""
    tabs = [alice.driver.current_window_handle]
    ask_only(alice)
    alice.driver.switch_to.new_window("tab")
    alice.go(alice.world.https(path="/page"))
    tabs.append(alice.driver.current_window_handle)
    ask_only(alice)
    for tab in tabs:
        alice.driver.switch_to.window(tab)
        alice.run("release()")
        assert wait_for(alice, "message")["data"] == "ticket alice, session alice"
        assert alice.run("return count('reconnecting')") == 0


def ask_only(visitor: Visitor) -> None:
    """Let the client ask preauth, and keep its socket back."""
    visitor.run("hold()")
    connect(visitor)
    visitor.wait("return held.length === 1")


@pytest.mark.evidence("a page of a listed sibling")
def test_a_page_of_a_listed_sibling(alice: Visitor) -> None:
    """CORS, with credentials, and the Strict ticket travels: the sibling is the same site."""
    alice.blank(SIBLING)
    load(alice, alice.world.https(path="/listed/wsguard/static/wsguard.js"))
    connect(alice, alice.world.wss("/listed/echo"))
    assert wait_for(alice, "message")["data"] == "ticket alice, session alice"


@pytest.mark.evidence("a foreign client takes our addresses")
def test_a_foreign_client_takes_our_addresses(alice: Visitor) -> None:
    """WSGuard.url feeds reconnecting-websocket, which asks anew for every connect."""
    need([str(path) for path in (FOREIGN,) if not path.exists()])
    load(alice, "/foreign.js")
    alice.run(
        "window.foreign = new ReconnectingWebSocket("
        "function () { return WSGuard.url('/echo'); }, [], {minReconnectionDelay: 1});"
        "foreign.onmessage = function (event) { events.push({type: 'message'}); };"
    )
    wait_for(alice, "message")
    alice.world.drop()
    wait_for(alice, "message", 2)
    alice.run("foreign.close()")
    tokens = [one["token"] for one in alice.decisions() if one["step"] == "handshake"]
    assert len(tokens) == len(set(tokens) - {None}) == 2


@pytest.mark.evidence("a login as somebody else does not turn the page")
def test_a_login_as_somebody_else_does_not_turn_the_page(alice: Visitor) -> None:
    """A form of another site logged the browser in as bob; alice's words must not leave as his."""
    alice.log_in("bob", "/control")
    assert alice.knock(alice.world.wss("/control/echo"))["heard"] == "ticket -, session bob"
    connect(alice)
    alice.run("sockets[0].send('my secret')")
    closed = wait_for(alice, "close")
    assert (closed["code"], closed["reason"]) == (4401, "user_changed")
    assert not [one for one in alice.decisions() if one["step"] == "handshake"]


WITHOUT_PREFIX_RULE = ["wsguard-", "__Secure-wsguard-"]
PLANTABLE = {
    "chromium": WITHOUT_PREFIX_RULE,
    "firefox": WITHOUT_PREFIX_RULE,
    "webkit": [*WITHOUT_PREFIX_RULE, "__Host-Http-wsguard-"],
}
"""Which names a sibling can plant in each engine."""


@pytest.mark.evidence("planted cookies keep nobody out")
def test_planted_cookies_keep_nobody_out(alice: Visitor) -> None:
    """A sibling floods the browser with cookies that look like tickets, under every name."""
    alice.blank(SIBLING)
    names = ["wsguard-", "__Secure-wsguard-", "__Host-Http-wsguard-"]
    planted = {name: {f"{name}{number:022}" for number in range(12)} for name in names}
    attributes = "; Domain=example.org; Path=/; Secure"
    alice.plant(*(f"{one}=k1.bogus.bogus{attributes}" for name in names for one in planted[name]))
    alice.go(alice.world.https(path="/page"))
    held = alice.cookies()
    assert [name for name in names if planted[name] <= set(held)] == PLANTABLE[alice.name]
    connect(alice)
    wait_for(alice, "message")
