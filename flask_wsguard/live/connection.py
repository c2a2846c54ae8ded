"""One open socket, from the verdict to the end of its handler."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import struct
import sys
import time
from contextlib import AbstractContextManager
from typing import Any, cast

from ..core.tickets import Ticket
from ..ended import digest_of
from ..locks import Lock
from ..servers import is_gevent_patched

GRACE_SECONDS = 1.0
"""How long a peer may take to answer a close frame before its socket is cut."""

# One for all: it is held for two assignments.
_LOCK = Lock()

_SEND_SECONDS = 0.2
_READER_SECONDS = 1.0


class Connection:
    """One socket, closed at most once. ``ticket`` is None on public routes.

    It exists from the verdict on, so that a disconnect between verdict and handler is not lost:
    the handler then finds it closing and does not run.
    """

    __slots__ = (
        "__weakref__",
        "_raw",
        "_ws",
        "code",
        "cut_at",
        "demanded",
        "drain_at",
        "max_age",
        "nonce",
        "opened_at",
        "path",
        "reason",
        "ticket",
    )

    def __init__(
        self,
        ticket: Ticket | None,
        path: str,
        *,
        raw: socket.socket | None = None,
        max_age: float = math.inf,
        demanded: frozenset[str] = frozenset(),
        nonce: str | None = None,
    ) -> None:
        """Stand for a socket at ``path`` that needs the scopes ``demanded``.

        It may live ``max_age`` seconds. ``raw`` is what to cut while no handler has come,
        ``nonce`` is its login session's.
        """
        self.ticket = ticket
        self.path = path
        self.demanded = demanded
        self.drain_at = math.inf
        self.nonce = nonce
        self.opened_at = time.monotonic()
        self.max_age = max_age
        self.code: int | None = None
        self.reason = ""
        self.cut_at = math.inf
        self._raw = raw
        self._ws: Any = None

    def attach(self, ws: Any) -> bool:
        """Take the handler's socket; False when it is to be closed and the handler must not run."""
        with _LOCK:
            self._ws = ws
            closing = self.code is not None
        if closing:
            self._say_goodbye(ws)
            # gunicorn drains an unfinished socket on its main thread, for as long as a silent
            # peer likes; the frame is on its way before the end of the stream.
            self.end()
        return not closing

    @property
    def deadline(self) -> float:
        """Return the monotonic time at which the socket has lived long enough."""
        return self.opened_at + self.max_age

    @property
    def nonce_digest(self) -> str:
        """Return what notices call the socket's login session; empty for one without a nonce."""
        return digest_of(self.nonce) if self.nonce else ""

    @property
    def is_closing(self) -> bool:
        """Tell whether somebody asked for the close."""
        return self.code is not None

    def close(self, code: int, reason: str) -> bool:
        """Close with this code, without ever waiting for the peer; False when closing already.

        Whoever calls this sees to it that ``cut`` follows after GRACE_SECONDS.
        """
        with _LOCK:
            if self.code is not None:
                return False
            self.code, self.reason = code, reason
            self.cut_at = time.monotonic() + GRACE_SECONDS
            ws = self._ws
        if ws is not None:
            self._say_goodbye(ws)
        return True

    def cut(self) -> None:
        """Shut the connection down: this wakes a handler that waits on a silent peer.

        What the peer has sent and nobody has read is lost with it.
        """
        self.cut_at = math.inf
        ws = self._ws
        sock = self._raw if ws is None else ws.sock
        if sock is not None:
            # Whatever a server's own kind of socket raises: the others are to be closed too.
            with contextlib.suppress(Exception):
                sock.shutdown(socket.SHUT_RDWR)
        if hasattr(ws, "input_buffer"):
            # First this: who finds nothing to read at an open socket reads None.
            ws.connected = False
            ws.input_buffer = _Nothing()
        # simple-websocket's reader leaves without a word when it finds the socket closed by us
        # between two reads, and closes it: nothing else would ever wake the handler then.
        if event := getattr(ws, "event", None):
            event.set()

    def end(self) -> None:
        """Cut, and see simple-websocket's reader leave; for the handler's own thread alone.

        The server closes the file next. A reader that pings waits in an epoll, which forgets a
        closed file: it would stay until its next ping, and a worker that is to end with it.
        """
        self.cut()
        # Of simple-websocket alone: a view's own object may keep anything under that name.
        if hasattr(self._ws, "input_buffer"):
            self._ws.thread.join(_READER_SECONDS)

    def wake_from_lost_end(self) -> None:
        """Wake a handler that missed the end of its socket; harmless for any other.

        simple-websocket wakes it before it says that the socket is closed, where a message was too
        big: who looks in between waits again, for a peer that is gone.
        """
        ws = self._ws
        if ws is not None and not getattr(ws, "connected", True):
            ws.event.set()

    def _say_goodbye(self, ws: Any) -> None:
        """Send the close frame if the peer has room for it; else cut at once.

        A peer that stopped reading would hold us for ever, and with us everybody's logout.
        """
        try:
            if _has_room(ws.sock):
                # Between the look and the send the handler may fill the room.
                with _not_for_ever(ws.sock):
                    ws.close(self.code, self.reason)
                    return
        except Exception:  # noqa: S110 - closed already, or gone: what is left is to cut
            pass
        self.cut()


class _Nothing(list[Any]):
    """Where simple-websocket puts what a peer sends that was cut off.

    A handler is handed all that has come before it hears of the close: a peer could queue hours of
    work, to be done as a user who has logged out.
    """

    def append(self, message: Any) -> None:
        """Take nothing, from a reader that is still at it."""


def _not_for_ever(sock: socket.socket) -> AbstractContextManager[object]:
    """Let a send that finds no room give up after a fifth of a second."""
    if is_gevent_patched():
        # gevent's sockets wait by themselves. False: the block is left without a word.
        timeout = sys.modules["gevent"].Timeout(_SEND_SECONDS, False)
        return cast(AbstractContextManager[object], timeout)
    seconds = struct.pack("ll", 0, int(_SEND_SECONDS * 1_000_000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
    return contextlib.nullcontext()


def _has_room(sock: socket.socket) -> bool:
    poll = _system_poll()
    poll.register(sock, select.POLLOUT)
    return any(events & select.POLLOUT for _, events in poll.poll(0))


def _system_poll() -> select.poll:
    """Return the system's own poll, which waits for nobody here.

    gevent's looks at all sockets of the process, and where many are ready at once it returns
    without ours: browsers would be cut off unheard, just when many are told to go.
    """
    if monkey := sys.modules.get("gevent.monkey"):
        poll: select.poll = monkey.get_original("select", "poll")()
        return poll
    return select.poll()
