"""A logout ends the sockets of its session: at once, whatever the peer does, whatever races it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.wire import Answer, Browser, Wire

from .gunicorn import Gunicorn, ends, is_open, start, until

Visitor = Callable[[], Browser]


def request_logout(browser: Browser, query: str) -> Wire:
    """Ask for a logout and do not wait for the answer."""
    wire = browser.wire()
    cookies = "; ".join(f"{name}={value}" for name, value in browser.jar.items())
    head = f"POST /logout?{query} HTTP/1.1\r\nHost: localhost:{browser.port}\r\n"
    wire.send(f"{head}Cookie: {cookies}\r\nContent-Length: 0\r\n\r\n".encode())
    return wire


def reason(answer: Answer) -> tuple[int, str]:
    """Return status and reason of a refusal of preauth."""
    return answer.status, answer.json["reason"]


def test_logout_closes_the_sessions_sockets_and_no_others(
    gunicorn: Gunicorn, visitor: Visitor, alice: Browser
) -> None:
    """All sockets of the browser that logs out close; the user's other browser keeps its own."""
    mine = [start(alice) for _ in range(3)]
    other, bob = start(visitor().log_in("alice")), start(visitor().log_in("bob"))
    alice.log_out()
    assert [wire.closing() for wire in mine] == [(4401, "session_ended")] * 3
    assert is_open(other)
    assert is_open(bob)


def test_logout_expires_the_unspent_tickets(alice: Browser) -> None:
    """The browser drops what it has not used, and a copy of it opens nothing."""
    grant = alice.preauth("/stay")
    kept = alice.attempt("/stay", grant)
    alice.log_out()
    assert alice.tickets == []
    assert alice.send(kept).answer().status == 403


def test_second_login_ends_the_sockets_of_the_first(alice: Browser) -> None:
    """Who logs in again, as himself or another, is a new session; the old one's sockets close."""
    first = start(alice)
    alice.log_in("alice")
    assert first.closing() == (4401, "session_ended")
    second = start(alice)
    alice.log_in("bob")
    assert second.closing() == (4401, "session_ended")
    assert is_open(start(alice))


def test_handler_that_waits_on_a_silent_peer_ends(gunicorn: Gunicorn, alice: Browser) -> None:
    """A peer that answers no close frame is cut off within two seconds, and its handler ends."""
    wire = start(alice)
    alice.log_out()
    assert wire.closing() == (4401, "session_ended")
    assert until(lambda: gunicorn.held == 0, 2.0) < 2.0
    assert wire.is_closed()


def test_handler_does_nothing_more_of_what_was_queued(gunicorn: Gunicorn, alice: Browser) -> None:
    """A peer that queued hours of work has none of it done once its session is over."""
    done = gunicorn.stats["ran"].get("/works", 0)
    wire = alice.open("/works")
    for _ in range(500):
        wire.send_frame(1, b"work")
    until(lambda: gunicorn.stats["ran"].get("/works", 0) > done)
    alice.log_out()
    assert until(lambda: gunicorn.held == 0, 2.0) < 2.0
    assert gunicorn.stats["ran"]["/works"] - done < 200


def flood(browser: Browser, number: int) -> list[Wire]:
    """Open sockets whose peers do not read what they are sent."""
    wires = [browser.open("/flood") for _ in range(number)]
    for wire in wires:
        wire.send_frame(1, b"go")
    return wires


def sent(gunicorn: Gunicorn) -> int:
    """Return how many messages the flooding handlers have got rid of."""
    return int(gunicorn.stats["ran"].get("/flood", 0))


def wait_until_stuck(gunicorn: Gunicorn, floor: int) -> None:
    """Wait until more than ``floor`` was sent and, looked at three times, nothing more is."""
    seen = [floor]

    def stuck() -> bool:
        seen.append(sent(gunicorn))
        return floor < seen[-1] == seen[-2] == seen[-3 if len(seen) > 2 else 0]

    until(stuck, 10.0)


def test_handler_that_sends_to_a_peer_that_does_not_read_ends(
    gunicorn: Gunicorn, alice: Browser, reads_log: Callable[[], str]
) -> None:
    """There is no room for a close frame: the socket is cut, the handler ends without a fault."""
    before = sent(gunicorn)
    flood(alice, 1)
    wait_until_stuck(gunicorn, before)
    alice.log_out()
    assert until(lambda: gunicorn.held == 0, 2.0) < 2.0
    assert "Traceback" not in reads_log()


def test_fifty_stuck_clients_delay_nobodys_logout(
    gunicorn: Gunicorn, visitor: Visitor, alice: Browser, reads_log: Callable[[], str]
) -> None:
    """Fifty peers stopped reading and are being closed; alice's logout still ends hers."""
    before = sent(gunicorn)
    stuck = flood(visitor().log_in("carol"), 50)
    wait_until_stuck(gunicorn, before + 49)
    wire = start(alice)
    begin = time.monotonic()
    assert gunicorn.disconnect(user_id="carol") == 50
    alice.log_out()
    assert wire.closing() == (4401, "session_ended")
    assert wire.is_closed()
    assert time.monotonic() - begin < 2.0
    until(lambda: gunicorn.held == 0, 2.0)
    assert all(ends(wire) for wire in stuck)
    assert "Traceback" not in reads_log()


def test_reconnect_before_the_logouts_answer(gunicorn: Gunicorn, alice: Browser) -> None:
    """The browser still holds its old cookie and ticket; neither is worth anything any more."""
    wire, grant = start(alice), alice.preauth("/stay")
    leaving = request_logout(alice, "after=answer")
    gunicorn.wait_at("answer")
    assert wire.closing() == (4401, "session_ended")
    assert reason(alice.ask("/stay")) == (403, "session_ended")
    assert alice.send(alice.attempt("/stay", grant)).answer().status == 403
    gunicorn.open_gate("answer")
    alice.keep(leaving.answer())
    assert reason(alice.ask("/stay")) == (401, "login_required")


def test_logout_between_verdict_and_registration(gunicorn: Gunicorn, alice: Browser) -> None:
    """The logout swept without finding the socket, which looks a second time once it is held."""
    attempt = alice.attempt("/stay", alice.preauth("/stay"))
    attempt.query += b"&take=slot"
    wire = alice.send(attempt)
    gunicorn.wait_at("slot")
    assert gunicorn.held == 0
    alice.log_out()
    gunicorn.open_gate("slot")
    assert wire.answer().status == 403
    assert gunicorn.held == 0


def test_logout_between_registration_and_handler(gunicorn: Gunicorn, alice: Browser) -> None:
    """The logout swept it before its handler came, which then never runs."""
    runs = gunicorn.stats["ran"].get("/stay", 0)
    attempt = alice.attempt("/stay", alice.preauth("/stay"))
    attempt.query += b"&hold=verdict"
    wire = alice.send(attempt)
    gunicorn.wait_at("verdict")
    assert gunicorn.held == 1
    alice.log_out()
    gunicorn.open_gate("verdict")
    assert wire.answer().status == 101
    assert wire.closing() == (4401, "session_ended")
    until(lambda: gunicorn.held == 0)
    assert gunicorn.stats["ran"].get("/stay", 0) == runs
    assert wire.is_closed()


def test_preauth_that_a_logout_overtakes(gunicorn: Gunicorn, alice: Browser) -> None:
    """Held in the site's own loader, preauth grants too late: the ticket opens nothing."""
    old = dict(alice.jar)
    gunicorn.turn(faulty={"alice": "scopes"})
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(alice.ask, "/stay")
        gunicorn.wait_at("scopes")
        alice.log_out()
        gunicorn.open_gate("scopes")
        late = asked.result()
    gunicorn.turn()
    assert (late.status, [line for line in late.all("Set-Cookie") if "session=" in line]) == (
        200,
        [],
    )
    attempt = alice.attempt("/stay")
    attempt.query = b"wsguard_token=" + late.json["token"].encode()
    assert alice.send(attempt).answer().status == 403
    attempt.put_cookie(b"session", old["session"].encode())
    assert alice.send(attempt).answer().status == 403


def test_two_first_preauths_of_a_session_older_than_the_extension(
    gunicorn: Gunicorn, visitor: Visitor
) -> None:
    """Nothing is written at preauth, so that neither of two can undo the other's."""
    browser = visitor()
    browser.fetch("POST", "/old-login/alice")
    with ThreadPoolExecutor(2) as pool:
        grants = [task.result() for task in [pool.submit(browser.preauth, "/stay") for _ in "ab"]]
    wires = [browser.open("/stay", grant) for grant in grants]
    assert all(wire.text() for wire in wires)
    assert all(is_open(wire) for wire in wires)


def test_sessions_without_a_nonce_close_together(gunicorn: Gunicorn, visitor: Visitor) -> None:
    """Nothing tells the old browsers of one user apart; one that logged in since is not theirs."""
    old = [visitor() for _ in range(2)]
    for browser in old:
        browser.fetch("POST", "/old-login/alice")
    wires, newer = [start(browser) for browser in old], start(visitor().log_in("alice"))
    old[0].log_out()
    assert [wire.closing() for wire in wires] == [(4401, "session_ended")] * 2
    assert is_open(newer)


def test_logout_of_nobody(gunicorn: Gunicorn, visitor: Visitor, alice: Browser) -> None:
    """Who is not logged in and logs out closes nobody's socket."""
    wire = start(alice)
    visitor().log_out()
    assert is_open(wire)
