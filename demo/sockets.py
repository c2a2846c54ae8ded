"""The two WebSockets: the chat, for those who may, and the ticker, for everybody."""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import json
import time
from typing import Any

from flask import Flask
from flask_login import current_user
from flask_sock import Sock  # type: ignore[import-untyped]

from flask_wsguard import current_ticket, ws_protected, ws_public

from .audit import Audit
from .room import Room, cut


def add_sockets(app: Flask, room: Room, audit: Audit) -> None:
    """Serve /chat and /ticker."""
    sock = Sock(app)

    @sock.route("/chat")
    @ws_protected(scopes="chat:read")
    def chat(ws: Any) -> None:
        person_id, name = current_ticket.user_id, current_user.name
        with room.join(ws, person_id):
            while True:
                match _words(ws.receive()):
                    case ["say", text]:
                        current_ticket.require("chat:write")
                        room.say(person_id, name, text)
                    case ["drop"]:
                        cut(ws)
                    case _:
                        ws.close(1003, "say <text>, or drop")
                # A flood is slowed down before it fills the mailboxes of those who listen.
                time.sleep(0.05)

    @sock.route("/ticker")
    @ws_public
    def ticker(ws: Any) -> None:
        seen = 0
        while True:
            # A demo shows its verdicts to everybody; a site keeps them for its operators.
            verdicts = audit.after(seen)
            seen = verdicts[-1]["number"] if verdicts else seen
            tick = {"at": int(time.time()), "people": room.people, "verdicts": verdicts}
            ws.send(json.dumps(tick))
            if ws.receive(timeout=1) is not None:
                ws.close(1008, "this socket does not listen")


def _words(frame: str | bytes) -> list[str]:
    return frame.split(" ", 1) if isinstance(frame, str) else []
