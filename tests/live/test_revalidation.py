"""Revalidation: each user once a round; who cannot be asked about does not stay for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import pytest

from flask_wsguard.core.tickets import Ticket
from flask_wsguard.live.connection import Connection
from flask_wsguard.live.registry import Registry
from flask_wsguard.live.revalidation import Revalidation


class Site:
    """What the loaders say of each user, and what was closed."""

    def __init__(self, failures: int = 3) -> None:
        self.scopes: dict[str, frozenset[str] | None] = {}
        self.asked: list[str] = []
        self.closed: list[tuple[str, str]] = []
        self.hang: threading.Event | None = None
        self.registry = Registry(None, 20)
        self.checks = Revalidation(
            10, failures, ask=self.ask, registry=self.registry, close=self.close
        )
        self.now = 100.0
        self.checks.tick(self.now)

    def ask(self, user_id: str) -> frozenset[str] | None:
        self.asked.append(user_id)
        if self.hang:
            self.hang.wait(10)
        return self.scopes[user_id]

    def close(self, connections: Iterable[Connection], reason: str) -> None:
        self.closed += [
            (each.ticket.user_id if each.ticket else "the public", reason) for each in connections
        ]

    def hold(self, user: str, *demanded: str) -> Connection:
        ticket = Ticket("t", user, frozenset(), "", "s", 1, 2)
        connection = Connection(ticket, "/", demanded=frozenset(demanded))
        assert self.registry.take(connection)
        return connection

    def round(self, *, finish: bool = True) -> None:
        self.now += 10
        self.checks.tick(self.now)
        if finish and self.checks._round:
            self.checks._round.join(5)


@pytest.fixture
def site() -> Site:
    """Return a site where three failures close."""
    return Site()


def test_each_user_once_a_round(site: Site) -> None:
    """Three sockets, two users, two questions; none before it is time."""
    site.scopes = {"alice": frozenset(), "bob": frozenset()}
    for user in ("alice", "alice", "bob"):
        site.hold(user)
    site.checks.tick(site.now + 9)
    assert site.asked == []
    site.round()
    assert sorted(site.asked) == ["alice", "bob"]
    assert site.closed == []


def test_nobody_is_asked_about_without_sockets(site: Site) -> None:
    """No socket, no round."""
    site.round()
    assert site.checks._round is None


def test_gone_and_demoted(site: Site) -> None:
    """A user who is gone loses all, one who lost a scope those sockets that need it."""
    site.scopes = {"gone": None, "demoted": frozenset({"read"})}
    site.hold("gone")
    site.hold("demoted", "read")
    site.hold("demoted", "read", "write")
    site.round()
    assert sorted(site.closed) == [("demoted", "scope_missing"), ("gone", "login_required")]


def test_failures_in_a_row(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Two failures close nothing and are logged; a success forgives; the third in a row closes."""
    site.hold("alice")
    for _ in range(2):
        site.round()
    site.scopes = {"alice": frozenset()}
    site.round()
    del site.scopes["alice"]
    for _ in range(2):
        site.round()
    assert site.closed == []
    site.round()
    assert site.closed == [("alice", "revalidation_failed")]
    assert caplog.text.count("revalidation failed 1 times in a row") == 2


def test_failures_of_a_user_who_left_are_forgotten(site: Site) -> None:
    """The count does not wait for him."""
    held, other = site.hold("alice"), site.hold("bob")
    site.scopes = {"bob": frozenset()}
    site.round()
    assert site.checks._failed == {"alice": 1}
    site.registry.give_back(held)
    site.round()
    assert site.checks._failed == {}
    assert other


def test_loader_that_hangs(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The timer never waits for it; after three rounds every user is closed, no public socket."""
    site.hang, site.scopes = threading.Event(), {"alice": frozenset()}
    site.hold("alice")
    assert site.registry.take(Connection(None, "/ticker"))
    begin = time.monotonic()
    for _ in range(3):
        site.round(finish=False)
    assert site.closed == []
    site.round(finish=False)
    assert time.monotonic() - begin < 1
    assert site.closed == [("alice", "revalidation_failed")]
    assert "waiting for the site for 3 rounds" in caplog.text
    site.hang.set()
    assert site.checks._round
    site.checks._round.join(5)
    site.hang, site.closed = None, []
    site.round()
    assert site.checks._overdue == 0
    assert site.closed == []
