"""The attacker without a browser: he writes every header himself, Origin and cookies too."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, replace
from typing import Any

from flask_wsguard.core.tickets import Keys, Ticket, read_token

_TIMEOUT = 5


@dataclass(frozen=True)
class Leak:
    """What is known of one handshake: the host it went to, its token, its cookies."""

    host: str
    token: str
    cookies: dict[str, str]

    def forged(self, person_id: str) -> Leak:
        """Return the token with a ticket that fits it, signed with a key of the attacker's own.

        The token must be one that the site gave.
        """
        token = read_token(self.token)
        if token is None:
            raise ValueError("not a token")
        ticket = Ticket(
            id=token.sub,
            user_id=person_id,
            scopes=frozenset({"chat:read", "chat:write"}),
            binding=token.binding,
            session="",
            issued_at=token.issued_at,
            expires_at=token.expires_at,
        )
        text = Keys(["the attacker's own key"]).mint_ticket(ticket)
        return replace(self, cookies={f"wsguard-{token.sub}": text})


def knock(port: int, path: str, leak: Leak) -> dict[str, Any]:
    """Send a handshake with what leaked, everything else right; return what was heard, if anything.

    The token is bound to the host that it was given for, whatever address that has.
    """
    cookies = "; ".join(f"{name}={value}" for name, value in leak.cookies.items())
    head = (
        f"GET {path}&wsguard_token={leak.token} HTTP/1.1\r\nHost: {leak.host}\r\n"
        f"Origin: http://{leak.host}\r\nCookie: {cookies}\r\n"
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
