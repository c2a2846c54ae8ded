"""A visitor: a browser reduced to what the server can tell of one. Works on a Flask test client.

Without a socket an accepted handshake ends in the sentence about the server (500), so ``connect``
returns what the guard said: the signal, not the status.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from flask_wsguard import Refusal, handshake_accepted, handshake_refused
from flask_wsguard.servers import NO_SOCKET

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
        """POST to preauth; ``headers`` are added, ``origin=None`` leaves Origin out."""
        headers = dict(kwargs.pop("headers", {}))
        origin = kwargs.pop("origin", self.origin)
        if origin is not None:
            headers["Origin"] = origin
        kwargs.setdefault("json", {"path": path})
        if "data" in kwargs:
            kwargs.pop("json")
            kwargs.setdefault("content_type", "application/json")
        prefix = kwargs.pop("prefix", "")
        return self.client.post(
            f"{prefix}/wsguard/preauth", base_url=kwargs.pop("base_url", self.base),
            headers=headers, **kwargs,
        )

    def token(self, path: str = "/echo", **kwargs: Any) -> str:
        answer = self.preauth(path, **kwargs)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.json["token"]

    def connect(
        self, path: str = "/echo", token: str | None = None, *, query: str | None = None,
        headers: dict[str, str | None] | None = None, **kwargs: Any,
    ) -> Outcome:
        """Open a handshake; a header given as None is left out."""
        sent: dict[str, str | None] = {**UPGRADE, "Origin": self.origin, **(headers or {})}
        if query is None:
            query = "" if token is None else f"wsguard_token={token}"
        heard: list[tuple[Any, dict[str, Any]]] = []

        def accepted(_: Flask, **facts: Any) -> None:
            heard.append((None, facts))

        def refused(_: Flask, **facts: Any) -> None:
            heard.append((facts["reason"], facts))

        with handshake_accepted.connected_to(accepted), handshake_refused.connected_to(refused):
            answer = self.client.get(
                path, base_url=kwargs.pop("base_url", self.base), query_string=query,
                headers={name: value for name, value in sent.items() if value is not None},
                **kwargs,
            )
        assert len(heard) == 1, f"{len(heard)} verdicts for {path}: {answer.status}"
        reason, facts = heard[0]
        if reason is None:
            assert answer.status_code == 500
            assert NO_SOCKET in answer.get_data(as_text=True)
        return Outcome(answer, reason, facts.get("ticket"), facts.get("detail", ""))

    def cookies(self) -> dict[str, str]:
        """Return the jar, name to value."""
        return {cookie.key: cookie.value for cookie in self.client._cookies.values()}
