"""One gunicorn for all incidents, and alice's browser on https://example.org."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.servers.conftest import Server, running
from tests.wire import Answer, Attempt, Wire


@dataclass
class Page:
    """A page that alice's browser shows; ``origin`` is what the browser says of it."""

    server: Server
    origin: str = "https://example.org"
    host: str = "example.org"
    is_https: bool = True
    jar: dict[str, str] = field(default_factory=dict)

    def fetch(self, method: str, path: str, content: object = None, **headers: str) -> Answer:
        """Send a request and keep its cookies; ``headers`` are spelt with underscores."""
        body = b"" if content is None else json.dumps(content).encode()
        sent = {
            "Host": self.host,
            "Origin": self.origin,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items()),
            **({"X-Forwarded-Proto": "https"} if self.is_https else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{key}: {sent[key]}" for key in sent), "", ""]
        with Wire(self.server.port) as wire:
            wire.send("\r\n".join(lines).encode("latin-1") + body)
            answer = wire.answer()
        for line in answer.all("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.jar[name] = value
        return answer

    def log_in(self) -> None:
        """Log alice in."""
        assert self.fetch("POST", "/login/alice").status == 200

    def preauth(self, prefix: str = "") -> str:
        """Ask for a ticket, which goes into the jar, and return its token."""
        answer = self.fetch("POST", f"{prefix}/wsguard/preauth", {"path": f"{prefix}/echo"})
        assert answer.status == 200, answer.body
        token: str = answer.json["token"]
        return token

    def connect(
        self, path: str, token: str = "", *, origin: str | None = "", **headers: str
    ) -> tuple[int, str]:
        """Open a socket from a page of ``origin``; return the status, and whom the socket names."""
        query = f"wsguard_token={token}".encode() if token else b""
        attempt = Attempt(self.server.port, path.encode(), query)
        attempt.cookies = [(name.encode(), value.encode()) for name, value in self.jar.items()]
        attempt.put(b"Host", self.host.encode())
        attempt.drop(b"Origin")
        if origin is not None:
            attempt.add(b"Origin", (origin or self.origin).encode())
        if self.is_https:
            attempt.add(b"X-Forwarded-Proto", b"https")
        for name, value in headers.items():
            attempt.add(name.replace("_", "-").encode(), value.encode())
        with Wire(self.server.port) as wire:
            wire.send(attempt.bytes())
            status = wire.answer().status
            return status, wire.text() if status == 101 else ""

    def attack(self, hostile: str | None, reason: str, flaw: str, **where: str) -> None:
        """Connect from a hostile page: the guard refuses, the incident's own check does not.

        The same handshake from alice's own page opens first, so only the page differs.
        """
        prefix = where.pop("prefix", "")
        self.server.verdicts()
        assert self.connect(f"{prefix}/echo", self.preauth(prefix)) == (101, "alice alice")
        refused = self.connect(f"{prefix}/echo", self.preauth(prefix), origin=hostile, **where)
        assert refused == (403, "")
        assert self.server.verdicts() == [reason]
        control = self.connect(f"/flawed/{flaw}/echo", "x", origin=hostile, **where)
        assert control == (101, "alice")


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running("gthread", tmp_path_factory.mktemp("incidents"), "make_incidents") as server:
        yield server


@pytest.fixture
def alice(_server: Server) -> Page:
    """Return alice's page, where she is logged in; the log holds no fault."""
    page = Page(_server)
    page.log_in()
    return page
