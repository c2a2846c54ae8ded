"""The hook for gunicorn: a worker that is let go drains, whatever lets it go."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flask_wsguard import servers
from flask_wsguard.live.timer import TIMER
from flask_wsguard.ops import gunicorn
from tests.live.gunicorn import until


@pytest.fixture
def drained(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that is one longer after each draining of this process."""
    drains: list[bool] = []
    monkeypatch.setattr(gunicorn, "drain_all", lambda: drains.append(True))
    monkeypatch.setattr(gunicorn, "_watches", [])
    monkeypatch.setattr(servers, "threads_of_worker", None)
    return drains


def test_worker_that_is_let_go_drains_once(drained: list[bool]) -> None:
    """Within about a second, on the timer's thread, and not again at each look."""
    worker = SimpleNamespace(alive=True, cfg=SimpleNamespace(threads=7))
    gunicorn.post_worker_init(worker)
    assert servers.threads_of_worker == 7
    (watch,) = gunicorn._watches
    assert watch in TIMER.tickers()
    assert watch.tick(0.0) is False
    assert drained == []
    worker.alive = False
    until(lambda: drained, 2.5)
    assert watch.tick(0.0) is False
    assert drained == [True]
