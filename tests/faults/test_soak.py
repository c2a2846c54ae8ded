"""Two instances and a Redis under honest clients for minutes: nothing is refused, nothing grows."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.live.gunicorn import ROOT, Gunicorn, running, until
from tests.stores.redis_server import RedisServer, redis_running

from . import record
from .crowd import Client
from .record import Series

MINUTES = float(os.environ.get("WSGUARD_SOAK_MINUTES", "0.25"))
CLIENTS = 12
AGE = 45
"""Sockets end, and notices lapse, so early that a short run sees both come and go."""
EVERY = 2.0
LONG = 3.0
"""Minutes from which on growth can be told from warming up."""

KEYS = ("1" * 40, "2" * 40)


def config(redis: RedisServer, newest: int) -> dict[str, object]:
    """Return a configuration that signs with one key and accepts both."""
    return {
        "WSGUARD_STORAGE_URI": redis.uri,
        "WSGUARD_SINGLE_USE": True,
        "WSGUARD_SECRET_KEY": [KEYS[newest], KEYS[1 - newest]],
        "WSGUARD_MAX_CONNECTION_AGE": AGE,
        "WSGUARD_REVALIDATE_EVERY": 5,
        "WSGUARD_DRAIN_SECONDS": 1,
    }


def write(file: Path, site: dict[str, object]) -> None:
    text = json.dumps(site)
    file.write_text(
        f"from flask_wsguard.ops.gunicorn import *\nraw_env = [{'LIVE_CONFIG=' + text!r}]\n",
        encoding="utf-8",
    )


class Watch:
    """Samples the instance that is never restarted, and the store."""

    def __init__(self, server: Gunicorn, redis: RedisServer) -> None:
        self._server, self._redis = server, redis
        self._begin = time.monotonic()
        self.series = [
            Series(name, [])
            for name in (
                "memory, MiB",
                "memory blocks of Python",
                "sockets",
                "threads",
                "descriptors",
                "Redis keys",
                "notices kept",
            )
        ]

    def look(self) -> None:
        """Take one sample of each."""
        # The test site writes down every event; what it has told already is forgotten first.
        left = self._server.fetch("POST", "/settle", {}).json
        values = (
            round(left["kib"] / 1024, 1),
            left["blocks"],
            left["connections"],
            left["threads"],
            left["descriptors"],
            int(str(self._redis.ask("DBSIZE"))),
            int(str(self._redis.ask("XLEN", "wsguard:site:notices"))),
        )
        now = time.monotonic() - self._begin
        for series, value in zip(self.series, values, strict=True):
            series.points.append((now, value))


def rotate(server: Gunicorn, file: Path, redis: RedisServer, stop: threading.Event) -> int:
    """Give the second instance the other key as its newest, and restart it, over and over."""
    rounds = 0
    while not stop.wait(min(30.0, MINUTES * 15)):
        before = set(server.workers)
        rounds += 1
        write(file, config(redis, rounds % 2))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: before.isdisjoint(server.workers), 30)  # noqa: B023
    return rounds


def test_soak(tmp_path: Path) -> None:
    """Reconnects, logouts, revocations and key rotation go on; memory and the rest stay flat."""
    file = tmp_path / "gunicorn.conf.py"
    with redis_running() as redis:
        write(file, config(redis, 0))
        options = ("--config", str(file))
        stop = threading.Event()
        with (
            running(
                "gthread",
                tmp_path,
                threads=60,
                config=config(redis, 0),
                environment={"MALLOC_ARENA_MAX": "1"},
            ) as steady,
            running("gthread", tmp_path, *options, threads=60) as rotated,
        ):
            watch = Watch(steady, redis)
            clients = crowd(steady, rotated, stop)
            rounds = [0]
            rotator = threading.Thread(
                target=lambda: rounds.append(rotate(rotated, file, redis, stop))
            )
            for thread in (*clients, rotator):
                thread.start()
            observe(watch, stop)
            for thread in (*clients, rotator):
                thread.join(40)
            did = sum((client.did for client in clients), Counter())
            did["key rotations"] = rounds[-1]
            assert [word for client in clients for word in client.refused] == []
            assert not any(client.is_alive() for client in clients)
            logs = steady.log + rotated.log
            assert "the store does not answer" not in logs
            assert "survived a fault" not in logs
            assert min(did[what] for what in ("left", "revoked", "logged out")) > 0, did
    if MINUTES >= LONG:
        assert_flat(watch.series)
    if os.environ.get("WSGUARD_RECORD"):
        write_down(watch.series, did)


def crowd(steady: Gunicorn, rotated: Gunicorn, stop: threading.Event) -> list[Client]:
    """Return clients who use both instances; revocations are asked of the steady one."""

    def revoke(user: str) -> None:
        steady.disconnect(user_id=user, reason="revoked")

    revoker: Callable[[str], None] = revoke
    return [Client(number, [steady.port, rotated.port], revoker, stop) for number in range(CLIENTS)]


def observe(watch: Watch, stop: threading.Event) -> None:
    """Sample until the time is over."""
    deadline = time.monotonic() + MINUTES * 60
    try:
        while time.monotonic() < deadline:
            watch.look()
            time.sleep(EVERY)
    finally:
        stop.set()


def assert_flat(series: list[Series]) -> None:
    """Compare the last third of the run with the one before; the first was warming up."""
    for each in series:
        before, after = each.mean(1 / 3, 2 / 3), each.mean(2 / 3, 1)
        # Numbers of coming and going wobble by chance; a leak of each socket would not.
        room = max(6.0, 0.25 * before)
        if each.name.startswith("memory"):
            room = 0.03 * before
        assert after < before + room, (each.name, before, after)


def write_down(series: list[Series], did: Counter[str]) -> None:
    """Write plot and table."""
    record.PLOT.write_text(record.plot(series), encoding="utf-8")
    rows = [
        f"| {each.name} | {each.mean(0, 1 / 3):,.1f} | {each.mean(1 / 3, 2 / 3):,.1f} "
        f"| {each.mean(2 / 3, 1):,.1f} |"
        for each in series
    ]
    done = ", ".join(f"{number:,} {what}" for what, number in sorted(did.items()))
    lines = [
        f"`make soak MINUTES={MINUTES:g}`, {record.where()}.",
        "",
        f"What {CLIENTS} clients did: {done}. Refused or dropped without a reason: none.",
        "",
        "| mean of the | first third | second third | last third |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
    record.put("soak", "\n".join(lines))
    assert record.PLOT.is_relative_to(ROOT)
