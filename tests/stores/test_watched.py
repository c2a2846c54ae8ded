"""The watch over a store: when it is asked, what is logged, and what ends an outage."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flask_wsguard.stores import StoreUnavailable
from flask_wsguard.stores.watched import WatchedStore

DOWN = (
    "the store does not answer (flaky): meanwhile a logout or a disconnect reaches the "
    "sockets of its own process only, and single use refuses"
)
UP = "the store answers again"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time by which stores are asked again, in one cell."""
    cell = [100.0]
    only = SimpleNamespace(monotonic=lambda: cell[0])
    monkeypatch.setattr("flask_wsguard.stores.watched.time", only)
    return cell


class Flaky:
    """A store that does what it is told to."""

    is_shared = True
    spans_machines = False

    def __init__(self) -> None:
        self.fails = False
        self.asked: list[tuple[str, int]] = []

    def spend(self, token_id: str, seconds: int) -> bool:
        self.asked.append((token_id, seconds))
        if self.fails:
            raise StoreUnavailable("flaky")
        return True

    def publish(self, notice: str) -> None:
        self.spend(notice, 0)

    def notices(self, wait: float) -> list[str]:
        if self.fails and wait:
            raise StoreUnavailable("flaky")
        return ["a notice"]


def test_what_is_asked_reaches_the_store(clock: list[float]) -> None:
    """Nothing is changed on the way, and what the store says comes back."""
    flaky = Flaky()
    store = WatchedStore(flaky)
    assert store.is_shared
    assert store.spend("a", 30)
    assert store.publish("b")
    assert store.notices(1) == ["a notice"]
    assert flaky.asked == [("a", 30), ("b", 0)]


def test_failing_store_is_asked_once_a_second(clock: list[float]) -> None:
    """Nobody waits in a queue for what did not answer a moment ago, and asking is not put off."""
    flaky = Flaky()
    store = WatchedStore(flaky)
    assert store.spend("a", 1)
    assert store.publish("b")
    flaky.fails = True
    with pytest.raises(StoreUnavailable, match=r"^flaky$"):
        store.spend("c", 1)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match=r"^it did not answer a moment ago$"):
            store.spend("c", 1)
        assert not store.publish("d")
    assert len(flaky.asked) == 3
    for _ in range(8):
        clock[0] += 0.5
        store.publish("e")
    assert len(flaky.asked) == 7


def test_one_of_a_crowd_asks_a_store_that_is_down(clock: list[float]) -> None:
    """Who comes while the first one still waits for an answer is refused at once."""
    flaky = Flaky()
    store = WatchedStore(flaky)
    flaky.fails = True
    assert not store.publish("a")
    clock[0] += 1
    crowd: list[bool] = []

    def spend(token_id: str, seconds: int) -> bool:
        crowd.append(store.publish("another"))
        return True

    flaky.spend = spend  # type: ignore[method-assign]
    assert store.spend("b", 1)
    assert crowd == [False]


def test_each_change_is_one_line(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """Down once however often it fails, in whatever way it is asked; up once."""
    flaky = Flaky()
    store = WatchedStore(flaky)
    for _ in range(2):
        flaky.fails = True
        assert store.notices(1) is None
        assert store.notices(1) is None
        assert not store.publish("a")
        flaky.fails = False
        clock[0] += 1
        assert store.spend("b", 1)
        assert store.spend("c", 1)
    assert [record.getMessage() for record in caplog.records] == [DOWN, UP, DOWN, UP]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"] * 2


def test_store_that_can_be_read_is_not_up(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk answers questions: notices come, but only a write ends the outage."""
    flaky = Flaky()
    store = WatchedStore(flaky)
    flaky.fails = True
    assert not store.publish("a")
    for _ in range(5):
        clock[0] += 2
        assert store.notices(0) == ["a notice"]
        assert not store.is_up
    flaky.fails = False
    clock[0] += 2
    assert store.notices(0) == ["a notice"]
    assert store.is_up
    assert [record.getMessage() for record in caplog.records] == [DOWN, UP]
    probes = flaky.asked[1:]
    assert len({name for name, _ in probes}) == 6
    assert {(len(name), seconds) for name, seconds in probes} == {(22, 1)}
