"""The sockets that this process holds open, by user, session and ticket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..locks import Lock
from .connection import Connection


@dataclass(frozen=True, slots=True)
class Selector:
    """Which sockets are meant: those that match every given field; all when none is given.

    ``session`` is the fingerprint that tickets carry.
    """

    user_id: str | None = None
    session: str | None = None
    ticket_id: str | None = None

    def matches(self, connection: Connection) -> bool:
        """Tell whether a connection is meant."""
        ticket = connection.ticket
        if ticket is None:
            return self == _EVERYBODY
        return (
            (self.user_id is None or ticket.user_id == self.user_id)
            and (self.session is None or ticket.session == self.session)
            and (self.ticket_id is None or ticket.id == self.ticket_id)
        )


_EVERYBODY = Selector()


class Registry:
    """Adding and removing cost the same however many there are; no lock is held while closing."""

    __slots__ = ("__weakref__", "_all", "_by_session", "_by_user", "_lock", "max_total", "per_user")

    def __init__(self, max_total: int | None, per_user: int) -> None:
        """Hold at most ``max_total`` sockets (None: any number), ``per_user`` of one user."""
        self.max_total = max_total
        self.per_user = per_user
        self._lock = Lock()
        self._all: set[Connection] = set()
        self._by_user: dict[str, set[Connection]] = {}
        self._by_session: dict[str, set[Connection]] = {}

    def __len__(self) -> int:
        """Return how many sockets are open or being opened."""
        return len(self._all)

    def has_room(self, user_id: str | None) -> bool:
        """Tell whether one more would fit; a promise only to those who ``take`` it."""
        return (self.max_total is None or len(self._all) < self.max_total) and (
            user_id is None or len(self._by_user.get(user_id, ())) < self.per_user
        )

    def take(self, connection: Connection) -> bool:
        """Take a slot for a connection; False when there is none."""
        ticket = connection.ticket
        with self._lock:
            if not self.has_room(ticket.user_id if ticket else None):
                return False
            self._add(connection)
        return True

    def add(self, connection: Connection) -> None:
        """Hold a connection whatever the caps say."""
        with self._lock:
            self._add(connection)

    def _add(self, connection: Connection) -> None:
        self._all.add(connection)
        if ticket := connection.ticket:
            self._by_user.setdefault(ticket.user_id, set()).add(connection)
            self._by_session.setdefault(ticket.session, set()).add(connection)

    def give_back(self, connection: Connection) -> None:
        """Give the slot back; harmless when it was never taken."""
        ticket = connection.ticket
        with self._lock:
            self._all.discard(connection)
            if ticket:
                _remove(self._by_user, ticket.user_id, connection)
                _remove(self._by_session, ticket.session, connection)

    def select(self, selector: Selector) -> list[Connection]:
        """Return the connections that are meant."""
        with self._lock:
            candidates: Iterable[Connection] = self._all
            if selector.session is not None:
                candidates = self._by_session.get(selector.session, ())
            elif selector.user_id is not None:
                candidates = self._by_user.get(selector.user_id, ())
            return [connection for connection in candidates if selector.matches(connection)]

    def users(self) -> list[str]:
        """Return the ids of all users who hold sockets here."""
        with self._lock:
            return list(self._by_user)


def _remove(index: dict[str, set[Connection]], key: str, connection: Connection) -> None:
    if held := index.get(key):
        held.discard(connection)
        if not held:
            del index[key]
