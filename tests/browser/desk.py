"""The desk of the sites: here a test asks what was decided, and tells them how to behave.

Served at the same address as the sites, for every host: pages, cookies to plant, verdicts.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from flask import Flask, Response, abort, current_app, request
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response as Answer

from flask_wsguard import handshake_accepted, handshake_refused, preauth_granted, preauth_refused
from tests.browser import fetch

PAGES = Path(__file__).parent / "pages"
FOREIGN = fetch.CACHE / "reconnecting-websocket" / "dist" / "reconnecting-websocket-iife.js"
EVERYTHING = ("chat:read", "chat:write")

own_origin = os.environ.get("OWN_ORIGIN", "https://example.org")
listed_origin = os.environ.get("LISTED_ORIGIN", "https://sub.example.org")

_verdicts: list[dict[str, Any]] = []
_pen = Lock()
_behaviour: dict[str, Any] = {}
_sockets: set[Any] = set()


def listen() -> None:
    """Note every decision of every site."""
    for step, signal in (
        ("preauth", preauth_granted),
        ("preauth", preauth_refused),
        ("handshake", handshake_accepted),
        ("handshake", handshake_refused),
    ):

        def note(app: Flask, step: str = step, reason: Any = None, **facts: Any) -> None:
            _write_down(
                step=step,
                site=app.name,
                reason=None if reason is None else str(reason),
                path=facts["path"],
                origin=facts["origin"],
                sent_origin=request.headers.get("Origin"),
                user=facts.get("user_id"),
                detail=facts.get("detail", ""),
                fetch_site=request.headers.get("Sec-Fetch-Site"),
                token=request.args.get("wsguard_token"),
                cookies=request.headers.get("Cookie", ""),
            )

        signal.connect(note, weak=False)


def _write_down(**facts: Any) -> None:
    """Note what happened, and when, by this server's clock."""
    with _pen:
        _verdicts.append({"at": time.monotonic(), **facts})


def scopes(user_id: str) -> list[str]:
    """Return what a user may do, unless a test took it away."""
    return _behaviour.get("scopes", {}).get(user_id, EVERYTHING)


def now() -> float:
    """Return Unix time, put on by as many seconds as a test asked for."""
    return time.time() + float(_behaviour.get("ahead", 0))


def misbehave() -> Response | None:
    """Answer preauth as a test wants it answered instead of by the guard."""
    if request.endpoint != "wsguard.preauth":
        return None
    if _behaviour.get("hang_up"):
        request.environ["gunicorn.socket"].shutdown(socket.SHUT_RDWR)
        abort(503)
    if status := _behaviour.get("status"):
        _write_down(step="turned away", reason=str(status))
        headers = {"Retry-After": str(_behaviour["retry_after"])}
        return current_app.response_class("", status, headers)
    return None


@contextmanager
def open_sockets(ws: Any) -> Iterator[None]:
    """Keep a socket where ``/drop`` finds it, for the length of a ``with``."""
    _sockets.add(ws)
    try:
        yield
    finally:
        _sockets.discard(ws)


def serve(sites: Any) -> Any:
    """Answer the desk's own addresses, and pass everything else on to the sites."""
    desks = {
        ("POST", "/verdicts"): lambda _: _json(_take_verdicts()),
        ("POST", "/behave"): _behave,
        ("POST", "/drop"): lambda _: _json(_drop()),
        ("POST", "/plant"): _plant,
        ("GET", "/blank"): lambda _: _file("blank.html", "text/html"),
        ("GET", "/probe.js"): lambda _: _file("probe.js", "text/javascript"),
        ("GET", "/foreign.js"): lambda _: Answer(foreign_client(), mimetype="text/javascript"),
    }

    def answer(environ: Any, start_response: Any) -> Any:
        desk = desks.get((environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")))
        app = desk(Request(environ)) if desk else sites
        return app(environ, start_response)

    return answer


def _json(what: Any) -> Answer:
    return Answer(json.dumps(what), mimetype="application/json")


def _file(name: str, mimetype: str) -> Answer:
    return Answer((PAGES / name).read_bytes(), mimetype=mimetype)


def foreign_client() -> bytes:
    """Return another project's WebSocket client, as fetch.py has put it there."""
    return FOREIGN.read_bytes()


def _take_verdicts() -> list[dict[str, Any]]:
    with _pen:
        taken = list(_verdicts)
        _verdicts.clear()
    return taken


def _behave(asked: Request) -> Answer:
    _behaviour.clear()
    _behaviour.update(json.loads(asked.get_data()))
    return _json(None)


def _plant(asked: Request) -> Answer:
    """Set cookies exactly as the page asks for, attributes included."""
    answer = _json(None)
    for line in json.loads(asked.get_data()):
        answer.headers.add("Set-Cookie", line)
    return answer


def _drop() -> int:
    """Cut every open socket, as a network does: without a close frame."""
    cut = list(_sockets)
    for ws in cut:
        with suppress(OSError):
            ws.sock.shutdown(socket.SHUT_RDWR)
    return len(cut)
