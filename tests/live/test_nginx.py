"""Behind nginx: what two instances share, and what they outlive."""

from __future__ import annotations

import os
import signal
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import websocket

from .gunicorn import until
from .nginx import Cluster, cluster_running

pytestmark = pytest.mark.slow

OLD, NEW = "o" * 40, "n" * 40


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run two gunicorns of two workers, nginx and Redis."""
    with cluster_running(tmp_path_factory.mktemp("nginx"), SECRET_KEY=OLD) as made:
        yield made


def test_preauth_on_one_and_handshake_on_another(cluster: Cluster) -> None:
    """Every worker with the same secret accepts what another issued, whichever gave it."""
    session, seen = cluster.log_in("alice"), set()
    both = {one.pid for one in cluster.gunicorns}
    crossed = {(one, other) for one in both for other in both if one != other}
    for _ in range(8):
        granted = cluster.preauth(session, "/where")
        one = cluster.connect(session, "/where", granted)
        seen.add((granted[2], int(one.recv().split()[0])))
        one.shutdown()
        # nginx asks them in turn: the next round begins at the other.
        cluster.ask("GET", "/", session)
    assert len(both) == 2
    assert seen == crossed


def test_disconnect_on_one_ends_fifty_sockets_on_all(cluster: Cluster) -> None:
    """Within a second, whichever of four workers was asked."""
    session = cluster.log_in("bob")
    sockets = [cluster.connect(session) for _ in range(50)]
    assert {one.recv() for one in sockets} == {"bob"}
    began = time.monotonic()
    cluster.ask("POST", "/disconnect/bob", session, b"")
    closes = Counter(one.recv_data()[1][:2] for one in sockets)
    assert time.monotonic() - began < 1
    assert closes == {(4401).to_bytes(2, "big"): 50}
    for one in sockets:
        one.shutdown()


def test_token_raced_twenty_ways_opens_once(cluster: Cluster) -> None:
    """Single use holds across instances."""
    session = cluster.log_in("carol")
    granted = cluster.preauth(session)
    with ThreadPoolExecutor(20) as racers:
        statuses = list(racers.map(lambda _: cluster.knock(session, granted), range(20)))
    assert sorted(statuses) == [101] + [403] * 19


def test_killed_redis_loses_no_socket_and_hangs_nobody(cluster: Cluster) -> None:
    """Open sockets stay, single use refuses within three seconds, and it comes back by itself."""
    session = cluster.log_in("erin")
    held = cluster.connect(session)
    assert held.recv() == "erin"
    granted = cluster.preauth(session)
    cluster.redis.kill()
    cluster.redis.wait()
    began = time.monotonic()
    assert cluster.knock(session, granted) == 403
    assert cluster.ask("GET", "/", session)[0]
    assert time.monotonic() - began < 3
    held.ping()
    assert held.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_PONG
    cluster.start_redis()
    deadline = time.monotonic() + 10
    while (again := knock_with_new_ticket(cluster, session)) != 101:
        assert time.monotonic() < deadline, again
    held.shutdown()


def knock_with_new_ticket(cluster: Cluster, session: str) -> int:
    """Return the status of a fresh try, preauth's own where that refuses."""
    try:
        return cluster.knock(session, cluster.preauth(session))
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_no_token_in_nginx_logs(cluster: Cluster) -> None:
    """Neither an accepted nor a refused handshake leaves one behind."""
    session = cluster.log_in("dave")
    granted = cluster.preauth(session)
    assert [cluster.knock(session, granted) for _ in range(2)] == [101, 403]
    logs = "".join((cluster.folder / name).read_text() for name in ("access.log", "error.log"))
    assert '"GET /any" 403' in logs
    assert "wsguard_token" not in logs
    assert granted[0] not in logs


def test_killed_worker_takes_nobody_with_it(cluster: Cluster) -> None:
    """``kill -9``: the sockets of the others stay, and whoever lost one comes back."""
    session = cluster.log_in("frank")
    sockets = [cluster.connect(session, "/where") for _ in range(12)]
    held = {one: int(one.recv().split()[1]) for one in sockets}
    assert len(set(held.values())) > 1
    victim = held[sockets[0]]
    os.kill(victim, signal.SIGKILL)
    for one, worker in held.items():
        if worker != victim:
            one.ping()
            assert one.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_PONG
            continue
        with pytest.raises((websocket.WebSocketConnectionClosedException, OSError)):
            one.recv()
        again = cluster.connect(session, "/where")
        assert int(again.recv().split()[1]) != victim
        again.shutdown()
    until(lambda: len(cluster.workers) == 4 and victim not in cluster.workers, 20)
    for one in held:
        one.shutdown()


class Coming(threading.Thread):
    """Somebody who logs in once, and then connects and hangs up until told to stop."""

    def __init__(self, cluster: Cluster, user: str) -> None:
        super().__init__()
        self._cluster = cluster
        self._session = cluster.log_in(user)
        self._user = user
        self.stop = threading.Event()
        self.seen: Counter[int] = Counter()

    def run(self) -> None:
        while not self.stop.is_set():
            self.seen[self._come()] += 1

    def _come(self) -> int:
        """Return the status of one try; 0 where the wire was cut by a worker that goes."""
        try:
            one = self._cluster.connect(self._session)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code
        except websocket.WebSocketBadStatusException as refused:
            return refused.status_code
        except (OSError, websocket.WebSocketException):
            return 0
        one.shutdown()
        return 101


def test_rotation_refuses_nobody(cluster: Cluster) -> None:
    """In the manual's steps, one instance after the other, while people connect all the time."""
    people = [Coming(cluster, f"user-{number}") for number in range(4)]
    for one in people:
        one.start()
    try:
        for newest, older in ((OLD, [NEW]), (NEW, [OLD])):
            for _ in cluster.roll(SECRET_KEY=newest, SECRET_KEY_FALLBACKS=older):
                goals = {one: one.seen.total() + 5 for one in people}
                until(lambda goals=goals: all(one.seen.total() > goals[one] for one in goals), 30)
    finally:
        for one in people:
            one.stop.set()
            one.join(30)
    seen = sum((one.seen for one in people), Counter[int]())
    # A worker that goes may leave nginx without an answer, never somebody refused.
    assert set(seen) <= {101, 502, 0}, seen
    assert seen[101] > 60, seen
    # Who logged in under the old key is known still; the third step ends that.
    assert people[0]._come() == 101
    list(cluster.roll(SECRET_KEY=NEW))
    assert people[0]._come() == 401
