"""One gunicorn of each kind for all tests that change nothing of its configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.wire import Browser, browsers

from .gunicorn import KINDS, Gunicorn, running, until

Visitor = Callable[[], Browser]


@pytest.fixture(scope="session", params=KINDS)
def _gunicorn(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gunicorn]:
    with running(
        request.param,
        tmp_path_factory.mktemp("live"),
        config={"WSGUARD_MAX_CONNECTIONS_PER_USER": 60},
    ) as server:
        yield server


@pytest.fixture
def gunicorn(_gunicorn: Gunicorn) -> Iterator[Gunicorn]:
    """Each of the servers; no test leaves a socket behind, or a fault in the log."""
    yield _gunicorn
    until(lambda: _gunicorn.held == 0)


@pytest.fixture
def visitor(gunicorn: Gunicorn) -> Iterator[Visitor]:
    """Make browsers that know nobody yet; all connections are closed at the end."""
    with browsers(gunicorn.port) as make:
        yield make


@pytest.fixture
def alice(visitor: Visitor) -> Browser:
    """Return a browser in which alice has logged in."""
    return visitor().log_in("alice")


@pytest.fixture
def reads_log(gunicorn: Gunicorn) -> Iterator[Callable[[], str]]:
    """Return what was logged since the test began."""
    before = len(gunicorn.log)

    def since() -> Any:
        return gunicorn.log[before:]

    return since
