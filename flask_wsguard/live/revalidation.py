"""Asking again, while sockets are open, whether their users may still have them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from .connection import Connection
from .registry import Registry, Selector

_log = logging.getLogger("flask_wsguard")

_MOST_THREADS = 4
"""Questions that may hang before nobody else can be asked."""

Ask = Callable[[str], "frozenset[str] | None"]
"""User id -> the scopes held now, None for a user who is gone. May wait, may raise."""
Close = Callable[[Iterable[Connection], str], object]


class Revalidation:
    """Asks for every user who holds sockets here, each once a round, off the timer's thread.

    A loader that raises closes nothing; after ``failures`` rounds in a row it closes that user's
    sockets, and so does one that hangs for so many: who cannot be asked must not stay for ever.
    A question that hangs holds up nobody else, and a slow round is none that hangs: while answers
    come, everybody waits for his turn, and the next round begins when this one has ended.
    """

    def __init__(
        self,
        every: float,
        failures: int,
        *,
        ask: Ask,
        registry: Registry,
        close: Close,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask every ``every`` seconds of ``clock``."""
        self._every = every
        self._most = failures
        self._patience = every * failures
        self._ask = ask
        self._registry = registry
        self._close = close
        self._clock = clock
        self._due = 0.0
        self._answered = 0.0
        self._failed: Counter[str] = Counter()
        self._waiting: deque[str] = deque()
        self._asked: dict[str, float] = {}

    def tick(self, now: float) -> None:
        """Start a round when it is due, and close whom nobody answers for; never waits."""
        if not self._due:
            self._due = now + self._every
        if now < self._due or not len(self._registry):
            return
        self._due = now + self._every
        asked = self._asked.copy()
        self._close_unanswered(now, asked)
        stuck = [user_id for user_id, since in asked.items() if now - since >= self._every]
        if len(stuck) < len(asked):
            return
        if not self._waiting:
            self._begin_round(now, stuck)
        if self._waiting and len(stuck) < _MOST_THREADS:
            threading.Thread(target=self._run, name="wsguard-revalidation", daemon=True).start()

    def _begin_round(self, now: float, stuck: Iterable[str]) -> None:
        # Nobody waits, so nobody has waited for an answer until now.
        self._answered = now
        users = set(self._registry.users())
        for user_id in set(self._failed) - users:
            del self._failed[user_id]
        self._waiting.extend(users.difference(stuck))

    def _close_unanswered(self, now: float, asked: dict[str, float]) -> None:
        """Close the sockets of those whose question hangs; of all, when no answer comes at all.

        A socket that is younger than that was opened by a user whom preauth has asked about.
        """
        hung = {user_id for user_id, since in asked.items() if now - since >= self._patience}
        if not hung:
            return
        _log.warning("revalidation gets no answer from the site about %d users", len(hung))
        # They wait for one more round: only then has the thread beside the first one hung too.
        everybody = now - self._answered >= self._patience + self._every
        self._close(
            [
                one
                for one in self._registry.select(Selector())
                if one.ticket
                and (everybody or one.ticket.user_id in hung)
                and now - one.opened_at >= self._patience
            ],
            "revalidation_failed",
        )

    def _run(self) -> None:
        """Ask about one after the other, as long as somebody waits for his turn."""
        # Another thread may take the last one.
        with suppress(IndexError):
            while True:
                user_id = self._waiting.popleft()
                self._asked[user_id] = self._clock()
                try:
                    self._revalidate(user_id)
                finally:
                    self._answered = self._clock()
                    del self._asked[user_id]

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
