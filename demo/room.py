"""The chat room: what was said last, and a bounded mailbox for everybody in it."""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Full, Queue
from threading import Lock, Thread
from typing import Any

from simple_websocket import ConnectionClosed  # type: ignore[import-untyped]

LONGEST_MESSAGE = 500
_KEPT = 50
_MAILBOX = 64


class Room:
    """Who is in, and the last messages. ``say`` never waits for anybody."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seats: set[Seat] = set()
        self._said: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    @property
    def people(self) -> int:
        """Return how many different people are in."""
        with self._lock:
            return len({seat.person_id for seat in self._seats})

    @contextmanager
    def join(self, ws: Any, person_id: str) -> Iterator[None]:
        """Hear what was said and what is being said, for the length of a ``with``."""
        seat = Seat(ws, person_id)
        with self._lock:
            seat.tell(json.dumps({"history": list(self._said)}))
            self._seats.add(seat)
        try:
            yield
        finally:
            with self._lock:
                self._seats.discard(seat)
            seat.leave()

    def say(self, person_id: str, name: str, text: str) -> None:
        """Tell everybody, in the same order; blank text is not said, long text is cut."""
        if not (text := text.strip()[:LONGEST_MESSAGE]):
            return
        message = {"person": person_id, "name": name, "text": text, "at": int(time.time())}
        letter = json.dumps(message)
        with self._lock:
            self._said.append(message)
            for seat in self._seats:
                seat.tell(letter)


class Seat:
    """One socket in the room, with a thread of its own to write to it.

    A send to a peer that does not read blocks, and everybody else would wait with it.
    """

    def __init__(self, ws: Any, person_id: str) -> None:
        self.person_id = person_id
        self._ws = ws
        self._mail: Queue[str | None] = Queue(_MAILBOX)
        self._writer = Thread(target=self._write, daemon=True)
        self._writer.start()

    def tell(self, letter: str | None) -> None:
        """Put a letter in the mailbox, None to end the writer; cut off a peer that let it fill."""
        try:
            self._mail.put_nowait(letter)
        except Full:
            cut(self._ws)

    def leave(self) -> None:
        """End the writer, by force where the peer holds it in a send."""
        self.tell(None)
        self._writer.join(timeout=1)
        if self._writer.is_alive():
            cut(self._ws)

    def _write(self) -> None:
        with suppress(ConnectionClosed, OSError):
            while (letter := self._mail.get()) is not None:
                self._ws.send(letter)


def cut(ws: Any) -> None:
    """End a connection at once and without a close frame, which a full one would not take."""
    with suppress(OSError):
        ws.sock.shutdown(socket.SHUT_RDWR)
