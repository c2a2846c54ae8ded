"""One redis-server for all tests that do it no harm."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import pytest

from .redis_server import RedisServer, redis_running


@pytest.fixture(scope="session")
def _redis() -> Iterator[RedisServer]:
    with redis_running() as server:
        yield server


@pytest.fixture
def redis_server(_redis: RedisServer) -> RedisServer:
    """Return an empty redis-server."""
    _redis.ask("FLUSHALL")
    return _redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Run a redis-server that the test may break."""
    with redis_running() as server:
        yield server


@pytest.fixture(autouse=True)
def _nobody_reads_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait until the readers of a test's apps have ended: they end with their apps."""
    monkeypatch.setattr("flask_wsguard.live.bus._WAIT_SECONDS", 0.2)
    before = _readers()
    yield
    deadline = time.monotonic() + 4
    while _readers() - before:
        assert time.monotonic() < deadline
        gc.collect()
        time.sleep(0.02)


def _readers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "wsguard-notices"}
