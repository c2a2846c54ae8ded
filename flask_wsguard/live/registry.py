"""The sockets that this process holds open, by user."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain

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
    """Adding and removing cost the same however many there are; no lock is held while closing.

    Most users hold one socket, which stands for itself: a set of its own would be as large as all
    else that is kept of it.
    """

    __slots__ = ("__weakref__", "_held", "_lock", "_total", "max_total", "per_user")

    def __init__(self, max_total: int | None, per_user: int) -> None:
        """Hold at most ``max_total`` sockets (None: any number), ``per_user`` of one user."""
        self.max_total = max_total
        self.per_user = per_user
        self._lock = Lock()
        self._total = 0
        # By user id; None is the public ones'.
        self._held: dict[str | None, Connection | set[Connection]] = {}

    def __len__(self) -> int:
        """Return how many sockets are open or being opened."""
        return self._total

    def has_room(self, user_id: str | None) -> bool:
        """Tell whether one more would fit; a promise only to those who ``take`` it."""
        return (self.max_total is None or self._total < self.max_total) and (
            user_id is None or len(self._of(user_id)) < self.per_user
        )

    def take(self, connection: Connection) -> bool:
        """Take a slot for a connection; False when there is none."""
        user_id = _user_of(connection)
        with self._lock:
            if not self.has_room(user_id):
                return False
            self._add(user_id, connection)
        return True

    def add(self, connection: Connection) -> None:
        """Hold a connection whatever the caps say."""
        with self._lock:
            self._add(_user_of(connection), connection)

    def give_back(self, connection: Connection) -> None:
        """Give the slot back; harmless when it was never taken."""
        user_id = _user_of(connection)
        with self._lock:
            held = self._held.get(user_id)
            if held is connection or held == {connection}:
                del self._held[user_id]
            elif isinstance(held, set) and connection in held:
                held.remove(connection)
            else:
                return
            self._total -= 1

    def select(self, selector: Selector) -> list[Connection]:
        """Return the connections that are meant."""
        with self._lock:
            users = self._held if selector.user_id is None else (selector.user_id,)
            candidates = chain.from_iterable(map(self._of, users))
            return [connection for connection in candidates if selector.matches(connection)]

    def users(self) -> list[str]:
        """Return the ids of all users who hold sockets here."""
        with self._lock:
            return [user_id for user_id in self._held if user_id is not None]

    def _of(self, user_id: str | None) -> Collection[Connection]:
        held = self._held.get(user_id, ())
        return (held,) if isinstance(held, Connection) else held

    def _add(self, user_id: str | None, connection: Connection) -> None:
        held = self._held.setdefault(user_id, connection)
        if isinstance(held, set):
            held.add(connection)
        elif held is not connection:
            self._held[user_id] = {held, connection}
        self._total += 1


def _user_of(connection: Connection) -> str | None:
    return connection.ticket.user_id if connection.ticket else None
