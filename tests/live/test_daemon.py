"""A thread that each process has once: whoever asks first, whatever fails first."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_wsguard.live.daemon import Daemon


class Work:
    """Counts how often it was begun, and goes on until it may end."""

    def __init__(self) -> None:
        self.begun = 0
        self.end = threading.Event()

    def __call__(self) -> None:
        self.begun += 1
        self.end.wait(5)


@pytest.fixture
def work() -> Work:
    """Return what a thread shall do."""
    return Work()


def test_twenty_at_once_start_one(work: Work) -> None:
    """And all of them find the event that the thread has."""
    daemon, gun = Daemon("test"), threading.Barrier(20)

    def start(_: int) -> threading.Event:
        gun.wait(10)
        daemon.start(work)
        return daemon.event

    with ThreadPoolExecutor(20) as pool:
        events = set(pool.map(start, range(20)))
    work.end.set()
    assert work.begun == 1
    assert events == {daemon.event}
    assert daemon.runs


def test_no_lock_is_held_while_the_thread_starts(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under gevent the start lets others run, who would wait for that lock for ever."""
    daemon, held = Daemon("test"), list[bool]()
    lock = daemon._lock._lock
    monkeypatch.setattr(threading.Thread, "start", lambda _: held.append(lock.locked()))
    daemon.start(work)
    assert held == [False]


def test_start_that_fails_is_tried_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without a thread to spare says so to each caller, until it has one."""
    daemon = Daemon("test")

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as poor:
        poor.setattr(threading.Thread, "start", start)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="can't start new thread"):
                daemon.start(work)
            assert not daemon.runs
    daemon.start(work)
    work.end.set()
    assert work.begun == 1
