"""A WebSocket handshake: facts in, Accepted or Refused out. Nothing is upgraded before this.

``judge`` walks CHECKS in order: cheap before dear, hostile before honest. Each check knows one
reason to refuse (the upgrade's form and the credentials' authenticity name several faults of one
kind). The order is part of the contract: a refusal names the first thing that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from . import source
from .case import Case, Expected, Handshake, Protected, Session
from .refusals import Refusal, Refused, scopes_missing
from .tickets import Ticket, Token, bind
from .upgrade import fault_of


class Accepted(NamedTuple):
    """A yes. ``ticket`` is None on public routes, ``session`` where it was not asked."""

    ticket: Ticket | None
    session: Session | None = None


Check = Callable[[Case], Refused | None]


def judge(
    handshake: Handshake,
    *,
    expected: Expected,
    now: float,
    checks: tuple[Check, ...] | None = None,
) -> Accepted | Refused:
    """Decide on a handshake at Unix time ``now``.

    ``checks`` exists for tests and teaching: CHECKS with one left out shows what that one
    carries. Nothing that serves requests may pass it.
    """
    stages = _STAGES if checks is None else [_those_of(stage, checks) for stage in _STAGES]
    of_request, of_credentials, of_session = stages
    case = Case(handshake, expected, now)
    for check in of_request:
        if refused := check(case):
            return refused
    if case.public:
        return Accepted(None)
    case.read_credentials()
    for check in of_credentials:
        if refused := check(case):
            return refused
    case.ask_session()
    for check in of_session:
        if refused := check(case):
            return refused
    return Accepted(case.ticket, case.session)


def _those_of(stage: tuple[Check, ...], checks: tuple[Check, ...]) -> tuple[Check, ...]:
    return tuple(check for check in stage if check in checks)


def route_is_marked(case: Case) -> Refused | None:
    """Deny by default: a route somebody forgot, or whose mark a decorator lost."""
    return Refused(Refusal.UNGUARDED_ROUTE) if case.handshake.mark is None else None


def upgrade_is_well_formed(case: Case) -> Refused | None:
    """Keep out what would raise inside the WebSocket library, after our last word."""
    if case.handshake.upgrade is None or not (fault := fault_of(case.handshake.upgrade)):
        return None
    return Refused(Refusal.MALFORMED_UPGRADE, fault.text, fault.status)


def transport_is_secure(case: Case) -> Refused | None:
    """Refuse plain http except between loopback and loopback."""
    return source.refuse_transport(case.handshake.source, case.expected.rules)


def origin_is_present(case: Case) -> Refused | None:
    """Refuse a handshake without Origin."""
    if case.any_origin:
        return None
    return source.refuse_missing_origin(case.handshake.source, case.expected.rules)


def origin_is_allowed(case: Case) -> Refused | None:
    """Refuse every Origin that is not exactly one allowed origin."""
    if case.any_origin:
        return None
    return source.refuse_foreign_origin(case.handshake.source, case.expected.rules)


def fetch_is_same_site(case: Case) -> Refused | None:
    """Refuse what the browser itself calls foreign."""
    if case.any_origin:
        return None
    rules = case.expected.rules
    return source.refuse_cross_site(case.handshake.source, rules, public=case.public)


def token_is_present(case: Case) -> Refused | None:
    """Refuse a handshake without the CSRF token: any page can open one."""
    return None if case.handshake.tokens else Refused(Refusal.TOKEN_MISSING)


def token_is_authentic(case: Case) -> Refused | None:
    """Refuse two tokens, another spelling, a wrong MAC, and a token from the future."""
    tokens = case.handshake.tokens
    if len(tokens) != 1:
        return Refused(Refusal.TOKEN_INVALID, f"{len(tokens)} tokens")
    if not case.expected.keys.verifies_token(tokens[0]) or not (token := case.token):
        return Refused(Refusal.TOKEN_INVALID, "not signed here")
    if token.issued_at > case.latest_issue:
        return Refused(Refusal.TOKEN_INVALID, _early(token, case))
    return None


def token_is_fresh(case: Case) -> Refused | None:
    """Refuse a token whose time is over."""
    if (token := case.token) and token.expires_at <= case.earliest_end:
        return Refused(Refusal.TOKEN_EXPIRED, _late(token, case))
    return None


def ticket_is_present(case: Case) -> Refused | None:
    """Refuse a token whose cookie did not come along: a token alone is worth nothing."""
    return None if case.ticket_texts else Refused(Refusal.TICKET_MISSING)


def ticket_is_authentic(case: Case) -> Refused | None:
    """Refuse two cookies of one name, a wrong MAC, another type, and the future."""
    texts = case.ticket_texts
    if len(texts) != 1:
        return Refused(Refusal.TICKET_INVALID, f"{len(texts)} cookies of one name")
    if not case.expected.keys.verifies_ticket(texts[0]) or not (ticket := case.ticket):
        return Refused(Refusal.TICKET_INVALID, "not signed here")
    if ticket.issued_at > case.latest_issue:
        return Refused(Refusal.TICKET_INVALID, _early(ticket, case))
    return None


def ticket_is_fresh(case: Case) -> Refused | None:
    """Refuse a ticket whose time is over; the browser may have kept the cookie."""
    if (ticket := case.ticket) and ticket.expires_at <= case.earliest_end:
        return Refused(Refusal.TICKET_EXPIRED, _late(ticket, case))
    return None


def token_names_ticket(case: Case) -> Refused | None:
    """Refuse a ticket under another ticket's name: a planted one would lock a user out."""
    token, ticket = case.token, case.ticket
    if token and ticket and token.sub == ticket.id:
        return None
    return Refused(Refusal.TICKET_MISMATCH)


def path_is_bound(case: Case) -> Refused | None:
    """Refuse replay on another path or host, byte for byte, in either half."""
    own, token, ticket = case.handshake.source.own, case.token, case.ticket
    here = bind(own.netloc, case.handshake.path) if own else None
    if token and ticket and token.binding == ticket.binding == here:
        return None
    return Refused(Refusal.PATH_MISMATCH)


def scopes_are_held(case: Case) -> Refused | None:
    """Refuse a ticket that lacks a scope which the route demands; it needs all of them."""
    mark, ticket = case.handshake.mark, case.ticket
    if not isinstance(mark, Protected) or not mark.scopes:
        return None
    missing = mark.scopes - (ticket.scopes if ticket else frozenset())
    return scopes_missing(missing) if missing else None


def session_is_undisputed(case: Case) -> Refused | None:
    """Refuse when several session cookies disagree: a sibling planted one."""
    if case.session and case.session.disputed:
        return Refused(Refusal.USER_CHANGED, "several session cookies disagree")
    return None


def session_is_alive(case: Case) -> Refused | None:
    """Refuse when nobody is logged in any more, or with the cookie of a recorded logout."""
    if case.session and case.session.user_id is None:
        seen = "the handshake names nobody: logged out, or logged in by a header that cannot travel"
        return Refused(Refusal.SESSION_ENDED, seen)
    if case.session and case.session.ended:
        return Refused(Refusal.SESSION_ENDED, "logged out")
    return None


def session_is_of_user(case: Case) -> Refused | None:
    """Refuse when the browser changed user, or a planted session says that it did."""
    session, ticket = case.session, case.ticket
    if session and ticket and session.user_id != ticket.user_id:
        return Refused(Refusal.USER_CHANGED)
    return None


def session_is_same(case: Case) -> Refused | None:
    """Refuse when the login that asked for the ticket was replaced by another of its user."""
    session, ticket, keys = case.session, case.ticket, case.expected.keys
    if session and ticket and not keys.same_session(ticket.session, ticket.user_id, session.nonce):
        return Refused(Refusal.SESSION_ENDED, "another login of the same user")
    return None


# Of the request alone: on a public route the list ends here.
_OF_REQUEST: tuple[Check, ...] = (
    route_is_marked,
    upgrade_is_well_formed,
    transport_is_secure,
    origin_is_present,
    origin_is_allowed,
    fetch_is_same_site,
)
_OF_CREDENTIALS: tuple[Check, ...] = (
    token_is_present,
    token_is_authentic,
    token_is_fresh,
    ticket_is_present,
    ticket_is_authentic,
    ticket_is_fresh,
    token_names_ticket,
    path_is_bound,
    scopes_are_held,
)
# Last, because the answer may be dear.
_OF_SESSION: tuple[Check, ...] = (
    session_is_undisputed,
    session_is_alive,
    session_is_of_user,
    session_is_same,
)
_STAGES = (_OF_REQUEST, _OF_CREDENTIALS, _OF_SESSION)
CHECKS = (*_OF_REQUEST, *_OF_CREDENTIALS, *_OF_SESSION)


def _early(credential: Token | Ticket, case: Case) -> str:
    """Say by how much a credential comes from the future."""
    return f"issued {credential.issued_at - case.now:.0f} s in the future: compare clocks"


def _late(credential: Token | Ticket, case: Case) -> str:
    """Say how old a credential is that is over.

    A page that slept and a clock that lags at the issuer's look the same from here.
    """
    age = case.now - credential.issued_at
    return f"issued {age:.0f} s ago: the page waited, or workers' clocks differ"
