"""A socket without a server: the page's end of a connected pair; at the other runs the view."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flask.testing import FlaskClient
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import LocalProtocolError

from .. import signals
from ..core.refusals import Refusal
from ..errors import HandshakeRefused
from .handshakes import OWN, Refused, origin_header, preauth
from .running import RunningView


class Closed(Exception):
    """The socket is closed: ``code`` and ``reason`` are the site's, 1006 where it was cut."""

    def __init__(self, code: int, reason: str) -> None:
        """Carry how it ended."""
        self.code = code
        self.reason = reason
        super().__init__(f"closed with {code} {reason}".rstrip())


class Socket:
    """The page's end of a guarded socket. Use it as a context manager: its end is checked there."""

    def __init__(self, ours: socket.socket, view: RunningView, timeout: float) -> None:
        """Speak over ``ours`` to the view; nothing waits longer than ``timeout`` seconds."""
        self._raw = ours
        self._view = view
        self._timeout = timeout
        self._frames = Connection(ConnectionType.CLIENT)
        self._events: list[Any] = []
        self._closed: Closed | None = None

    def __enter__(self) -> Socket:
        """Return the socket."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def send(self, message: str | bytes) -> None:
        """Send a message. Raises Closed, and TimeoutError where the site does not read it."""
        if self._closed:
            raise self._closed
        event = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
        try:
            self._raw.settimeout(self._timeout)
            self._raw.sendall(self._frames.send(event))
        except LocalProtocolError:
            # The site's close came behind messages that are still to be received.
            raise _closed_by(self._events[-1]) from None
        except TimeoutError:
            raise TimeoutError(f"{self._view.path} read nothing in time") from None
        except OSError:
            raise self._how_it_ended() from None

    def _how_it_ended(self) -> Closed:
        """Read how the site ended it; its messages before that are still to be received."""
        with suppress(OSError):
            while data := self._raw.recv(65536):
                self._frames.receive_data(data)
        self._events.extend(self._frames.events())
        last = self._events[-1] if self._events else None
        return _closed_by(last) if isinstance(last, CloseConnection) else Closed(1006, "")

    def receive(self, timeout: float | None = None) -> str | bytes:
        """Return the next message. Raises Closed, and TimeoutError after ``timeout`` seconds."""
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        parts: list[Any] = []
        while True:
            event = self._next(deadline)
            if isinstance(event, CloseConnection):
                raise self._end(_closed_by(event))
            if isinstance(event, Ping):
                # One that came with the close behind it needs no answer, and a lost end hears none.
                with suppress(LocalProtocolError, OSError):
                    self._raw.sendall(self._frames.send(event.response()))
            else:  # a part of a message: nobody here asks for a pong
                parts.append(event.data)
                if event.message_finished:
                    return type(parts[0])().join(parts)  # type: ignore[no-any-return]

    def wait_closed(self, timeout: float | None = None) -> Closed:
        """Return how the site closed it, messages before that unread. Raises TimeoutError."""
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        while not self._closed:
            try:
                self.receive(max(0.0, deadline - time.monotonic()))
            except Closed:
                break
        assert self._closed  # noqa: S101 - receive raises Closed with it set, or TimeoutError
        return self._closed

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it as the page would, and wait for the view to end. Raises what the view raised."""
        deadline = time.monotonic() + self._timeout
        self._view.page_left = True
        if not self._closed:
            self._closed = Closed(code, reason)
            with suppress(OSError):
                self._raw.sendall(self._frames.send(CloseConnection(code, reason)))
        try:
            self._hear_out(deadline)
            self._view.end(max(0.0, deadline - time.monotonic()))
        finally:
            self._raw.close()

    def _hear_out(self, deadline: float) -> None:
        """Read until the site hangs up: a view that is just sending would get a broken pipe."""
        with suppress(OSError):
            # Where the site closed first, its reader waits for this.
            self._raw.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                self._raw.settimeout(left)
                if not self._raw.recv(65536):
                    break

    def _next(self, deadline: float) -> Any:
        if self._closed:
            raise self._closed
        while not self._events:
            try:
                self._raw.settimeout(max(0.001, deadline - time.monotonic()))
                data = self._raw.recv(65536)
            except TimeoutError:
                raise TimeoutError(f"nothing came from {self._view.path} in time") from None
            except OSError:
                data = b""
            if not data:
                raise self._end(Closed(1006, ""))
            self._frames.receive_data(data)
            self._events.extend(self._frames.events())
        return self._events.pop(0)

    def _end(self, closed: Closed) -> Closed:
        self._closed = closed
        return closed


def _closed_by(event: CloseConnection) -> Closed:
    return Closed(event.code, event.reason or "")


def connect(
    client: FlaskClient,
    path: str,
    *,
    origin: str | None = OWN,
    base_url: str = "http://localhost",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    preauth_headers: Mapping[str, str] | None = None,
    timeout: float = 5.0,
) -> Socket:
    """Open a socket as the user who is logged in with ``client``, and run its view.

    Arguments as for ``handshake``; nothing waits longer than ``timeout`` seconds. Raises
    HandshakeRefused with the reason, and LookupError as ``handshake`` does.
    """
    granted = preauth(client, path, base_url=base_url, headers=preauth_headers or {})
    if isinstance(granted, Refused):
        raise HandshakeRefused(granted.reason, granted.detail)
    page = {**origin_header(origin, base_url), **(headers or {})}
    asked = {"base_url": base_url, **granted.upgrade(page, query or {})}
    ours, theirs = socket.socketpair()
    ours.settimeout(timeout)
    refused: list[HandshakeRefused] = []

    def hear(_: Any, reason: Refusal, detail: str, **__: Any) -> None:
        refused.append(HandshakeRefused(reason, detail))

    view = RunningView(client, path, theirs, asked)
    with signals.handshake_refused.connected_to(hear, client.application):
        view.start()
        head = _head(ours)
    if head is None:
        ours.close()
        view.end(timeout)
        raise refused[0] if refused else LookupError(f"no WebSocket was opened at {path!r}")
    opened = Socket(ours, view, timeout)
    opened._frames.receive_data(head)
    opened._events.extend(opened._frames.events())
    return opened


def _head(ours: socket.socket) -> bytes | None:
    """Read the 101, and return what came behind it; None where nothing was upgraded."""
    read = b""
    while b"\r\n\r\n" not in read:
        if not (data := ours.recv(65536)):
            return None
        read += data
    return read.partition(b"\r\n\r\n")[2]
