"""The registry: who holds what, under which caps; what ends the sockets of an app."""

from __future__ import annotations

import gc
import socket
import threading
import time
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import pytest

from flask_wsguard.core.tickets import Ticket
from flask_wsguard.live.connection import Connection
from flask_wsguard.live.registry import Registry, Selector
from flask_wsguard.live.sockets import Sockets, drain_all, raw_socket
from flask_wsguard.live.timer import TIMER, Timer

from .gunicorn import until


def connection(user: str | None = "alice", session: str = "one", id_: str = "t1") -> Connection:
    ticket = user and Ticket(id_, user, frozenset(), "", session, 1, 2)
    return Connection(ticket or None, "/")


def test_indexes_are_empty_after_removal() -> None:
    """Nothing is left of a socket that is gone."""
    registry = Registry(None, 20)
    held = [connection(), connection("bob"), connection(None)]
    for each in held:
        assert registry.take(each)
    assert len(registry) == 3
    assert sorted(registry.users()) == ["alice", "bob"]
    for each in held * 2:
        registry.give_back(each)
    assert (len(registry), registry._held) == (0, {})


def test_giving_back_one_keeps_the_others() -> None:
    """Two sockets of one session are two."""
    registry, one, two = Registry(None, 20), connection(), connection(id_="t2")
    assert registry.take(one)
    assert registry.take(two)
    registry.give_back(one)
    assert registry.select(Selector(user_id="alice")) == [two]
    assert registry.select(Selector(session="one")) == [two]


@pytest.mark.parametrize("user", ["alice", None], ids=["protected", "public"])
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_three_of_one_user_leave_in_any_order(user: str | None, order: tuple[int, ...]) -> None:
    """Those that are left are found and counted, and leaving twice is leaving once."""
    registry, other = Registry(None, 20), connection("bob")
    held = [connection(user, id_=f"t{number}") for number in range(3)]
    for each in (*held, other):
        assert registry.take(each)
    left = set(held)
    for number in order:
        for _ in "ab":
            registry.give_back(held[number])
        left.discard(held[number])
        assert set(registry.select(Selector())) == {*left, other}
        assert len(registry) == len(left) + 1
    assert registry.users() == ["bob"]


def test_lone_socket_costs_an_entry() -> None:
    """A user who holds one needs no set for it: with sets it was half of what a socket costs."""
    registry, number = Registry(None, 20), 1000
    held = [connection(f"user {each}", f"session {each}") for each in range(number)]
    tracemalloc.start()
    for each in held:
        assert registry.take(each)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / number < 128


@pytest.mark.parametrize(
    ("selector", "number"),
    [
        (Selector(), 4),
        (Selector(user_id="alice"), 2),
        (Selector(session="one"), 1),
        (Selector(ticket_id="t1"), 3),
        (Selector("alice", "two", "t1"), 1),
        (Selector(user_id="bob", session="one"), 0),
        (Selector(user_id="nobody"), 0),
        (Selector(user_id=""), 0),
    ],
)
def test_select(selector: Selector, number: int) -> None:
    """Every given field must match; a public socket is meant only with everybody."""
    registry = Registry(None, 20)
    for each in (
        connection(),
        connection(session="two"),
        connection("bob", "three"),
        connection(None),
    ):
        registry.take(each)
    assert len(registry.select(selector)) == number


@pytest.mark.parametrize(("total", "per_user", "won"), [(5, 100, 5), (None, 3, 3)])
def test_cap_holds_against_threads(total: int | None, per_user: int, won: int) -> None:
    """Twenty at once, and exactly as many as may get a slot."""
    registry, gun = Registry(total, per_user), threading.Barrier(20)

    def race(_: int) -> bool:
        gun.wait(10)
        return registry.take(connection())

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(race, range(20))) == won
    assert not registry.has_room("alice")


def test_no_reference_is_kept() -> None:
    """After the handler nothing holds the connection, closed or not."""
    sockets = Sockets(None, 20, 10)
    held = [connection(), connection()]
    for each in held:
        assert sockets.take(each)
    assert sockets.close(held[:1], 4401, "over") == 1
    seen = [weakref.ref(each) for each in held]
    while held:
        sockets.give_back(held.pop())
    del each
    deadline = time.monotonic() + 3
    while any(ref() for ref in seen):
        assert time.monotonic() < deadline
        gc.collect()
        time.sleep(0.01)


def test_no_reference_is_kept_of_who_answers_before_the_close_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A handler may be through with everything while its closer still waits for the processor."""
    monkeypatch.setattr(TIMER, "watch", lambda ticker: None)
    sockets, each = Sockets(None, 20, 10), connection()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ended = SimpleNamespace(sock=ours, close=lambda *_: sockets.give_back(each))
        each.attach(ended)
        assert sockets.take(each)
        assert sockets.close([each], 4401, "over") == 1
        del ended
        seen = weakref.ref(each)
        each = connection()
        gc.collect()
        assert seen() is None


def test_closing_many_wakes_the_timer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at all of them: a wake-up for each could cost a square."""
    woken: list[Sockets] = []
    monkeypatch.setattr(TIMER, "watch", woken.append)
    sockets = Sockets(None, 3, 1.0)
    assert sockets.close([Connection(None, "/any") for _ in range(3)], 4401, "over") == 3
    assert woken == [sockets]


def test_timer_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slot is given back, and the next socket finds a timer that closes it in time."""
    monkeypatch.setattr("flask_wsguard.live.sockets.TIMER", Timer())
    sockets, start = Sockets(None, 20, 10), threading.Thread.start
    fails = [True]

    def start_at_last(thread: threading.Thread) -> None:
        if thread.name == "wsguard-timer" and fails.pop():
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_at_last)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        sockets.take(connection())
    assert len(sockets.registry) == 0
    fails.append(False)
    aged = Connection(None, "/", max_age=0.1)
    assert sockets.take(aged)
    until(lambda: aged.is_closing)


def test_closing_nothing_starts_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that serves no sockets has no thread for them, though users log out in it."""
    timer = Timer()
    monkeypatch.setattr("flask_wsguard.live.sockets.TIMER", timer)
    assert Sockets(None, 20, 10).close([], 4401, "over") == 0
    assert not timer.runs


@pytest.mark.parametrize("seconds", [None, 10.0])
def test_drain_is_spread(seconds: float | None) -> None:
    """Ten sockets over ten seconds: one a second, with 1012."""
    sockets = Sockets(None, 20, 10)
    held = [connection() for _ in range(10)]
    for each in held:
        sockets.take(each)
    assert sockets.drain(seconds) == 10
    begin = min(each.drain_at for each in held)
    assert sorted(round(each.drain_at - begin) for each in held) == list(range(10))
    sockets.tick(begin + 4.5)
    assert sum(each.code == 1012 for each in held) == 5
    for each in held:
        sockets.give_back(each)


def test_drain_all_reaches_every_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever holds sockets in this process, and whoever comes to it all the same."""
    monkeypatch.setattr(Sockets, "is_leaving", False)
    many = [Sockets(None, 20, 600) for _ in range(2)]
    held = [connection() for _ in many]
    for sockets, each in zip(many, held, strict=True):
        sockets.take(each)
    drain_all()
    assert all(each.drain_at < float("inf") for each in held)
    late = [connection("bob"), Connection(None, "/ticker")]
    new = Sockets(None, 20, 600)
    for sockets, each in zip((many[0], new), late, strict=True):
        assert sockets.take(each)
        assert 0 < each.drain_at - time.monotonic() <= 1.0


def test_raw_socket() -> None:
    """Where gunicorn, Werkzeug and gevent's own server show it."""
    assert raw_socket({"gunicorn.socket": 1}) == 1
    assert raw_socket({"werkzeug.socket": 2}) == 2
    of_gevent = SimpleNamespace(rfile=SimpleNamespace(raw=SimpleNamespace(_sock=3)))
    assert raw_socket({"wsgi.input": of_gevent}) == 3
    empty: dict[str, Any] = {}
    assert raw_socket(empty) is None


def test_revalidation_is_ticked_and_caps_are_kept() -> None:
    """The timer asks again on behalf of the sockets; beyond the cap there is no slot."""
    sockets, asked = Sockets(1, 20, 10), threading.Event()
    first = connection()

    def ask(user_id: str) -> None:
        asked.set()

    sockets.revalidate(0.01, 3, ask)
    assert sockets.take(first)
    assert not sockets.take(connection())
    assert asked.wait(5)
    deadline = time.monotonic() + 5
    while not first.is_closing:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (first.code, first.reason) == (4401, "login_required")
