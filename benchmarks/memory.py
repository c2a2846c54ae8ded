"""A WSGI request in this process, its WebSocket on a socket that is none."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from flask import Flask

from .traffic import CLOSE_FRAME, Request

SITE = "https://example.org"


class MemorySocket:
    """A peer that closes as soon as it is connected, without a kernel in between."""

    __slots__ = ("_inbox",)

    def __init__(self) -> None:
        self._inbox = [b"", CLOSE_FRAME]

    def send(self, data: bytes) -> int:
        return len(data)

    def recv(self, size: int) -> bytes:
        return self._inbox.pop()

    def close(self) -> None:
        pass


class HeldSocket(MemorySocket):
    """A peer that stays until it is let go."""

    __slots__ = ("asked", "let_go")

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go = threading.Event(), threading.Event()

    def recv(self, size: int) -> bytes:
        self.asked.set()
        self.let_go.wait()
        return super().recv(size)


def held_handshake(app: Flask, request: Request) -> Callable[[], AbstractContextManager[None]]:
    """Return a call that opens a socket, its handler on a thread, for as long as it is entered."""

    @contextmanager
    def hold() -> Iterator[None]:
        peer = HeldSocket()
        environ = {**request.environ(), "werkzeug.socket": peer}
        thread = threading.Thread(target=lambda: b"".join(app(environ, lambda *_: None)))
        thread.start()
        peer.asked.wait()
        yield
        peer.let_go.set()
        thread.join()

    return hold


def whole_handshake(app: Flask, request: Request) -> Callable[[], None]:
    """Return a call that makes the whole request: upgrade, handler, close.

    Raises AssertionError where the request was not accepted: nothing else may be measured.
    """
    ready, statuses = request.environ(), []

    def start_response(status: str, headers: list[Any], exc_info: Any = None) -> None:
        statuses.append(status)

    def call() -> None:
        environ = {**ready, "werkzeug.socket": MemorySocket()}
        b"".join(app(environ, start_response))
        # flask-sock ends an open socket's request with a 200 that goes nowhere.
        assert statuses.pop() == "200 OK"

    return call


def whole_request(app: Flask, request: Request, expected: str) -> Callable[[], None]:
    """Return a call that makes a request without upgrade and wants this status line."""
    ready, statuses = request.environ(), []

    def start_response(status: str, headers: list[Any], exc_info: Any = None) -> None:
        statuses.append(status)

    def call() -> None:
        environ = {**ready, "wsgi.input": io.BytesIO(request.body)}
        answer: Any = app(environ, start_response)
        b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        assert statuses.pop() == expected

    return call
