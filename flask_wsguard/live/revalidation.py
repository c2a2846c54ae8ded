"""Asking again, while sockets are open, whether their users may still have them."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable

from .connection import Connection
from .registry import Registry, Selector

_log = logging.getLogger("flask_wsguard")

Ask = Callable[[str], "frozenset[str] | None"]
"""User id -> the scopes held now, None for a user who is gone. May wait, may raise."""
Close = Callable[[Iterable[Connection], str], object]


class Revalidation:
    """Asks for every user who holds sockets here, each once a round, on a thread of its own.

    A loader that raises closes nothing; after ``failures`` rounds in a row it does, and so does
    one that hangs for so many rounds: who cannot be asked must not stay for ever.
    """

    def __init__(
        self, every: float, failures: int, *, ask: Ask, registry: Registry, close: Close
    ) -> None:
        """Ask every ``every`` seconds."""
        self._every = every
        self._most = failures
        self._ask = ask
        self._registry = registry
        self._close = close
        self._due = 0.0
        self._overdue = 0
        self._failed: Counter[str] = Counter()
        self._round: threading.Thread | None = None

    def tick(self, now: float) -> None:
        """Start a round when it is due; never waits for one."""
        if not self._due:
            self._due = now + self._every
        if now < self._due or not len(self._registry):
            return
        self._due = now + self._every
        if self._round and self._round.is_alive():
            self._overdue += 1
            _log.warning("revalidation has been waiting for the site for %d rounds", self._overdue)
            if self._overdue >= self._most:
                held = self._registry.select(Selector())
                # Nobody need be asked about a public socket.
                self._close([one for one in held if one.ticket], "revalidation_failed")
            return
        self._overdue = 0
        self._round = threading.Thread(target=self._run, name="wsguard-revalidation", daemon=True)
        self._round.start()

    def _run(self) -> None:
        users = self._registry.users()
        for user_id in set(self._failed) - set(users):
            del self._failed[user_id]
        for user_id in users:
            self._revalidate(user_id)

    def _revalidate(self, user_id: str) -> None:
        held = self._registry.select(Selector(user_id=user_id))
        try:
            scopes = self._ask(user_id)
        except Exception:
            self._failed[user_id] += 1
            _log.exception("revalidation failed %d times in a row", self._failed[user_id])
            if self._failed[user_id] >= self._most:
                self._close(held, "revalidation_failed")
            return
        del self._failed[user_id]
        if scopes is None:
            self._close(held, "login_required")
        else:
            lost = [connection for connection in held if connection.demanded - scopes]
            self._close(lost, "scope_missing")
