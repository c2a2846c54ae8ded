"""What other extensions would do to preauth: ask it for a CSRF token, and answer in its place."""

from __future__ import annotations

import logging
import re
from typing import Any

from flask import Flask, Response, current_app, request

from . import facts
from .core.origins import Origin
from .sessions import current_context
from .state import State, state_of

_log = logging.getLogger("flask_wsguard")

PREAUTH = "wsguard.preauth"
"""The endpoint of preauth."""
OWN_ENDPOINTS = frozenset({PREAUTH, "wsguard.static"})
"""Those of the blueprint."""


def exempt_from_csrf(app: Flask, state: State) -> None:
    """Let Flask-WTF's CSRFProtect, if the app has one, ask preauth for no token; say so once.

    JSON and an exact Origin, which no foreign page can send together, stand in for it. Its token
    dies after an hour, and an open page comes back to preauth for days.
    """
    protection: Any = app.extensions.get("csrf")
    if protection is None or protection in state.exempt_from:
        return
    state.exempt_from.append(protection)
    protection.exempt(app.blueprints["wsguard"])
    _log.info("Flask-WTF's CSRFProtect asks preauth for no token: JSON and Origin stand in for it")


def own_preauth_headers(answer: Response) -> Response:
    """Give every answer of preauth its headers, also one of a rate limiter or an error handler.

    Runs behind every other ``after_request``, so that Flask-CORS doubles no header (a browser
    refuses two) and lets in no origin that is not listed.
    """
    if current_context().request.endpoint != PREAUTH:
        return answer
    for name in [name for name, _ in answer.headers if _OURS.match(name)]:
        del answer.headers[name]
    for name, value in (*_ALWAYS, *_cors_headers()):
        answer.headers.add(name, value)
    return answer


_OURS = re.compile(r"access-control-|cache-control$|vary$", re.IGNORECASE)
_ALWAYS = (("Cache-Control", "no-store"), ("Vary", "Origin, Cookie, Sec-Fetch-Site"))


def _cors_headers() -> tuple[tuple[str, str], ...]:
    """Let a listed page of another origin read the answer, and nobody else.

    A handshake endpoint that told its token to every origin was Sente's CVE-2019-1000022.
    """
    environ = request.environ
    came = environ.get("HTTP_ORIGIN")
    page = None if came is None else Origin.parse(came)
    if came is None or page is None or page == facts.own_origin(environ):
        return ()
    if state_of(current_app).expected.rules.origins.listed(page) is None:
        return ()
    return (
        ("Access-Control-Allow-Origin", came),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", "POST"),
        ("Access-Control-Allow-Headers", "content-type, authorization, x-csrftoken"),
        ("Access-Control-Expose-Headers", "Retry-After"),
    )
