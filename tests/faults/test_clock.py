"""The wall clock of one worker of two steps away and back; the monotonic clock goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.gunicorn import Gunicorn, running
from tests.wire import Browser, Grant, Wire

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


@dataclass
class Pair:
    """A worker by the true clock, and one whose clock the test sets."""

    true: Gunicorn
    other: Gunicorn
    clock: Path

    def step(self, seconds: int) -> None:
        """Set the other's clock, so many seconds ahead (or behind)."""
        # Renamed into place: the library must not read half a file.
        new = self.clock.with_suffix(".new")
        new.write_text(f"{seconds:+d}s\n")
        new.rename(self.clock)

    def preauth(self, browser: Browser, at: Gunicorn) -> Grant:
        """Ask preauth of one of the two, as a balancer would pass it on."""
        own, browser.port = browser.port, at.port
        try:
            body = b'{"path": "/stay"}'
            host = {"Host": f"localhost:{own}", "Content-Type": "application/json"}
            answer = browser.fetch("POST", "/wsguard/preauth", body, host)
        finally:
            browser.port = own
        assert answer.status == 200, answer.body
        token = answer.json["token"]
        cookie = f"wsguard-{token.split('.')[1]}"
        return Grant(token, cookie, browser.jar[cookie])

    def connect(self, browser: Browser, grant: Grant, at: Gunicorn) -> int:
        """Return the status of the handshake at one of the two."""
        with Wire(at.port) as wire:
            wire.send(browser.attempt("/stay", grant).bytes())
            return wire.answer().status


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Run both anew: of a refusal that repeats within a minute the log holds the first only."""
    if LIBRARY is None:
        why = "libfaketime is not installed"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    clock = tmp_path / "clock"
    clock.write_text("+0s\n")
    environment = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # Under both of its names: only the wall clock moves.
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with (
        running("gthread", tmp_path) as true,
        running(
            "gthread", tmp_path, environment=environment, program="tests.faults.stepped"
        ) as other,
    ):
        yield Pair(true, other, clock)


@pytest.fixture
def alice(pair: Pair) -> Iterator[Browser]:
    """Return a browser whose login is older than any step: Flask refuses a session from ahead."""
    browser = Browser(pair.true.port)
    own, browser.port = browser.port, pair.other.port
    pair.step(-300)
    browser.log_in("alice")
    browser.port = own
    pair.step(0)
    yield browser
    pair.step(0)
    browser.close()


@pytest.mark.parametrize("seconds", [4, -4])
def test_within_the_skew_nobody_is_refused(pair: Pair, alice: Browser, seconds: int) -> None:
    """Whichever of the two issues, the other accepts."""
    pair.step(seconds)
    here, there = pair.preauth(alice, pair.true), pair.preauth(alice, pair.other)
    assert pair.connect(alice, here, pair.other) == 101
    assert pair.connect(alice, there, pair.true) == 101


AHEAD = "in the future: compare clocks"
LATE = "the page waited, or workers' clocks differ"


@pytest.mark.parametrize(
    ("seconds", "issued_here", "issued_there"),
    [
        pytest.param(10, None, AHEAD, id="10-ahead"),
        pytest.param(-10, AHEAD, None, id="10-behind"),
        pytest.param(120, LATE, AHEAD, id="120-ahead"),
        pytest.param(-120, AHEAD, LATE, id="120-behind"),
    ],
)
def test_beyond_the_skew(
    pair: Pair, alice: Browser, seconds: int, issued_here: str | None, issued_there: str | None
) -> None:
    """From ahead or long ago, the log names the clock; both ways work once it is back.

    Within its half minute a ticket may be ten seconds old: that direction refuses nobody.
    """
    before = [len(server.log) for server in (pair.other, pair.true)]
    pair.step(seconds)
    here, there = pair.preauth(alice, pair.true), pair.preauth(alice, pair.other)
    got = [pair.connect(alice, here, pair.other), pair.connect(alice, there, pair.true)]
    logs = [
        server.log[start:] for server, start in zip((pair.other, pair.true), before, strict=True)
    ]
    for why, status, log in zip((issued_here, issued_there), got, logs, strict=True):
        assert status == (101 if why is None else 403)
        assert why is None or why in log
    pair.step(0)
    for issuer, judge in ((pair.true, pair.other), (pair.other, pair.true)):
        assert pair.connect(alice, pair.preauth(alice, issuer), judge) == 101


def test_open_sockets_do_not_mind(pair: Pair, alice: Browser) -> None:
    """Ages are told by the monotonic clock: a step of two minutes closes nothing."""
    attempt = alice.attempt("/stay", pair.preauth(alice, pair.other))
    with Wire(pair.other.port) as wire:
        wire.send(attempt.bytes())
        assert wire.answer().status == 101
        wire.text()
        for seconds in (120, -120, 0):
            pair.step(seconds)
            assert wire.say("still there?") == "still there?"
