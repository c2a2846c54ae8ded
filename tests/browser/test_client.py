"""The browser client in each engine, under script-src 'self' and connect-src 'self'."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.page import connect, wait_for
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

LATE = {"minDelay": 600_000, "maxDelay": 600_000}
"""Options with which no retry comes by itself within a test: ten minutes, made certain below."""


@pytest.mark.evidence("connects and echoes")
def test_connects_and_echoes(alice: Visitor) -> None:
    connect(alice)
    alice.run("sockets[0].send('hello')")
    assert wait_for(alice, "message", 2)["data"] == "hello"


@pytest.mark.evidence("five sockets at once")
def test_five_sockets_at_once(alice: Visitor) -> None:
    for _ in range(5):
        connect(alice)
    wait_for(alice, "message", 5)
    assert alice.run("return count('reconnecting')") == 0


@pytest.mark.evidence("a drop is followed by a fresh preauth")
def test_a_drop_is_followed_by_a_fresh_preauth(alice: Visitor) -> None:
    connect(alice, minDelay=1)
    wait_for(alice, "message")
    assert alice.world.drop() == 1
    assert wait_for(alice, "reconnecting")["code"] == 1006
    wait_for(alice, "message", 2)
    tokens = [one["token"] for one in alice.decisions() if one["step"] == "handshake"]
    assert len(tokens) == len(set(tokens)) == 2


@pytest.mark.evidence("an ended session closes for good")
def test_an_ended_session_closes_for_good(alice: Visitor) -> None:
    connect(alice, minDelay=1)
    wait_for(alice, "message")
    alice.post("/control/logout")
    alice.world.drop()
    closed = wait_for(alice, "close")
    assert (closed["code"], closed["reason"]) == (4401, "login_required")


@pytest.mark.evidence("a lost scope closes for good")
def test_a_lost_scope_closes_for_good(alice: Visitor) -> None:
    connect(alice, minDelay=1)
    wait_for(alice, "message")
    alice.world.tell(scopes={"alice": []})
    alice.world.drop()
    closed = wait_for(alice, "close")
    assert (closed["code"], closed["reason"]) == (4403, "scope_missing")


@pytest.mark.evidence("retry after is kept")
def test_retry_after_is_kept(alice: Visitor) -> None:
    alice.world.tell(status=429, retry_after=2)
    connect(alice, minDelay=1)
    waiting = wait_for(alice, "reconnecting")
    assert waiting["reason"] == "rate_limited"
    assert waiting["delay"] >= 2000
    alice.world.tell()
    wait_for(alice, "message")


@pytest.mark.evidence("going online wakes the client")
def test_going_online_wakes_the_client(
    alice: Visitor, record_property: Callable[[str, str], None]
) -> None:
    """Chromium really goes offline; elsewhere the server hangs up and the event is dispatched."""
    chromium = alice.name == "chromium"
    alice.go(alice.local("/page"))
    alice.log_in()
    alice.go(alice.local("/page"))
    alice.run("WSGuard.door.random = function () { return 1; }")
    if chromium:
        alice.driver.set_network_conditions(offline=True, latency=0, throughput=-1)
    else:
        alice.world.tell(hang_up=True)
    connect(alice, **LATE)
    waiting = wait_for(alice, "reconnecting")
    assert (waiting["reason"], waiting["delay"]) == ("network", 600_000)
    if chromium:
        alice.driver.delete_network_conditions()
    else:
        alice.world.tell()
        alice.run("window.dispatchEvent(new Event('online'))")
    wait_for(alice, "message")
    how = "really offline" if chromium else "server hung up, event dispatched"
    record_property("evidence", f"passes ({how})")


CACHED = {"chromium": True, "firefox": False, "webkit": True}
"""Which engines keep a page with an open socket in the back/forward cache."""


@pytest.mark.evidence("back and forward")
def test_back_and_forward(alice: Visitor, record_property: Callable[[str, str], None]) -> None:
    """A page out of the cache connects again; one that was not kept is loaded anew."""
    alice.run("window.kept = true")
    connect(alice)
    wait_for(alice, "message")
    alice.blank()
    alice.driver.back()
    alice.wait("return document.readyState === 'complete' && typeof connect === 'function'")
    assert bool(alice.run("return window.kept")) is CACHED[alice.name]
    if CACHED[alice.name]:
        assert wait_for(alice, "reconnecting")["code"] == 1001
        wait_for(alice, "message", 2)
    record_property(
        "evidence", "passes" if CACHED[alice.name] else "not kept in the cache: loaded anew"
    )
