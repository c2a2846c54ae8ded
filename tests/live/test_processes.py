"""Several processes and one store: what happens in one of them is so in all.

Behind nginx the same is shown where its configuration lies (docs); here the two instances are
asked directly, one after the other.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.stores.redis_server import redis_running
from tests.wire import Answer, Browser, Wire, browsers

from .gunicorn import Gunicorn, is_open, running, until

Visitor = Callable[[], Browser]


@dataclass(frozen=True)
class Farm:
    """Gunicorns that share a store."""

    servers: list[Gunicorn]
    file: Path

    @property
    def workers(self) -> set[int]:
        return {pid for server in self.servers for pid in server.workers}

    def port(self, number: int) -> int:
        return self.servers[number % len(self.servers)].port


@pytest.fixture(
    scope="module",
    params=["sqlite-gthread", "redis-gthread", "sqlite-gevent-preload", "redis-gevent-preload"],
)
def farm(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Farm]:
    """Four workers of one gunicorn with SQLite; two gunicorns of two workers with Redis."""
    folder = tmp_path_factory.mktemp("farm")
    store, kind, *preload = request.param.split("-")
    with ExitStack() as stack:
        if store == "sqlite":
            uri, instances, workers = f"sqlite:///{folder}/store.db", 1, 4
        else:
            uri, instances, workers = stack.enter_context(redis_running()).uri, 2, 2
        config = {
            "WSGUARD_STORAGE_URI": uri,
            "WSGUARD_SINGLE_USE": True,
            "WSGUARD_MAX_CONNECTIONS_PER_USER": 60,
            # Two instances are one site, whichever port of localhost a page was served from.
            "WSGUARD_ALLOWED_ORIGINS": ["self"],
        }
        servers = [
            stack.enter_context(
                running(
                    kind,
                    folder,
                    *["--preload"] * len(preload),
                    workers=workers,
                    threads=70,
                    config=config,
                )
            )
            for _ in range(instances)
        ]
        farm = Farm(servers, folder / "store.db")
        until(lambda: len(farm.workers) == 4, 10)
        yield farm


@pytest.fixture
def visitor(farm: Farm) -> Iterator[Visitor]:
    """Make browsers of the first instance."""
    with browsers(farm.port(0)) as make:
        yield make


class Traveller(Browser):
    """A browser whose requests are spread over all instances, as by a balancer in front."""

    def __init__(self, farm: Farm, user: str) -> None:
        super().__init__(farm.port(0))
        self._farm = farm
        self._turn = self._wires_made = 0
        self.log_in(user)

    def wire(self) -> Wire:
        self._wires_made += 1
        wire = Wire(self._farm.port(self._wires_made))
        self._wires.append(wire)
        return wire

    def fetch(self, *args: Any, **kwargs: Any) -> Answer:
        """Send a request to each instance in turn; Host and Origin are the first one's."""
        self._turn += 1
        headers = {"Host": f"localhost:{self._farm.port(0)}", **(kwargs.pop("headers", None) or {})}
        if len(args) > 3:
            headers |= args[3]
        own, self.port = self.port, self._farm.port(self._turn)
        try:
            return super().fetch(*args[:3], headers=headers, **kwargs)
        finally:
            self.port = own


@pytest.fixture
def travellers(farm: Farm) -> Iterator[Callable[[str], Traveller]]:
    """Make browsers whose requests go to any worker."""
    made: list[Traveller] = []

    def make(user: str) -> Traveller:
        made.append(Traveller(farm, user))
        return made[-1]

    yield make
    for browser in made:
        browser.close()
    until(lambda: all(server.held == 0 for server in farm.servers for _ in range(4)))


def spread(browser: Traveller, farm: Farm, least: int = 12) -> dict[Wire, int]:
    """Open sockets until each worker holds one, ``least`` at least; return who holds which."""
    held: dict[Wire, int] = {}
    while len(held) < least or set(held.values()) != farm.workers:
        assert len(held) < 55, (set(held.values()), farm.workers)
        with stopped(crowded(farm, held) if len(held) >= least else set(), farm.file):
            wire = browser.open("/stay")
            held[wire] = int(wire.text().split()[0])
    return held


def crowded(farm: Farm, held: dict[Wire, int]) -> set[int]:
    """Return the workers that hold sockets beside one that holds none."""
    some = set(held.values())
    pools = [set(server.workers) for server in farm.servers]
    return {worker for pool in pools if not pool <= some for worker in pool & some}


@contextmanager
def stopped(workers: set[int], file: Path) -> Iterator[None]:
    """Hold some workers still: the kernel would go on giving every connection to one of them."""
    signal_all(workers, signal.SIGSTOP)
    try:
        # Whoever was stopped in the middle of writing would hold everybody else still too.
        while file.exists() and is_locked(file):
            signal_all(workers, signal.SIGCONT)
            time.sleep(0.01)
            signal_all(workers, signal.SIGSTOP)
        yield
    finally:
        signal_all(workers, signal.SIGCONT)


def signal_all(workers: set[int], number: signal.Signals) -> None:
    for worker in workers:
        os.kill(worker, number)


def is_locked(file: Path) -> bool:
    """Whether nobody else can write just now; the others need a few milliseconds each."""
    with closing(sqlite3.connect(file, timeout=0.2, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


def closings(wires: Any, within: float) -> set[tuple[int, str]]:
    """Read the close frame of every socket, in time."""
    begin = time.monotonic()
    read = {wire.closing() for wire in wires}
    assert time.monotonic() - begin < within
    return read


Travellers = Callable[[str], Traveller]


def test_logout_on_any_worker_closes_on_all(farm: Farm, travellers: Travellers) -> None:
    """Within a second, on every worker, and the user's other browser keeps its sockets."""
    alice, other = travellers("alice"), travellers("alice")
    mine, kept = spread(alice, farm), spread(other, farm, 4)
    cookie = alice.jar["session"]
    begin = time.monotonic()
    alice.log_out()
    assert closings(mine, 1.0) == {(4401, "session_ended")}
    assert time.monotonic() - begin < 1.0
    alice._jar["session"] = (cookie, float("inf"))
    refused = {(answer.status, answer.json["reason"]) for answer in ask_all(alice)}
    assert refused == {(403, "session_ended")}
    assert all(is_open(wire) for wire in kept)


def ask_all(browser: Traveller) -> list[Answer]:
    """Ask preauth often enough to meet every worker, or all but."""
    return [browser.ask("/stay") for _ in range(16)]


def test_disconnect_on_any_worker_closes_on_all(farm: Farm, travellers: Travellers) -> None:
    """By user, on all workers, within a second; who comes back at once stays."""
    alice, bob = travellers("alice"), travellers("bob")
    mine, his = spread(alice, farm, 40), spread(bob, farm, 4)
    here = farm.servers[0].disconnect(user_id="alice", reason="banned")
    assert 1 <= here < len(mine)
    assert closings(mine, 1.0) == {(4401, "banned")}
    back = spread(alice, farm, 4)
    assert all(is_open(wire) for wire in (*his, *back))
    farm.servers[-1].disconnect()
    assert closings((*his, *back), 1.0) == {(4401, "disconnected")}


def test_one_token_raced_twenty_ways(farm: Farm, travellers: Travellers) -> None:
    """Exactly one of twenty handshakes with the same halves gets a socket."""
    alice = travellers("alice")
    attempt = alice.attempt("/stay", alice.preauth("/stay"))
    wires, gun = [alice.wire() for _ in range(20)], threading.Barrier(20)

    def race(wire: Wire) -> int:
        gun.wait(10)
        wire.send(attempt.bytes())
        return wire.answer().status

    with ThreadPoolExecutor(20) as pool:
        statuses = sorted(pool.map(race, wires))
    assert statuses == [101] + [403] * 19


def test_a_killed_worker_takes_nobody_with_it(farm: Farm, travellers: Travellers) -> None:
    """``kill -9``: the sockets of the others stay; the new worker knows who has logged out."""
    alice, gone = travellers("alice"), travellers("gone")
    held = spread(alice, farm)
    cookie = gone.jar["session"]
    gone.log_out()
    gone._jar["session"] = (cookie, float("inf"))
    until(lambda: {answer.status for answer in ask_all(gone)} == {403}, 1.0)
    before = farm.workers
    victim = next(iter(held.values()))
    os.kill(victim, signal.SIGKILL)
    kept = [wire for wire, pid in held.items() if pid != victim]
    assert all(is_open(wire) for wire in kept)
    until(lambda: len(farm.workers - before) == 1, 10)
    (late,) = farm.workers - before
    asked: set[int] = set()

    def late_one_was_asked() -> bool:
        answer = gone.ask("/stay")
        assert (answer.status, answer.json["reason"]) == (403, "session_ended")
        asked.add(int(answer.get("X-Pid") or 0))
        return late in asked

    until(late_one_was_asked, 10)
    assert all(is_open(wire) for wire in kept)
    alice.log_out()
    assert closings(kept, 1.0) == {(4401, "session_ended")}


def test_the_log_holds_no_fault(farm: Farm) -> None:
    """After all of this no process logged a traceback, and the store was never away."""
    logs = "".join(Path(server.log_file).read_text() for server in farm.servers)
    assert "Traceback" not in logs
    assert "the store does not answer" not in logs
