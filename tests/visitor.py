"""A visitor: a browser reduced to what the server can tell of one. Works on a Flask test client.

Without a socket an accepted handshake ends in the sentence about that (500), so ``connect``
returns what the guard said: the signal, not the status.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

from flask_wsguard import Refusal, handshake_accepted, handshake_refused
from flask_wsguard.servers import IN_A_TEST, NO_SOCKET

HOST = "example.org"
ORIGIN = "https://example.org"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


@dataclass
class Outcome:
    """How a handshake ended: ``reason`` is None for an accepted one."""

    response: TestResponse
    reason: Refusal | None
    ticket: Any = None
    detail: str = ""


@dataclass
class Opened:
    """What a visitor read from an open socket: the messages, then the close code and reason."""

    messages: list[str]
    code: int | None
    reason: str | None


class Clock:
    """The clock of one app, to be set by hand; Unix seconds."""

    def __init__(self, app: Flask, now: float = 1_800_000_000.0) -> None:
        self.now = now
        app.extensions["wsguard"] = replace(app.extensions["wsguard"], now=lambda: self.now)


@dataclass
class Visitor:
    """One browser on https://example.org by default; cookies live in its own jar."""

    app: Flask
    base: str = ORIGIN
    origin: str | None = ORIGIN
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def log_in(self, user: str, **query: str) -> TestResponse:
        answer = self.client.post(f"/login/{user}", query_string=query, base_url=self.base)
        assert answer.status_code == 200
        return answer

    def log_out(self) -> TestResponse:
        return self.client.post("/logout", base_url=self.base)

    def preauth(self, path: Any = "/echo", **kwargs: Any) -> TestResponse:
        """POST to preauth; ``headers`` are added, ``origin=None`` leaves Origin out.

        ``cookies`` is a Cookie header to send instead of the jar's.
        """
        client = self._client(kwargs)
        headers = dict(kwargs.pop("headers", {}))
        origin = kwargs.pop("origin", self.origin)
        if origin is not None:
            headers["Origin"] = origin
        kwargs.setdefault("json", {"path": path})
        if "data" in kwargs:
            kwargs.pop("json")
            kwargs.setdefault("content_type", "application/json")
        prefix = kwargs.pop("prefix", "")
        return client.post(
            f"{prefix}/wsguard/preauth",
            base_url=kwargs.pop("base_url", self.base),
            headers=headers,
            **kwargs,
        )

    def token(self, path: str = "/echo", **kwargs: Any) -> str:
        answer = self.preauth(path, **kwargs)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.json["token"]

    def connect(
        self,
        path: str = "/echo",
        token: str | None = None,
        *,
        query: str | None = None,
        headers: dict[str, str | None] | None = None,
        **kwargs: Any,
    ) -> Outcome:
        """Open a handshake; a header given as None is left out, ``cookies`` replace the jar's."""
        client = self._client(kwargs)
        sent: dict[str, str | None] = {**UPGRADE, "Origin": self.origin, **(headers or {})}
        if query is None:
            query = "" if token is None else f"wsguard_token={token}"
        heard: list[tuple[Any, dict[str, Any]]] = []

        def accepted(_: Flask, **facts: Any) -> None:
            heard.append((None, facts))

        def refused(_: Flask, **facts: Any) -> None:
            heard.append((facts["reason"], facts))

        with handshake_accepted.connected_to(accepted), handshake_refused.connected_to(refused):
            answer = client.get(
                path,
                base_url=kwargs.pop("base_url", self.base),
                query_string=query,
                headers={name: value for name, value in sent.items() if value is not None},
                **kwargs,
            )
        assert len(heard) == 1, f"{len(heard)} verdicts for {path}: {answer.status}"
        reason, facts = heard[0]
        if reason is None:
            assert answer.status_code == 500
            assert answer.get_data(as_text=True) in {f"{IN_A_TEST}\n", f"{NO_SOCKET}\n"}
        return Outcome(answer, reason, facts.get("ticket"), facts.get("detail", ""))

    def open(self, path: str, token: str | None = None, *say: str, **kwargs: Any) -> Opened:
        """Open a socket, say all of ``say``, and return what came back until its handler ended.

        The handler must end by itself: nothing more is said to it.
        """
        ours, theirs = socket.socketpair()
        frames = Connection(ConnectionType.CLIENT)
        with ours:
            for text in say:
                ours.sendall(frames.send(TextMessage(data=text)))
            client = self._client(kwargs)
            overrides = {"werkzeug.socket": theirs, **kwargs.pop("environ_overrides", {})}
            client.get(
                path,
                base_url=self.base,
                query_string={} if token is None else {"wsguard_token": token},
                headers={**UPGRADE, "Origin": kwargs.pop("origin", self.origin)},
                environ_overrides=overrides,
                **kwargs,
            )
            ours.setblocking(False)
            head, _, body = ours.recv(1 << 20).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        frames.receive_data(body)
        events = list(frames.events())
        ends = [event for event in events if isinstance(event, CloseConnection)]
        return Opened(
            [event.data for event in events if isinstance(event, TextMessage)],
            ends[0].code if ends else None,
            ends[0].reason if ends else None,
        )

    def _client(self, kwargs: dict[str, Any]) -> Any:
        """Return the client with the jar, or one that sends exactly these ``cookies``."""
        if (cookies := kwargs.pop("cookies", None)) is None:
            return self.client
        kwargs["environ_overrides"] = {
            "HTTP_COOKIE": cookies,
            **kwargs.get("environ_overrides", {}),
        }
        return self.app.test_client(use_cookies=False)

    def cookie_header(self, *names: str) -> str:
        """Return the jar as a Cookie header; of these names only, where some are given."""
        return "; ".join(
            f"{name}={value}"
            for name, value in self.cookies().items()
            if not names or name in names
        )

    def cookies(self) -> dict[str, str]:
        """Return the jar, name to value."""
        return {cookie.key: cookie.value for cookie in self.client._cookies.values()}
