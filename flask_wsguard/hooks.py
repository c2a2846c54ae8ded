"""What the guard does at each request, at login and at logout."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, after_this_request, current_app, request, session

from . import facts, gate, reports, servers, signals
from .core.case import Mark
from .core.refusals import Refused
from .ended import digest_of
from .held import held_tickets
from .identity import NONCE_KEY, new_nonce, session_that_came
from .live.connection import Connection
from .live.registry import Selector
from .live.sockets import SIGN_IN_AGAIN
from .logins import id_of
from .marks import mark_of, naming_view
from .neighbours import OWN_ENDPOINTS, exempt_from_csrf
from .reports import HandshakeRefusal
from .sessions import current_context, detach_session, is_thrown_away, session_of
from .state import State, state_of
from .verdicts import drop_connection
from .views import set_ticket_cookie

_log = logging.getLogger("flask_wsguard")

_ENDED = "session_ended"
_JUDGED = "_wsguard_judged"


def current_state() -> tuple[Flask, State]:
    """Return the current app and what the extension knows of it."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app, state_of(app)


def guard_route() -> Response | None:
    """Judge every request for a WebSocket rule before flask-sock can accept it."""
    context = current_context()
    rule = context.request.url_rule
    if rule is None or not rule.websocket:
        if rule is not None and rule.endpoint in OWN_ENDPOINTS:
            # Whichever was initialised first, Flask-WTF's hook runs behind this one.
            exempt_from_csrf(*current_state())
            # Here already, for a rate limiter may answer in preauth's place, and a hook of the
            # site's may log in, which the browser would never hear of.
            detach_session(context)
            after_this_request(_forget_session)
        return None
    app, state, answered = context.app, state_of(context.app), True
    setattr(context, _JUDGED, True)
    state.bus.listen()
    # Before a loader is asked, which may write to it, or log in: no answer carries it back.
    detach_session(context)
    try:
        answer = _answer(app, state, context.request.environ, rule.endpoint)
        answered = answer is not None
    finally:
        if answered:
            # Or Flask-Login would refresh the remember cookie of whomever the session names.
            session_of(context).clear()
    return answer


def _forget_session(answer: Response) -> Response:
    """Keep Flask-Login from refreshing the remember cookie of whomever the session names."""
    detach_session(current_context(), empty=True)
    return answer


def _answer(app: Flask, state: State, environ: facts.Environ, endpoint: str) -> Response | None:
    path = facts.bound_path(environ)
    view = app.view_functions.get(endpoint)
    mark = mark_of(view)
    refused = _refuse_or_admit(app, state, environ, mark, path)
    if refused:
        refused = naming_view(refused, view)
        if not gate.refuse(app, state, environ, refused, facts.readable(path)):
            return HandshakeRefusal(refused, debug=app.debug)
        gate.hide_visitor(mark)
        gate.hold_observed(app, state, environ, facts.readable(path))
    return _no_socket(app, state, environ)


def _refuse_or_admit(
    app: Flask, state: State, environ: facts.Environ, mark: Mark | None, path: str
) -> Refused | None:
    """Judge, then ask what needs this process: a slot, and last of all the spent tokens."""
    outcome = gate.judge_request(state, environ, mark, path, upgrade=True)
    facts.hide_tokens(environ)
    if isinstance(outcome, Refused):
        return outcome
    path = facts.readable(path)
    refused = gate.take_slot(state, environ, outcome, mark, path)
    if refused := refused or gate.spend(state, outcome.ticket):
        _give_back(state, environ)
        return refused
    gate.admit(app, environ, outcome.ticket, mark, path)
    reports.emit(signals.connection_opened, app, path=path, ticket=outcome.ticket)
    return None


def _no_socket(app: Flask, state: State, environ: facts.Environ) -> Response | None:
    """Say what is wrong with the server, where the library below would only raise."""
    if servers.VERDICT_ONLY in environ:
        return Response(status=204)
    if fault := servers.fault_of(environ):
        _log.error("%s", fault)
        return Response(f"{fault}\n", 500, mimetype="text/plain")
    if not state.advised:
        state.advised.append(True)
        options = app.config.get("SOCK_SERVER_OPTIONS") or {}
        settings = state.settings
        for line in servers.advice(
            environ, options, settings.max_connections, settings.token_carriers
        ):
            _log.warning("%s", line)
    return None


def give_back_slot(error: BaseException | None) -> None:
    """Forget a socket when its request ends, while signal receivers can still ask for it."""
    context = current_context()
    # A copy that a handler makes for a thread of its own has the same environ, and ends earlier.
    if hasattr(context, _JUDGED):
        gate.give_back_slot(context.app, context.request.environ)


def _give_back(state: State, environ: facts.Environ) -> None:
    """Give back the slot of a handshake that was refused after all, if it took one."""
    connection = drop_connection(environ)
    if isinstance(connection, Connection):
        state.sockets.give_back(connection)


def on_login(app: Flask, **_: Any) -> None:
    """Give the session a new nonce; what an earlier login of it could do ends.

    A site that logs in anew at each request, behind a proxy that says who asks, does so at ours
    too, whose sessions are never saved: the browser keeps the nonce that it has.
    """
    if is_thrown_away(current_context()):
        return
    # The site may have cleared the session before it logged in.
    came, nonce = session_that_came(), session.get(NONCE_KEY)
    session[NONCE_KEY] = new_nonce()
    _end_session(state_of(app), came.user_id, came.nonce)
    if isinstance(nonce, str) and nonce != came.nonce:
        _end_session(state_of(app), None, nonce)


def on_logout(app: Flask, user: Any = None, **_: Any) -> None:
    """End the session of whoever logs out."""
    came, nonce = session_that_came(), session.pop(NONCE_KEY, None)
    _end_session(
        state_of(app),
        _id_of_leaver(user) or came.user_id,
        nonce if isinstance(nonce, str) else came.nonce,
    )


def _id_of_leaver(user: Any) -> str | None:
    """Return the id of whoever logs out, None where the site's object does not tell it any more.

    Flask-Login does not ask at a logout, and a row that was just deleted raises.
    """
    try:
        return id_of(user)
    except Exception:
        return None


def _end_session(state: State, user_id: str | None, nonce: str | None) -> None:
    """Record the end first: the browser holds its old cookie until our answer arrives."""
    registry, told = state.sockets.registry, list[dict[str, Any]]()
    meant: list[Connection] = []
    if nonce is not None:
        digest = digest_of(nonce)
        state.ended.add(digest)
        meant = [held for held in registry.select(Selector()) if held.nonce == nonce]
        told.append({"ended": digest})
    if user_id is not None and (nonce is None or not state.settings.recheck_session):
        # Sessions without a nonce are told apart by nothing: they close together. Where no session
        # is asked at the handshake, the ticket alone says which one a socket is of.
        sessions = state.expected.keys.fingerprints(user_id, nonce)
        meant += [held for one in sessions for held in registry.select(Selector(session=one))]
        if state.settings.disconnect_on_logout:
            told += [{"session": one, "code": SIGN_IN_AGAIN, "reason": _ENDED} for one in sessions]
    if state.settings.disconnect_on_logout:
        state.sockets.close(meant, SIGN_IN_AGAIN, _ENDED)
    # Last, because a store may make us wait.
    for fields in told:
        state.bus.tell(**fields)
    _expire_tickets(state, nonce)


def _expire_tickets(state: State, nonce: str | None) -> None:
    """Let the browser drop the unspent tickets of the session that ends."""
    source = facts.source_of(request.environ, None)
    keys = state.expected.keys
    names = [
        name
        for name, _, ticket in held_tickets(state, source)
        if keys.same_session(ticket.session, ticket.user_id, nonce)
    ]

    @after_this_request
    def expire(answer: Response) -> Response:
        for name in names:
            set_ticket_cookie(answer, source, name, "", 0)
        return answer
