"""The attacker without a browser: he writes every header himself, Origin and cookies too."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

from flask_wsguard.core.tickets import Keys, Ticket, read_token

_TIMEOUT = 5


@dataclass(frozen=True)
class Leak:
    """What a log gave away of one handshake: the token in its URL, and its ticket cookie."""

    token: str
    ticket: str

    @property
    def cookie(self) -> str:
        """Return the cookie's name."""
        return f"wsguard-{self.token.split('.')[1]}"

    def forged(self, person_id: str) -> str:
        """Return a ticket that fits the token, signed with a key of the attacker's own."""
        if (token := read_token(self.token)) is None:
            return ""
        times = {"issued_at": token.issued_at, "expires_at": token.expires_at}
        ticket = Ticket(
            id=token.sub,
            user_id=person_id,
            scopes=frozenset({"chat:read", "chat:write"}),
            binding=token.binding,
            session="",
            **times,
        )
        return Keys(["the attacker's own key"]).mint_ticket(ticket)


def knock(port: int, path: str, leak: Leak, ticket: str) -> dict[str, Any]:
    """Send a handshake with everything right but the ticket; return what was heard, if anything."""
    host = f"localhost:{port}"
    head = (
        f"GET {path}&wsguard_token={leak.token} HTTP/1.1\r\nHost: {host}\r\n"
        f"Origin: http://{host}\r\nCookie: {leak.cookie}={ticket}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT) as wire:
        wire.sendall(head.encode())
        with wire.makefile("rb") as answer:
            status = answer.readline().split()[1]
            while answer.readline() not in {b"\r\n", b""}:
                pass
            if status != b"101":
                return {}
            _, length = answer.read(2)
            size = int.from_bytes(answer.read(2), "big") if length == 126 else length
            heard: dict[str, Any] = json.loads(answer.read(size))
            return heard
