"""The browser client in each engine, under script-src 'self' and connect-src 'self'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.browser.front import SIBLING
from tests.browser.page import connect, wait_for
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

LATE = {"minDelay": 600_000, "maxDelay": 600_000}
"""Options with which no retry comes by itself within a test: after ten minutes at most."""
CERTAINLY_LATE = "WSGuard.door.random = function () { return 1; }"
"""With this no retry comes earlier either."""
ONLINE = "window.dispatchEvent(new Event('online'))"
"""What wakes a client that waits."""
FIVE = "hold(); for (var i = 0; i < 5; i++) { connect.apply(null, arguments); }"
INLINE = (
    "var tag = document.createElement('script'); tag.textContent = 'window.inline = true';"
    "document.body.appendChild(tag); return window.inline === true;"
)

REACH = (
    "var url = arguments[0], done = arguments[1];"
    "document.addEventListener('securitypolicyviolation', function (event) {"
    "done(event.effectiveDirective); });"
    "try { new WebSocket(url).onopen = function () { this.close(); done('open'); }; }"
    "catch (e) { /* Firefox throws, and dispatches the event nevertheless */ }"
)


@pytest.mark.evidence("connects and echoes")
def test_connects_and_echoes(alice: Visitor) -> None:
    connect(alice)
    alice.run("sockets[0].send('hello')")
    assert wait_for(alice, "message", 2)["data"] == "hello"


def five_at_once(visitor: Visitor, site: str) -> list[int]:
    """Open five sockets in one go, once all five have asked: how many opened, how many did not."""
    visitor.run(FIVE, f"{site}/echo", {"reconnect": False})
    visitor.wait("return held.length === 5")
    visitor.run("release()")
    visitor.wait("return count('message') + count('close') === 5")
    counts: list[int] = visitor.run("return [count('message'), count('close')]")
    return counts


@pytest.mark.evidence("five sockets at once")
def test_five_sockets_at_once(alice: Visitor) -> None:
    assert five_at_once(alice, "") == [5, 0]


def test_one_shared_name_makes_five_sockets_refuse_each_other(alice: Visitor) -> None:
    """The control: the browser keeps the last ticket alone."""
    alice.go(alice.world.https(path="/lacking-names/page"))
    assert five_at_once(alice, "/lacking-names") == [1, 4]
    handshakes = [one["reason"] for one in alice.decisions() if one["step"] == "handshake"]
    assert sorted(handshakes, key=str) == [None, *["ticket_mismatch"] * 4]


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
    """The guard's logout closes the socket; the preauth of the retry says that it was for good."""
    alice.run(CERTAINLY_LATE)
    connect(alice, **LATE)
    wait_for(alice, "message")
    alice.post("/logout")
    assert wait_for(alice, "reconnecting")["code"] == 4401
    alice.run(ONLINE)
    closed = wait_for(alice, "close")
    assert (closed["code"], closed["reason"]) == (4401, "login_required")
    assert alice.decisions()[-1]["reason"] == "login_required"


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
    turned_away, granted, _ = alice.decisions()
    assert (turned_away["reason"], granted["reason"]) == ("429", None)
    assert granted["at"] - turned_away["at"] >= 2


@pytest.mark.evidence("going online wakes the client")
def test_going_online_wakes_the_client(
    alice: Visitor, record_property: Callable[[str, str], None]
) -> None:
    alice.go(alice.local("/page"))
    alice.log_in()
    alice.go(alice.local("/page"))
    alice.run(CERTAINLY_LATE)
    with offline(alice) as how:
        connect(alice, **LATE)
        waiting = wait_for(alice, "reconnecting")
        assert (waiting["reason"], waiting["delay"]) == ("network", 600_000)
    wait_for(alice, "message")
    record_property("evidence", f"passes ({how})")


@contextmanager
def offline(visitor: Visitor) -> Iterator[str]:
    """Go offline for the length of a ``with``; return how.

    Chromium really does; elsewhere the server hangs up, and the event is dispatched at the end.
    """
    if visitor.name == "chromium":
        visitor.driver.set_network_conditions(offline=True, latency=0, throughput=-1)
        try:
            yield "really offline"
        finally:
            visitor.driver.delete_network_conditions()
    else:
        visitor.world.tell(hang_up=True)
        yield "server hung up, event dispatched"
        visitor.world.tell()
        visitor.run(ONLINE)


@pytest.mark.evidence("the policy stops inline scripts and foreign sockets")
def test_the_policy_stops_inline_scripts_and_foreign_sockets(alice: Visitor) -> None:
    """The policy that these tests speak of is in force; the control's page has none."""
    elsewhere = alice.world.wss("/control/echo", SIBLING)
    assert alice.run(INLINE) is False
    assert alice.driver.execute_async_script(REACH, elsewhere) == "connect-src"
    alice.go(alice.world.https(path="/control/page"))
    assert alice.run(INLINE) is True
    assert alice.driver.execute_async_script(REACH, elsewhere) == "open"


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
