"""Observe-only mode: a socket that should have been refused can be closed like a public one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire import Browser, Wire, browsers

from .gunicorn import KINDS, Gunicorn, is_open, running, until


@pytest.fixture(params=KINDS)
def observing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gunicorn]:
    """Run a server that refuses nobody, and says of each whom it should have refused."""
    config = {"WSGUARD_ENFORCE": False, "WSGUARD_MAX_CONNECTIONS": 1}
    with running(request.param, tmp_path_factory.mktemp("observe"), config=config) as server:
        yield server


def knock(browser: Browser, path: str = "/stay") -> Wire:
    """Open a socket without a token."""
    wire = browser.send(browser.attempt(path))
    assert wire.answer().status == 101
    wire.text()
    return wire


def test_observed_sockets_close_with_everybody_and_at_a_restart(observing: Gunicorn) -> None:
    """They have no user whose logout would end them, and no cap keeps them out."""
    with browsers(observing.port) as make:
        alice = make().log_in("alice")
        wires = [knock(alice) for _ in range(3)]
        assert observing.held == 3
        assert observing.disconnect(user_id="alice") == 0
        alice.log_out()
        assert all(is_open(wire) for wire in wires)
        assert observing.disconnect() == 3
        assert [wire.closing() for wire in wires] == [(4401, "disconnected")] * 3
        until(lambda: observing.held == 0)
        again = knock(alice)
        assert observing.fetch("POST", "/drain", {"seconds": 0}).json == 1
        assert again.closing() == (1012, "restart")
        until(lambda: observing.held == 0)
        assert [event[:3] for event in observing.stats["events"]] == [
            *[["opened", "/stay", None]] * 3,
            *[["closed", "/stay", None]] * 3,
            ["opened", "/stay", None],
            ["closed", "/stay", None],
        ]
        assert "Traceback" not in observing.log


def test_observed_socket_of_an_unmarked_route_is_cut(observing: Gunicorn) -> None:
    """Nothing of the guard's runs around its handler, so that no close frame can be sent."""
    with browsers(observing.port) as make:
        alice = make().log_in("alice")
        wire = knock(alice, "/unmarked")
        assert observing.disconnect() == 1
        assert wire.is_closed()
        until(lambda: observing.held == 0)
