"""Many sockets at once: closed in under two seconds, and nothing of them stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.wire import Browser, Wire, browsers

from .gunicorn import Gunicorn, raise_file_limit, running, start, until

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("WSGUARD_ROUNDS", "3"))
"""How often the sockets come and go; `make soak` asks for more."""

# One arena for all threads: else the allocator, not the site, decides how much memory is held.
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}


def left_in(server: Gunicorn) -> dict[str, int]:
    """Wait until the handlers have ended, and return what the worker still holds."""
    left: dict[str, int] = server.fetch("POST", "/settle", {}).json
    return left


@pytest.mark.parametrize(("kind", "number"), [("gevent", 1000), ("gthread", 500)])
def test_disconnect_all(kind: str, number: int, tmp_path: Path) -> None:
    """A thousand on one gevent worker, five hundred under gthread; after each round as before."""
    raise_file_limit(4096)
    config = {"WSGUARD_MAX_CONNECTIONS_PER_USER": number}
    with (
        running(
            kind, tmp_path, threads=number + 10, config=config, environment=ONE_ARENA
        ) as server,
        browsers(server.port) as make,
    ):
        alice, left = make().log_in("alice"), []
        for _ in range(ROUNDS):
            wires = [start(alice) for _ in range(number)]
            assert server.held == number
            begin = time.monotonic()
            assert server.disconnect() == number
            assert {wire.closing() for wire in wires} == {(4401, "disconnected")}
            assert time.monotonic() - begin < 2.0
            for wire in wires:
                wire.close()
            until(lambda: server.held == 0)
            # gthread keeps its pool threads, which the first round has made.
            pool = number + 10 if kind == "gthread" else 0
            until(lambda pool=pool: left_in(server)["threads"] <= pool + 4)  # type: ignore[misc]
            left.append(left_in(server))
        assert "Traceback" not in server.log
    assert [each["connections"] for each in left] == [0] * ROUNDS
    assert left[-1]["descriptors"] <= left[0]["descriptors"] + 2
    # The smallest thing kept of each socket would be a block of each.
    assert left[-1]["blocks"] - left[0]["blocks"] < number * (ROUNDS - 1) / 4, left
    grown = growth_without_guard(kind, number, tmp_path)
    # The allocator's fragments are nobody's; a compressor that stayed would be 100 KiB a socket.
    more = max(grown, 0) + 4 * number * (ROUNDS - 1)
    assert left[-1]["kib"] - left[0]["kib"] < more, (left, grown)


def growth_without_guard(kind: str, number: int, folder: Path) -> int:
    """Return the KiB that the same rounds cost a site without the guard."""
    control = "tests.live.app:make_control()"
    with (
        running(kind, folder, threads=number + 10, site=control, environment=ONE_ARENA) as server,
        browsers(server.port) as make,
    ):
        alice, left = make().log_in("alice"), []
        for _ in range(ROUNDS):
            for wire in [open_unguarded(alice) for _ in range(number)]:
                wire.close()
            until(lambda: left_in(server)["descriptors"] < 40)
            left.append(left_in(server)["kib"])
        return left[-1] - left[0]


def open_unguarded(browser: Browser) -> Wire:
    """Open a socket that anybody could open, and wait until its handler runs."""
    wire = browser.send(browser.attempt("/echo"))
    assert wire.answer().status == 101
    wire.text()
    return wire


def test_no_reader_that_pings_outlives_its_silent_peer(tmp_path: Path) -> None:
    """It waits in an epoll, which forgets a file that is closed; a worker's end waits for it."""
    with (
        running("gthread", tmp_path, config={"READERS_ARE_SLOW": True}) as server,
        browsers(server.port) as make,
    ):
        alice = make().log_in("alice")
        wires = [start(alice) for _ in range(5)]
        assert server.stats["readers"] == len(wires)
        assert server.disconnect() == len(wires)
        until(lambda: server.held == 0)
        until(lambda: server.stats["readers"] == 0, 2)
