"""One gunicorn of each kind that the tests trouble, and that must serve again after each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.live.gunicorn import KINDS, Gunicorn, is_open, running, start, until
from tests.wire import Browser, browsers

Visitor = Callable[[], Browser]


@pytest.fixture(scope="module", params=KINDS)
def _troubled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gunicorn]:
    config = {"WSGUARD_MAX_CONNECTIONS_PER_USER": 2000}
    with running(request.param, tmp_path_factory.mktemp("faults"), config=config) as server:
        yield server


@pytest.fixture
def troubled(_troubled: Gunicorn) -> Iterator[Gunicorn]:
    """Once the fault is gone a good client gets in, and nothing of the others stays."""
    yield _troubled
    _troubled.turn()
    with browsers(_troubled.port) as make:
        assert is_open(start(make().log_in("dora")))
    until(lambda: _troubled.held == 0, 10)


@pytest.fixture
def visitor(troubled: Gunicorn) -> Iterator[Visitor]:
    """Make browsers that know nobody yet; all connections are closed at the end."""
    with browsers(troubled.port) as make:
        yield make


@pytest.fixture
def alice(visitor: Visitor) -> Browser:
    """Return a browser in which alice has logged in."""
    return visitor().log_in("alice")
