"""The lab's door to the chat: the guard's own judge, with checks left out. For localhost only.

The extension has no switch for this, and neither do its settings. The demo calls core itself,
with a shorter tuple of checks, to show what each of them carries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Flask, request, session
from simple_websocket import ConnectionClosed, Server  # type: ignore[import-untyped]
from werkzeug.wrappers import Response

from flask_wsguard import facts
from flask_wsguard.core import handshake as rules
from flask_wsguard.core.case import Protected
from flask_wsguard.core.handshake import CHECKS, Accepted, Check, judge
from flask_wsguard.core.refusals import Refused
from flask_wsguard.gate import whose_session

from .people import Person
from .room import Room
from .witness import Witness

PATH = "/lab/chat"
LAYERS: dict[str, tuple[Check, ...]] = {
    "origin": (rules.origin_is_present, rules.origin_is_allowed),
    "fetch": (rules.fetch_is_same_site,),
    # The token says which ticket is meant: without it the ticket cannot be asked for either.
    "token": CHECKS[CHECKS.index(rules.token_is_present) : CHECKS.index(rules.scopes_are_held) + 1],
    "ticket": (rules.ticket_is_authentic,),
    "session": CHECKS[CHECKS.index(rules.session_is_undisputed) :],
}

WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Door:
    """WSGI middleware in front of the demo: ``/lab/chat?without=origin,fetch``, or ``=all``."""

    def __init__(
        self, site: Flask, people: dict[str, Person], room: Room, witness: Witness
    ) -> None:
        self._site, self._people, self._room, self._witness = site, people, room, witness
        self._inner: WSGI = site.wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve the lab's path, everything else is the site's. Asked by this machine alone."""
        if environ.get("PATH_INFO") != PATH:
            return self._inner(environ, start_response)
        with self._site.request_context(environ):
            verdict = self._judge(environ, set(request.args.get("without", "").split(",")))
            if isinstance(verdict, Refused):
                self._witness.note(verdict.reason)
                return Response("Refused.\n", 403)(environ, start_response)
            self._witness.note(None)
            self._talk(environ, verdict)
        return []

    def _judge(self, environ: dict[str, Any], left_out: set[str]) -> Accepted | Refused:
        """Judge the request as a handshake for /chat, by a shorter tuple of checks."""
        if left_out == {"all"}:
            return Accepted(None)
        state = self._site.extensions["wsguard"]
        gone = {check for layer in left_out for check in LAYERS.get(layer, ())}
        handshake = facts.handshake_of(
            environ,
            Protected(frozenset({"chat:read"})),
            token_param=state.settings.token_param,
            token_carriers=state.settings.token_carriers,
            path="/chat",
            upgrade=False,
            session=partial(whose_session, state),
        )
        checks = tuple(check for check in CHECKS if check not in gone)
        return judge(handshake, expected=state.expected, now=state.now(), checks=checks)

    def _talk(self, environ: dict[str, Any], accepted: Accepted) -> None:
        """Be the chat for whomever the ticket names, or without one the session."""
        user_id = accepted.ticket.user_id if accepted.ticket else session.get("_user_id")
        person = self._people.get(user_id or "")
        ws = Server.accept(environ)
        with suppress(ConnectionClosed, OSError):
            if person is None:
                ws.close(4401, "nobody is logged in")
            else:
                self._serve(ws, person)
        if ws.mode == "gunicorn":
            # Its way to hear that the socket is ours: there is no HTTP answer.
            raise StopIteration

    def _serve(self, ws: Any, person: Person) -> None:
        """Tell a person's secret, and say to all what comes back."""
        line = f"{person.name}\u2019s private line: call me at 5 pm."
        ws.send(json.dumps({"name": person.name, "line": line}))
        words = ws.receive(timeout=10)
        if isinstance(words, str):
            self._room.say(person.id, person.name, words)
        ws.close()
