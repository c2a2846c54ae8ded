"""Sockets and a pool of database connections: a handshake loads no user and holds none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire import Browser, HungUp, browsers

from .conftest import Server, need, running

pytestmark = pytest.mark.slow

USER = "user 1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run a site with Flask-SQLAlchemy and a pool of two connections, under gthread."""
    need("flask_sqlalchemy")
    database = str(tmp_path / "users.sqlite")
    with running("gthread", tmp_path, "make_database", TEST_DATABASE=database) as server:
        yield server


@pytest.fixture
def alice(server: Server) -> Iterator[Browser]:
    """Return a browser in which alice has logged in."""
    with browsers(server.port) as make:
        yield make().log_in("alice")


def test_handshake_loads_no_user_and_holds_no_database_connection(alice: Browser) -> None:
    """Five open sockets on a pool of two: no connection out, nobody loaded, pages still work."""
    grants = [alice.preauth("/careful") for _ in range(5)]
    before = alice.fetch("GET", "/pool").json
    assert before == {"kind": "QueuePool", "out": 0, "loads": 5}
    wires = [alice.open("/careful", grant) for grant in grants]
    assert [wire.text() for wire in wires] == [USER] * 5
    assert alice.fetch("GET", "/pool").json == before
    assert alice.fetch("POST", "/login/alice").status == 200


def test_control_that_loads_the_user_exhausts_the_pool(alice: Browser, server: Server) -> None:
    """Two handlers that ask for current_user take both connections; nobody else gets one."""
    grants = [alice.preauth("/careless") for _ in range(3)]
    wires = [alice.open("/careless", grant) for grant in grants[:2]]
    assert [wire.text() for wire in wires] == ["user alice"] * 2
    assert alice.fetch("GET", "/pool").json["out"] == 2
    third = alice.open("/careless", grants[2])
    with pytest.raises((HungUp, AssertionError)):
        third.text()
    assert "QueuePool limit of size 2 overflow 0 reached" in server.log
