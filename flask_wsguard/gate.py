"""One handshake, from a WSGI request to a verdict: facts, judge, and who hears of it."""

from __future__ import annotations

import math
import time
from functools import partial

from flask import Flask

from . import facts, reports, signals
from .core.carriers import CARRIERS, QUERY, SUBPROTOCOL
from .core.case import Mark, Protected, Public, Session
from .core.handshake import Accepted, judge
from .core.refusals import Refusal, Refused
from .core.tickets import Ticket
from .facts import Environ
from .identity import session_of_request
from .live.connection import Connection
from .live.sockets import raw_socket
from .logins import make_anonymous
from .sessions import current_context, detach_session
from .settings import Settings
from .state import State, state_of
from .stores import StoreUnavailable
from .verdicts import Admitted, Observed, drop_connection, set_connection, set_verdict

_STRAY = {
    QUERY: 'one came in the URL, where this site takes none: give WSGuard carrier: "subprotocol"',
    SUBPROTOCOL: 'one came as a subprotocol: set WSGUARD_TOKEN_CARRIERS = ("subprotocol",)',
}


def judge_request(
    state: State,
    environ: Environ,
    mark: Mark | None,
    path: str,
    *,
    upgrade: bool,
    session: bool = True,
) -> Accepted | Refused:
    """Judge a request at ``path``, spelt as WSGI spells it.

    ``upgrade`` says whether its form is ours to judge too, ``session`` whether the current
    request's session may be asked. It is asked last: what is refused without it is refused with
    it too, for the same reason. Errors of the site's loaders pass.
    """
    asked = session and state.settings.recheck_session
    handshake = facts.handshake_of(
        environ,
        mark,
        token_param=state.settings.token_param,
        token_carriers=state.settings.token_carriers,
        path=path,
        upgrade=upgrade,
        session=partial(whose_session, state) if asked else None,
    )
    outcome = judge(handshake, expected=state.expected, now=state.now())
    if isinstance(outcome, Refused) and outcome.reason is Refusal.TOKEN_MISSING:
        return _naming_carrier(outcome, environ, state.settings)
    return outcome


def _naming_carrier(refused: Refused, environ: Environ, settings: Settings) -> Refused:
    """Say it when the token did come, in a carrier that the site does not use."""
    for carrier in CARRIERS:
        if carrier in settings.token_carriers:
            continue
        if facts.tokens_of(environ, settings.token_param, (carrier,)):
            return refused._replace(detail=_STRAY[carrier])
    return refused


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
        found = loaders.find(ambient=True)
        if found is None:
            return Session(None, None)
        session = Session(found.identity.id, found.identity.session)
    ended = state.ended.holds(session.nonce)
    return session._replace(ended=True) if ended else session


def take_slot(
    state: State, environ: Environ, accepted: Accepted, mark: Mark | None, path: str
) -> Refused | None:
    """Count the socket against the caps, and make it one that can be closed from now on.

    ``path`` is text, here and below: see :func:`facts.readable`, which one socket needs only once.
    """
    ticket = accepted.ticket
    nonce = accepted.session.nonce if accepted.session else None
    max_age: float = math.inf
    demanded: frozenset[str] = frozenset()
    if isinstance(mark, Protected):
        longest = state.settings.max_connection_age
        max_age, demanded = min(longest, mark.max_age or longest), mark.scopes
    connection = Connection(
        ticket,
        path,
        raw=raw_socket(environ),
        max_age=max_age,
        demanded=demanded,
        nonce=nonce,
    )
    if not state.sockets.take(connection):
        return Refused(Refusal.TOO_MANY_CONNECTIONS)
    set_connection(environ, connection)
    # A logout between the verdict and this line swept without finding us.
    if state.ended.holds(nonce):
        return Refused(Refusal.SESSION_ENDED, "logged out during the handshake")
    return None


def hold_observed(app: Flask, state: State, environ: Environ, path: str) -> None:
    """Hold a socket that observe-only mode lets in, as a public one: nothing says whose it is."""
    connection = Connection(None, path, raw=raw_socket(environ))
    state.sockets.hold(connection)
    set_connection(environ, connection)
    reports.emit(signals.connection_opened, app, path=path, ticket=None)


def give_back_slot(app: Flask, environ: Environ) -> None:
    """Forget a socket when its request ends, whatever followed the verdict."""
    connection = drop_connection(environ)
    # An ordinary request ends here too: it costs this one look.
    if not isinstance(connection, Connection):
        return
    state_of(app).sockets.give_back(connection)
    reports.emit(
        signals.connection_closed,
        app,
        path=connection.path,
        ticket=connection.ticket,
        code=connection.code,
        reason=connection.reason,
        seconds=time.monotonic() - connection.opened_at,
    )


def spend(state: State, ticket: Ticket | None) -> Refused | None:
    """Spend the token where each may be used once; last, so that a hostile probe burns nothing."""
    if ticket is None or not state.settings.single_use:
        return None
    skew = state.settings.clock_skew
    # The store counts whole seconds by its own clock.
    seconds = max(1, math.ceil(ticket.expires_at - state.now()) + 2 * skew + 1)
    try:
        return None if state.store.spend(ticket.id, seconds) else Refused(Refusal.TOKEN_USED)
    except StoreUnavailable as fault:
        return Refused(Refusal.STORE_UNAVAILABLE, str(fault))


def admit(
    app: Flask, environ: Environ, ticket: Ticket | None, mark: Mark | None, path: str
) -> None:
    """Put the verdict on the request and report it."""
    hide_visitor(mark)
    set_verdict(environ, Admitted(ticket, path))
    origin = environ.get("HTTP_ORIGIN")
    reports.accepted(path, ticket.user_id if ticket else None, origin)
    reports.emit(signals.handshake_accepted, app, path=path, ticket=ticket, origin=origin)


def hide_visitor(mark: Mark | None) -> None:
    """Let the handler of a socket that any page may open learn nothing of the browser's user.

    Nor may what it starts: a copied or a new context would load the user again, by them.
    """
    if isinstance(mark, Public) and mark.any_origin:
        context = current_context()
        for credential in ("HTTP_COOKIE", "HTTP_AUTHORIZATION"):
            context.request.environ.pop(credential, None)
        for read_already in ("cookies", "authorization"):
            vars(context.request).pop(read_already, None)
        detach_session(context, empty=True)
        make_anonymous()


def refuse(app: Flask, state: State, environ: Environ, refused: Refused, path: str) -> bool:
    """Report a refusal; True when observe-only mode lets it through, with a verdict that says so.

    A malformed upgrade is never let through: it would raise behind us.
    """
    origin = environ.get("HTTP_ORIGIN")
    observed = not state.settings.enforce and refused.reason is not Refusal.MALFORMED_UPGRADE
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
    if observed:
        set_verdict(environ, Observed(refused.reason))
    return observed
