"""Pairs of one site with the early gate and without, and how to ask either."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from flask import Flask, request, session

from flask_wsguard import handshake_refused

from .sites import make_site
from .visitor import ORIGIN, UPGRADE, Clock, Visitor

OFFER = "HTTP_SEC_WEBSOCKET_PROTOCOL"


@dataclass
class Heard:
    """What a site answered and told its operator, and which subprotocols it left on the request."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    told: list[dict[str, Any]]
    counted: dict[Any, int]
    offer: str | None


def ask(app: Flask, environ: dict[str, Any], listen: bool = True) -> Heard:
    """Send one request, and listen to the signal or leave it without receivers."""
    heard: list[dict[str, Any]] = []
    answered: list[Any] = []
    log = app.extensions["wsguard"].log
    log._counts.clear()

    def receive(_: Flask, **facts: Any) -> None:
        seen = {"user": session.get("_user_id"), "at": request.path, "offer": environ.get(OFFER)}
        heard.append({**facts, **seen})

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        answered[:] = [status, headers]

    environ = {**environ, "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
    if listen:
        handshake_refused.connect(receive, app)
    try:
        body = b"".join(app(environ, start_response))
    finally:
        handshake_refused.disconnect(receive, app)
    return Heard(*answered, body, heard, dict(log._counts), environ.get(OFFER))


def environ_of(path: str = "/echo", query: str = "", **headers: str | None) -> dict[str, Any]:
    """Return a handshake on https://example.org; a header of None is left out."""
    sent = {**UPGRADE, "Origin": ORIGIN, **{k.replace("_", "-"): v for k, v in headers.items()}}
    named = {f"HTTP_{key.upper().replace('-', '_')}": v for key, v in sent.items() if v is not None}
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "example.org",
        "wsgi.url_scheme": "https",
        **named,
    }


def with_middleware(app: Flask) -> None:
    """Wrap the app before the guard comes, so that it gets no early gate."""
    inner = app.wsgi_app
    app.wsgi_app = lambda *request: inner(*request)  # type: ignore[method-assign]


class Twins:
    """One site with the gate and one without, alike in all else, and what alice holds of them."""

    def __init__(self, **config: Any) -> None:
        """Build both, and let alice ask for a ticket, which must not age."""
        self.gated, self.hooked = make_site(**config), make_site(with_middleware, **config)
        for app in (self.gated, self.hooked):
            Clock(app)
        settings = self.gated.extensions["wsguard"].settings
        alice = Visitor(self.gated)
        alice.log_in("alice")
        self.param, self.token = settings.token_param, alice.token()
        self.session, self.ticket = alice.cookie_header().split("; ")
        self.cookies = f"{self.session}; {self.ticket}"
        by_query = "query" in settings.token_carriers
        self.query = f"{self.param}={self.token}" if by_query else ""
        self.offer = None if by_query else f"wsguard, wsguard.token.{self.token}"

    def honest(self) -> dict[str, Any]:
        """Return the handshake that both accept."""
        environ = environ_of("/echo", self.query, Cookie=self.cookies)
        return {**environ, **({OFFER: self.offer} if self.offer else {})}
