"""Telling other processes what happened here, and acting on what they tell."""

from __future__ import annotations

import logging
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..core.notices import Notice, new_notice, read_notice, write_notice
from ..core.tickets import Keys
from ..ended import EndedSessions
from ..stores.watched import WatchedStore
from .connection import Connection
from .daemon import Daemon, log_fault
from .outbox import Outbox
from .registry import Selector
from .sockets import SIGN_IN_AGAIN, Sockets

_log = logging.getLogger("flask_wsguard")

_FOREIGN = (
    "a notice that this site did not sign was ignored, and so will others be: another site, or "
    "somebody else, writes to this store. Give each site a WSGUARD_COOKIE_NAME of its own"
)
_WAIT_SECONDS = 1.0
_CATCH_UP_SECONDS = 1.0
_IDS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Hearing:
    """What acting on notices needs. Times are seconds; ``now`` is the clock, Unix seconds.

    ``leeway`` is how far the clocks of two processes may be apart, 0 on one machine.
    """

    keys: Keys
    ended: EndedSessions
    sockets: Sockets
    kept: float
    leeway: float
    close_on_logout: bool
    now: Callable[[], float] = time.time


class Bus:
    """One thread per process that reads a shared store, from the first guarded request on."""

    def __init__(self, store: WatchedStore, hearing: Hearing) -> None:
        """Start no thread yet."""
        self._store = store
        self._hearing = hearing
        self._daemon = Daemon("wsguard-notices")
        self._known: OrderedDict[str, None] = OrderedDict()
        self._outbox = Outbox(hearing.kept)
        self._met_foreign = False

    def listen(self) -> None:
        """Start the thread once per process, and let it catch up, for a second at the most.

        Everybody waits who comes meanwhile, or one of them might be let in whom a notice forbids.
        """
        if not self._store.is_shared:
            return
        if not self._daemon.runs:
            self._start()
        if not self._daemon.event.is_set():
            self._daemon.event.wait(_CATCH_UP_SECONDS)

    def _start(self) -> None:
        self._daemon.start(partial(_run, weakref.ref(self)))

    def tell(self, *, later: bool = True, **fields: str | int) -> bool:
        """Tell the other processes; whoever calls has acted here already.

        False while the store is away: they are told when it is back, unless this process ends, or
        is known to (``later=False``).
        """
        if not self._store.is_shared:
            return True
        notice = new_notice(self._hearing.now(), **fields)
        self._remember(notice.id)
        text = write_notice(notice, self._hearing.keys)
        if self._store.publish(text):
            return True
        if later:
            self._outbox.put(text)
            # This process may serve views only, and have heard nothing so far.
            self._start()
        return False

    def hear(self, text: str) -> None:
        """Act on a notice; a forged, garbled, replayed or lapsed one does nothing but a line."""
        hearing = self._hearing
        notice = read_notice(text, hearing.keys)
        if notice is None:
            if not self._met_foreign:
                self._met_foreign = True
                _log.warning("%s", _FOREIGN)
            return
        if notice.id in self._known:
            return
        self._remember(notice.id)
        if not -60 <= hearing.now() - notice.issued_at <= hearing.kept:
            _log.warning("a notice from another time was ignored: compare clocks")
        elif notice.ended:
            hearing.ended.add(notice.ended)
            if hearing.close_on_logout:
                self._close(notice, SIGN_IN_AGAIN, "session_ended")
        elif notice.code:
            self._close(notice, notice.code, notice.reason)

    def _close(self, notice: Notice, code: int, reason: str) -> None:
        sockets = self._hearing.sockets
        meant = [
            connection
            for connection in sockets.registry.select(Selector())
            if self._means(notice, connection)
        ]
        sockets.close(meant, code, reason)

    def _means(self, notice: Notice, connection: Connection) -> bool:
        if notice.ended:
            return connection.nonce_digest == notice.ended
        ticket = connection.ticket
        # A socket opened since is the client that came back. By its age, because a clock that was
        # set back would keep the sockets of before from everybody else's disconnect.
        opened = self._hearing.now() - (time.monotonic() - connection.opened_at)
        if opened > notice.issued_at + self._hearing.leeway:
            return False
        if ticket is None:
            return not (notice.user or notice.session or notice.ticket)
        return (
            (not notice.user or self._hearing.keys.is_pseudonym(notice.user, ticket.user_id))
            and (not notice.session or ticket.session == notice.session)
            and (not notice.ticket or ticket.id == notice.ticket)
        )

    def _remember(self, notice_id: str) -> None:
        self._known[notice_id] = None
        while len(self._known) > _IDS_KEPT:
            self._known.popitem(last=False)

    def _try_to_hear(self, text: str) -> None:
        try:
            self.hear(text)
        except Exception:
            log_fault("the reader of notices survived a fault")

    def _read(self) -> bool:
        """Act on what came; False when the store does not answer."""
        caught_up, texts = self._daemon.event, None
        try:
            texts = self._store.notices(_WAIT_SECONDS if caught_up.is_set() else 0.0)
            for text in texts or ():
                self._try_to_hear(text)
        finally:
            if not texts:
                caught_up.set()
        if texts is not None and self._store.is_up:
            self._outbox.send(self._store.publish)
        return texts is not None


def _run(listening: weakref.ref[Bus]) -> None:
    """Read as long as somebody holds the bus: the thread of an app that is gone ends.

    Nothing else ends it: a process whose reader has died is deaf, and nobody would know.
    """
    faulty = False
    while bus := listening():
        try:
            answers = bus._read()
            faulty = False
        except Exception:
            if not faulty:
                log_fault("the reader of notices failed, and tries again every second")
            answers, faulty = False, True
        del bus
        if not answers:
            time.sleep(_WAIT_SECONDS)
