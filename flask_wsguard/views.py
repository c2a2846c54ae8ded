"""The blueprint: what preauth answers on the wire, the browser client, and its script tag."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64encode
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request, url_for
from flask.blueprints import BlueprintSetupState
from markupsafe import Markup
from werkzeug.http import http_date
from werkzeug.routing import Rule

from . import facts, grants, reports, signals
from .core.preauth import PreauthRequest
from .core.refusals import Refusal, Refused
from .core.source import Source, refuse_foreign_origin, refuse_missing_origin
from .core.tickets import subject
from .grants import Denied, Minted
from .logins import login_url
from .state import State, state_of

CLIENT = Path(__file__).parent / "static" / "wsguard.js"

_RETRY_AFTER = {429: 5, 503: 5}


def make_blueprint() -> Blueprint:
    """Return the blueprint named ``wsguard``: POST preauth, GET static/wsguard.js."""
    blueprint = Blueprint("wsguard", __name__, static_folder="static", static_url_path="/static")
    blueprint.record(_add_preauth_rule)
    return blueprint


def _add_preauth_rule(setup: BlueprintSetupState) -> None:
    """Route every method, so that a wrong one too gets problem+json instead of an HTML page."""
    rule = Rule(f"{setup.url_prefix}/preauth", endpoint=f"{setup.name}.preauth")
    setup.app.url_map.add(rule)
    setup.app.view_functions[rule.endpoint] = preauth


def preauth() -> Response:
    """Answer a preauth request: a token and a ticket, or a problem that says why not."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    state = state_of(app)
    state.bus.listen()
    asked = facts.preauth_of(request.environ)
    if asked.method == "OPTIONS":
        return _preflight(app, state, asked.source)
    return _answer(app, state, asked)


def _preflight(app: Flask, state: State, source: Source) -> Response:
    rules = state.expected.rules
    refused = refuse_missing_origin(source, rules) or refuse_foreign_origin(source, rules)
    return _refuse(app, state, source, Denied("", refused)) if refused else Response(status=204)


def _answer(app: Flask, state: State, asked: PreauthRequest) -> Response:
    outcome = grants.decide(state, asked)
    if isinstance(outcome, Denied):
        return _refuse(app, state, asked.source, outcome)
    minted = outcome.minted
    reports.emit(
        signals.preauth_granted,
        app,
        path=outcome.path,
        user_id=minted.user_id if minted else None,
        origin=asked.source.origin,
    )
    return _grant(state, asked.source, minted)


def _refuse(app: Flask, state: State, source: Source, denied: Denied) -> Response:
    """Tell the operator, then the page."""
    refused, path = denied.refused, denied.path
    state.log.write("preauth", refused, path or request.path, source.origin)
    reports.emit(
        signals.preauth_refused,
        app,
        reason=refused.reason,
        detail=refused.detail,
        path=path,
        origin=source.origin,
    )
    return _problem(refused, debug=app.debug)


def _grant(state: State, source: Source, minted: Minted | None) -> Response:
    answer = _json(
        {
            "token": minted.token if minted else None,
            "param": state.settings.token_param,
            "expires_in": state.settings.ticket_ttl,
            "subject": minted.subject if minted else None,
        },
        200,
        "application/json",
    )
    if minted:
        life = state.settings.ticket_ttl
        set_ticket_cookie(answer, source, minted.cookie, minted.ticket, life)
        for name in minted.expired:
            set_ticket_cookie(answer, source, name, "", 0)
    return answer


def set_ticket_cookie(
    answer: Response, source: Source, name: str, value: str, seconds: int
) -> None:
    """Set a ticket cookie for ``seconds``, 0 to expire it; writes Max-Age and, for IE, Expires.

    Not Secure on loopback http, where WebKit drops Secure cookies. Written out here, because
    ``set_cookie`` looks for letters to quote that no ticket has, at a fifth of preauth's price.
    """
    secure = "Secure; " if source.own and source.own.scheme == "https" else ""
    expires = _date(int(time.time()) + seconds if seconds else 0)
    answer.headers.add(
        "Set-Cookie",
        f"{name}={value}; Expires={expires}; Max-Age={seconds}; {secure}HttpOnly; Path=/; "
        "SameSite=Strict",
    )


# All tickets of one second expire at one date.
_date = lru_cache(maxsize=16)(http_date)


def _problem(refused: Refused, *, debug: bool) -> Response:
    """Render a refusal as RFC 9457 problem+json."""
    reason, status = refused.reason, refused.http_status
    # Where the site's code stands is for its developer alone.
    told = debug or reason is not Refusal.UNGUARDED_ROUTE
    problem: dict[str, Any] = {
        "status": status,
        "title": reason.meaning,
        "detail": reports.advice(refused) if told else reason.remedy,
        "reason": reason.value,
    }
    if reason is Refusal.SCOPE_MISSING:
        problem["required"] = refused.required
    if reason is Refusal.LOGIN_REQUIRED and (page := login_url()):
        problem["login_url"] = page
    answer = _json(problem, status, "application/problem+json")
    if status == 405:
        answer.headers["Allow"] = "POST"
    if status in _RETRY_AFTER:
        answer.headers["Retry-After"] = str(_RETRY_AFTER[status])
    return answer


def _json(fields: dict[str, Any], status: int, content_type: str) -> Response:
    return Response(json.dumps(fields) + "\n", status, content_type=content_type)


def script_tag(nonce: str | None = None) -> Markup:
    """Return the tag that loads the browser client, for a template of a request.

    Carries ``integrity``, the hash of the file in the URL, so that a cached copy never meets
    another integrity, and ``data-subject``, the user the page is rendered for.
    """
    digest = _client_digest()
    tag = Markup('<script src="{}" integrity="sha384-{}"').format(
        url_for("wsguard.static", filename="wsguard.js", v=digest.hex()[:12]),
        b64encode(digest).decode("ascii"),
    )
    state, own = state_of(current_app), facts.own_origin(request.environ)
    found = state.site.loaders.find()
    if found and own:
        tag += Markup(' data-subject="{}"').format(subject(own.netloc, found.identity.id))
    if nonce is not None:
        tag += Markup(' nonce="{}"').format(nonce)
    return tag + Markup("></script>")


@cache
def _client_digest() -> bytes:
    return hashlib.sha384(CLIENT.read_bytes()).digest()
