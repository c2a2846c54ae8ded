"""One handshake, from a WSGI request to a verdict: facts, judge, and who hears of it."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask, request

from . import facts, reports, signals
from .core.case import Mark, Protected, Public, Session
from .core.handshake import Accepted, judge
from .core.refusals import Refusal, Refused
from .identity import make_anonymous, session_of_request
from .marks import Admitted, Observed, set_verdict
from .sessions import detach_session
from .state import State


def judge_request(
    state: State, mark: Mark | None, path: str, *, upgrade: bool
) -> Accepted | Refused:
    """Judge the current request at ``path``, spelt as WSGI spells it.

    ``upgrade`` says whether its form is ours to judge too. Errors of the site's loaders pass.
    """
    settings = state.settings
    handshake = facts.handshake_of(
        request.environ, mark, token_param=settings.token_param, path=path, upgrade=upgrade
    )
    if isinstance(mark, Protected) and settings.recheck_session:
        handshake = replace(handshake, session=lambda: whose_session(state))
    return judge(handshake, expected=state.expected, now=state.now())


def whose_session(state: State) -> Session:
    """Say whose login the request carries, loading nobody where the session itself says it.

    The loader is asked only when the session names nobody (a remember-me cookie may) or the
    site has a loader of its own.
    """
    session = session_of_request()
    if session.disputed:
        return session
    loaders = state.site.loaders
    if session.user_id is None or loaders.has_ambient:
        found = loaders.find(ambient_only=True)
        if found is None:
            return Session(None, None)
        session = Session(found.identity.id, found.identity.session)
    return replace(session, ended=state.ended.holds(session.nonce, state.now()))


def admit(app: Flask, state: State, accepted: Accepted, mark: Mark | None, path: str) -> None:
    """Put the verdict on the request and report it."""
    if isinstance(mark, Public) and mark.any_origin:
        detach_session(empty=True)
        make_anonymous()
    ticket = accepted.ticket
    set_verdict(request.environ, Admitted(ticket, path))
    origin = request.environ.get("HTTP_ORIGIN")
    reports.accepted(path, ticket.user_id if ticket else None, origin)
    reports.emit(signals.handshake_accepted, app, path=path, ticket=ticket, origin=origin)


def report_refusal(
    app: Flask, state: State, refused: Refused, path: str, *, observed: bool = False
) -> None:
    """Tell the operator: one log line and one signal."""
    origin = request.environ.get("HTTP_ORIGIN")
    what = "handshake (observed, not enforced)" if observed else "handshake"
    state.log.write(what, refused, path, origin)
    reports.emit(
        signals.handshake_refused,
        app,
        reason=refused.reason,
        detail=refused.detail,
        path=path,
        origin=origin,
        observed=observed,
    )


def may_observe(state: State, refused: Refused) -> bool:
    """Tell whether observe-only mode lets this refusal through; a malformed upgrade never."""
    return not state.settings.enforce and refused.reason is not Refusal.MALFORMED_UPGRADE


def observe(refused: Refused) -> None:
    """Let a refused handshake through, with a verdict that owns no ticket."""
    set_verdict(request.environ, Observed(refused.reason))
