"""The timer: one thread a process, started lazily, which nothing stops."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_wsguard.live.timer import Ticker, Timer

ROOT = Path(__file__).parents[2]


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Counting(Ticker):
    """Counts its ticks, and may raise at each."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.ticks = 0
        self.threads: set[str] = set()
        self.fault = fault

    def tick(self, now: float) -> bool:
        self.ticks += 1
        self.threads.add(threading.current_thread().name)
        if self.fault:
            raise self.fault
        return True


def test_one_thread_that_survives_faults(caplog: pytest.LogCaptureFixture) -> None:
    """A ticker that raises is logged, and neither it nor the others miss a turn."""
    timer, good, bad = Timer(), Counting(), Counting(LookupError("a fault"))
    before = threading.active_count()
    for ticker in (bad, good, good):
        timer.watch(ticker)
    until(lambda: good.ticks > 2 and bad.ticks > 2)
    assert threading.active_count() == before + 1
    assert good.threads == {"wsguard-timer"}
    assert "the timer survived a fault" in caplog.text


def test_survives_a_log_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that goes over a network which is away meets a fault by another."""

    def handle(record: logging.LogRecord) -> None:
        raise ConnectionError("the log server is away")

    monkeypatch.setattr(logging.getLogger("flask_wsguard"), "handle", handle)
    timer, bad = Timer(), Counting(LookupError("a fault"))
    timer.watch(bad)
    until(lambda: bad.ticks > 2)


def test_forgets_who_is_gone() -> None:
    """A ticker that nobody else holds is not called any more."""
    timer, ticker = Timer(), Counting()
    timer.watch(ticker)
    deadline = time.monotonic() + 5
    while not ticker.ticks and time.monotonic() < deadline:
        time.sleep(0.01)
    del ticker
    until(lambda: not timer.tickers())


def test_ticker_must_say_what_it_does() -> None:
    """The base does nothing."""
    with pytest.raises(NotImplementedError):
        Ticker().tick(0.0)


FORK = """
import os, sys, time
from flask_wsguard.live.timer import TIMER, Ticker
class Counting(Ticker):
    ticks = 0
    def tick(self, now):
        self.ticks += 1
        return True
def wait(ticker):
    seen, end = ticker.ticks, time.monotonic() + 5
    while ticker.ticks < seen + 2:
        if time.monotonic() > end:
            os._exit(1)
        time.sleep(0.01)
ticker = Counting()
TIMER.watch(ticker)
wait(ticker)
with TIMER._lock, TIMER._daemon._lock, TIMER._daemon.event._cond:
    pid = os.fork()
    if not pid:
        TIMER.watch(ticker)
        wait(ticker)
        os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_starts_again_after_fork_and_keeps_nobody_from_exiting() -> None:
    """A child has a thread of its own, though its parent held every lock; both processes end."""
    done = subprocess.run(
        [sys.executable, "-c", FORK], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert (done.stdout, done.returncode) == ("7\n", 0), done.stderr
