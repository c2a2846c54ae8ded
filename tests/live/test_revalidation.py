"""Revalidation: each user once a round; who cannot be asked about does not stay for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from flask_wsguard.core.tickets import Ticket
from flask_wsguard.live.connection import Connection
from flask_wsguard.live.registry import Registry
from flask_wsguard.live.revalidation import Revalidation

from .gunicorn import until


class Site:
    """What the loaders say of each user, and what was closed."""

    def __init__(self, failures: int = 3) -> None:
        self.scopes: dict[str, frozenset[str] | None] = {}
        self.asked: list[str] = []
        self.closed: list[tuple[str, str]] = []
        self.hangs: dict[str, threading.Event] = {}
        self.registry = Registry(None, 20)
        self.now = 100.0
        self.checks = Revalidation(
            10,
            failures,
            ask=self.ask,
            registry=self.registry,
            close=self.close,
            clock=lambda: self.now,
        )
        self.checks.tick(self.now)

    def ask(self, user_id: str) -> frozenset[str] | None:
        self.asked.append(user_id)
        if user_id in self.hangs:
            self.hangs[user_id].wait(10)
        return self.scopes[user_id]

    def close(self, connections: Iterable[Connection], reason: str) -> None:
        for each in connections:
            if each.close(4401, reason):
                self.closed.append((each.ticket.user_id if each.ticket else "the public", reason))

    def hold(self, user: str, *demanded: str) -> Connection:
        ticket = Ticket("t", user, frozenset(), "", "s", 1, 2)
        connection = Connection(ticket, "/", demanded=frozenset(demanded))
        connection.opened_at = self.now
        assert self.registry.take(connection)
        return connection

    def let_hang(self, *users: str) -> None:
        """From now on nothing is answered about these users."""
        self.hangs = {user: threading.Event() for user in users}

    def answer(self) -> None:
        """Answer what was asked."""
        hangs, self.hangs = self.hangs, {}
        for each in hangs.values():
            each.set()
        until(self.rests)

    def round(self, seconds: float = 10) -> None:
        """Let so much time pass, and wait until whoever can be asked about was."""
        self.now += seconds
        self.checks.tick(self.now)
        until(self.rests)

    def rests(self) -> bool:
        """Tell whether every thread that asks waits for an answer that will not come."""
        asking = [one for one in threading.enumerate() if one.name == "wsguard-revalidation"]
        return len(asking) == len(self.checks._asked) and set(self.checks._asked) <= set(self.hangs)


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
    site.scopes = {"alice": frozenset()}
    site.hold("alice")
    assert site.asked == []
    site.round(0)
    assert site.asked == ["alice"]


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


def test_loader_that_hangs_for_everybody(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """After three rounds and the one in which others were tried: all users, no public socket."""
    users = [f"user-{number}" for number in range(6)]
    site.let_hang(*users)
    for user in users:
        site.hold(user)
    assert site.registry.take(Connection(None, "/ticker"))
    for _ in range(4):
        site.round()
        assert len(site.closed) <= 1
    site.round()
    assert sorted(site.closed) == [(user, "revalidation_failed") for user in users]
    assert "no answer from the site about" in caplog.text
    assert len(site.asked) == 4
    site.scopes = dict.fromkeys(users, frozenset())
    site.answer()


def test_loader_that_hangs_for_one(site: Site) -> None:
    """His sockets close after three rounds; all others are asked about as ever, and stay."""
    site.let_hang("stuck")
    site.scopes = {"stuck": frozenset(), "alice": frozenset(), "bob": frozenset()}
    for user in site.scopes:
        site.hold(user)
    for _ in range(3):
        site.round()
        assert site.closed == []
    for _ in range(4):
        site.round()
        assert site.closed == [("stuck", "revalidation_failed")]
    assert site.asked.count("stuck") == 1
    assert site.asked.count("alice") == site.asked.count("bob") >= 5
    site.answer()
    site.round()
    assert site.asked.count("stuck") == 2


def test_socket_opened_while_a_loader_hangs(site: Site) -> None:
    """Preauth has asked about its user just now: it has as many rounds as any other."""
    site.let_hang("stuck")
    site.scopes = {"stuck": frozenset()}
    site.hold("stuck")
    for _ in range(4):
        site.round()
    assert len(site.closed) == 1
    site.hold("stuck")
    for _ in range(2):
        site.round()
    assert len(site.closed) == 1
    site.round()
    assert len(site.closed) == 2
    site.answer()


def test_slow_is_not_hung(site: Site) -> None:
    """A round takes as long as it takes: answers come, nobody is closed or asked about twice."""
    users = [f"user-{number}" for number in range(30)]
    site.scopes = dict.fromkeys(users, frozenset())
    for user in users:
        site.hold(user)
    site.let_hang(*users)
    site.now += 10
    site.checks.tick(site.now)
    for number in range(1, 31):
        until(lambda number=number: len(site.asked) == number)  # type: ignore[misc]
        site.now += 9
        site.checks.tick(site.now)
        site.hangs[site.asked[-1]].set()
    until(lambda: not site.checks._asked)
    assert sorted(site.asked) == sorted(users)
    assert site.closed == []
    site.hangs = {}
    site.round()
    assert len(site.asked) == 60


def test_round_whose_thread_did_not_start(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who wait are asked about by the next one's."""
    site.scopes = {"alice": frozenset()}
    site.hold("alice")

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as poor:
        poor.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError):
            site.round()
    site.round()
    assert site.asked == ["alice"]


def test_fault_while_closing_ends_the_question(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is nobody's silence: the user is asked about again."""
    site.scopes = {"alice": None}
    site.hold("alice")
    faults: list[object] = []
    monkeypatch.setattr(threading, "excepthook", faults.append)
    monkeypatch.setattr(site.checks, "_close", None)
    site.round()
    until(lambda: faults)
    site.round()
    assert site.asked == ["alice"] * 2
    until(lambda: len(faults) == 2)
