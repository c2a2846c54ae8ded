"""Caps: refused before the upgrade, told by preauth first, and every slot is given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.wire import Browser, browsers

from .gunicorn import KINDS, Gunicorn, ends, is_open, running, start, until
from .test_disconnect import open_public

Visitor = Callable[[], Browser]


@pytest.fixture(scope="module", params=KINDS)
def _capped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gunicorn]:
    config = {"WSGUARD_MAX_CONNECTIONS": 4, "WSGUARD_MAX_CONNECTIONS_PER_USER": 2}
    with running(request.param, tmp_path_factory.mktemp("caps"), config=config) as server:
        yield server


@pytest.fixture
def capped(_capped: Gunicorn) -> Iterator[Gunicorn]:
    """Four sockets at the most, two of each user."""
    yield _capped
    until(lambda: _capped.held == 0)


@pytest.fixture
def visitor(capped: Gunicorn) -> Iterator[Visitor]:
    """Make browsers that know nobody yet."""
    with browsers(capped.port) as make:
        yield make


def test_a_user_has_two(capped: Gunicorn, visitor: Visitor) -> None:
    """The third socket of a user is refused at preauth, and at the handshake if it gets there."""
    alice, again = visitor().log_in("alice"), visitor().log_in("alice")
    late = again.attempt("/stay", again.preauth("/stay"))
    held = [start(alice), start(again)]
    answer = alice.ask("/stay")
    assert (answer.status, answer.json["reason"], answer.get("Retry-After")) == (
        429,
        "too_many_connections",
        "5",
    )
    assert again.send(late).answer().status == 403
    assert is_open(start(visitor().log_in("bob")))
    held[0].close()
    until(lambda: capped.held < 3)
    assert is_open(start(again))


def test_the_process_has_four(capped: Gunicorn, visitor: Visitor) -> None:
    """Public sockets count too, and are refused too."""
    people = [visitor().log_in(user) for user in ("alice", "bob")]
    late = people[1].attempt("/stay", people[1].preauth("/stay"))
    public = [open_public(people[0]) for _ in range(3)]
    start(people[0])
    for path in ("/stay", "/public"):
        answer = people[1].ask(path)
        assert (answer.status, answer.json["reason"]) == (429, "too_many_connections")
    assert people[1].send(late).answer().status == 403
    assert people[1].send(people[1].attempt("/public")).answer().status == 403
    public[0].close()
    until(lambda: capped.held == 3)
    assert is_open(open_public(people[1]))


def test_a_refused_handshake_leaves_the_connection_usable(
    capped: Gunicorn, visitor: Visitor
) -> None:
    """No 101 and no end of the connection: the 403 is an ordinary answer, three times over."""
    alice = visitor().log_in("alice")
    grants = [alice.preauth("/stay") for _ in range(3)]
    for grant in grants[:2]:
        alice.open("/stay", grant).text()
    refused = alice.attempt("/stay", grants[2]).bytes()
    wire = alice.wire()
    for _ in range(3):
        wire.send(refused)
        assert wire.answer().status == 403


@pytest.mark.parametrize(
    ("path", "query", "first"),
    [
        pytest.param("/stay", b"&stop=1", 418, id="site-answers-after-our-verdict"),
        pytest.param("/raises", b"", 101, id="handler-raises"),
        pytest.param("/aborts", b"", 101, id="handler-aborts"),
        pytest.param("/stay", b"", 101, id="peer-vanishes"),
    ],
)
def test_the_slot_is_given_back(
    capped: Gunicorn, visitor: Visitor, path: str, query: bytes, first: int
) -> None:
    """Whatever follows the verdict, the user may connect again: five times over a cap of two."""
    alice = visitor().log_in("alice")
    for _ in range(5):
        attempt = alice.attempt(path, alice.preauth(path))
        attempt.query += query
        wire = alice.send(attempt)
        assert wire.answer().status == first
        wire.close()
        until(lambda: capped.held == 0)


def test_the_slot_is_given_back_before_a_malformed_second_request(
    capped: Gunicorn, visitor: Visitor
) -> None:
    """A connection that goes on with garbage, or a half request, holds nothing."""
    alice = visitor().log_in("alice")
    for garbage in (b"\0\1\2 garbage\r\n\r\n", b"GET /stay HTTP/1.1\r\nHost"):
        attempt = alice.attempt("/stay", alice.preauth("/stay"))
        attempt.query += b"&stop=1"
        wire = alice.send(attempt)
        assert wire.answer().status == 418
        wire.send(garbage)
        until(lambda: capped.held == 0)
        wire.finish()
        assert ends(wire)
    assert is_open(start(alice))


def test_cap_as_high_as_the_threads_is_warned_of(tmp_path: Path) -> None:
    """The worker's hook knows the number, and the first socket's log line names it."""
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text("from flask_wsguard.ops.gunicorn import *\n")
    options, config = ("--config", str(configuration)), {"WSGUARD_MAX_CONNECTIONS": 9}
    with (
        running("gthread", tmp_path, *options, threads=9, config=config) as server,
        browsers(server.port) as make,
    ):
        start(make().log_in("alice"))
        assert "WSGUARD_MAX_CONNECTIONS is 9, and of this worker's 9 threads" in server.log


def test_garbage_instead_of_frames_ends_the_socket(capped: Gunicorn, visitor: Visitor) -> None:
    """What is no WebSocket frame ends the handler, and gives the slot back."""
    alice = visitor().log_in("alice")
    for _ in range(3):
        wire = start(alice)
        wire.send(b"GET /stay HTTP/1.1\r\n\r\n")
        wire.finish()
        until(lambda: capped.held == 0)
