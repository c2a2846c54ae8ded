"""Faults of the site itself: an error before the upgrade, never an open door, never silence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.live.gunicorn import Gunicorn, is_open, start
from tests.wire import Browser

from .conftest import Visitor


def test_user_loader_that_raises(troubled: Gunicorn, alice: Browser) -> None:
    """Preauth is a 500 and no ticket; sockets that are open stay so."""
    held = start(alice)
    troubled.turn(faulty={"users": "raises"})
    answer = alice.ask("/stay")
    assert (answer.status, answer.all("Set-Cookie")) == (500, [])
    assert is_open(held)
    troubled.turn()
    assert is_open(start(alice))


def test_scopes_loader_that_raises(troubled: Gunicorn, alice: Browser, visitor: Visitor) -> None:
    """A 500 for the user whom it concerns, nothing for the others."""
    troubled.turn(faulty={"alice": "raises"})
    assert alice.ask("/stay").status == 500
    assert is_open(start(visitor().log_in("bob")))


def test_user_loader_that_hangs(troubled: Gunicorn, alice: Browser, visitor: Visitor) -> None:
    """Preauth waits for it; sockets go on, and a ticket still opens one: that loads nobody."""
    held, grant, gate = start(alice), alice.preauth("/stay"), f"load-{troubled.port}"
    bob = visitor().log_in("bob")
    troubled.turn(faulty={"users": gate})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bob.ask, "/stay")
        troubled.wait_at(gate)
        assert is_open(held)
        assert alice.send(alice.attempt("/stay", grant)).answer().status == 101
        assert not waiting.done()
        troubled.open_gate(gate)
        assert waiting.result(10).status == 200


def test_scopes_loader_that_hangs(troubled: Gunicorn, alice: Browser, visitor: Visitor) -> None:
    """Whom it concerns waits; the others are served; the answer comes when the site goes on."""
    gate = f"hung-{troubled.port}"
    troubled.turn(faulty={"alice": gate})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(alice.ask, "/stay")
        troubled.wait_at(gate)
        assert is_open(start(visitor().log_in("bob")))
        assert not waiting.done()
        troubled.open_gate(gate)
        assert waiting.result(10).status == 200


def test_loader_that_returns_another_user(troubled: Gunicorn, alice: Browser) -> None:
    """The ticket is whose the site says; the session says otherwise: nobody gets in."""
    troubled.turn(mistaken={"alice": "mallory"})
    grant = alice.preauth("/stay")
    assert alice.send(alice.attempt("/stay", grant)).answer().status == 403
    assert "user_changed" in troubled.log
    troubled.turn()
    assert is_open(start(alice))


def test_signal_receivers_that_raise(troubled: Gunicorn, alice: Browser) -> None:
    """They are logged, and change nothing about who gets in or what is given back."""
    troubled.turn(faulty={"receivers": "raise"})
    wire = start(alice)
    assert is_open(wire)
    assert troubled.log.count("a receiver of the site raises") >= 3
    hostile = alice.attempt("/stay", alice.preauth("/stay"))
    hostile.put(b"Origin", b"http://evil.example.net")
    assert alice.send(hostile).answer().status == 403
