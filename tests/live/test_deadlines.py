"""What ends a socket by the clock: its age, and asking again whether its user may have it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.wire import Browser, browsers

from .gunicorn import KINDS, Gunicorn, is_open, running, start, until
from .test_disconnect import open_public

Visitor = Callable[[], Browser]

AGE = 2


@pytest.fixture(scope="module", params=KINDS)
def ageing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gunicorn]:
    """Run a server whose sockets live two seconds."""
    config = {"WSGUARD_MAX_CONNECTION_AGE": AGE}
    with running(request.param, tmp_path_factory.mktemp("age"), config=config) as server:
        yield server


def test_max_age(ageing: Gunicorn) -> None:
    """Site-wide after two seconds; a route may only shorten; a public socket has no age."""
    with browsers(ageing.port) as make:
        alice = make().log_in("alice")
        begin = time.monotonic()
        wires = {path: start(alice, path) for path in ("/short", "/stay", "/long")}
        public = open_public(alice)
        ended = {}
        for path, wire in wires.items():
            assert wire.closing() == (4401, "max_age")
            ended[path] = time.monotonic() - begin
        assert 1 <= ended["/short"] < 2
        assert AGE <= ended["/stay"] < AGE + 2
        assert AGE <= ended["/long"] < AGE + 2
        assert is_open(public)
        assert is_open(start(alice))


@pytest.fixture(scope="module", params=KINDS)
def _asking(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gunicorn]:
    config = {"WSGUARD_REVALIDATE_EVERY": 1, "WSGUARD_REVALIDATE_FAILURES": 2}
    with running(request.param, tmp_path_factory.mktemp("ask"), config=config) as server:
        yield server


@pytest.fixture
def asking(_asking: Gunicorn) -> Iterator[Gunicorn]:
    """Run one that asks every second whether its users may stay; two failures close."""
    yield _asking
    _asking.turn()
    until(lambda: _asking.held == 0)


@pytest.fixture
def visitor(asking: Gunicorn) -> Iterator[Visitor]:
    """Make browsers that know nobody yet."""
    with browsers(asking.port) as make:
        yield make


def test_revalidation(asking: Gunicorn, visitor: Visitor) -> None:
    """Who is gone, who lost a scope, who cannot be asked: closed; everybody else stays."""
    users = ("gone", "demoted", "unknown", "bob")
    read = {user: start(visitor().log_in(user), "/read") for user in users}
    plain = start(visitor().log_in("demoted"))
    asking.turn(gone=["gone"], scopes={"demoted": []}, faulty={"unknown": "raises"})
    begin = time.monotonic()
    assert read["gone"].closing() == (4401, "login_required")
    assert read["demoted"].closing() == (4401, "scope_missing")
    assert time.monotonic() - begin < 3.0
    assert read["unknown"].closing() == (4401, "revalidation_failed")
    assert 1.0 < time.monotonic() - begin < 4.0
    assert is_open(read["bob"])
    assert is_open(plain)


def test_each_user_is_asked_about_once_a_round(asking: Gunicorn, visitor: Visitor) -> None:
    """Three sockets of one user cost one question a second."""
    wires = [start(visitor().log_in("bob")) for _ in range(3)]
    before = asking.stats["asked"]["bob"]
    begin = time.monotonic()
    until(lambda: asking.stats["asked"]["bob"] >= before + 2)
    rounds = time.monotonic() - begin
    assert asking.stats["asked"]["bob"] - before <= rounds + 2
    assert all(is_open(wire) for wire in wires)


def test_loader_that_hangs_closes(asking: Gunicorn, visitor: Visitor) -> None:
    """Two rounds without an answer about a user close his sockets; others are asked about on."""
    name = f"hang-{time.monotonic_ns()}"
    hung, bob = start(visitor().log_in("hung")), start(visitor().log_in("bob"))
    asking.turn(faulty={"hung": name})
    asking.wait_at(name)
    assert hung.closing() == (4401, "revalidation_failed")
    before = asking.stats["asked"]["bob"]
    until(lambda: asking.stats["asked"]["bob"] >= before + 3)
    assert is_open(bob)
    asking.open_gate(name)


def test_loader_that_hangs_for_everybody_closes_all(asking: Gunicorn, visitor: Visitor) -> None:
    """Nobody stays because the site is stuck: three rounds without any answer close them all."""
    users = [f"user-{number}" for number in range(6)]
    names = {user: f"hang-{user}-{time.monotonic_ns()}" for user in users}
    wires = [start(visitor().log_in(user)) for user in users]
    asking.turn(faulty=names)
    assert {wire.closing() for wire in wires} == {(4401, "revalidation_failed")}
    for name in names.values():
        asking.open_gate(name)
