"""One preauth request, from WSGI to a grant or a refusal.

It makes every check that the handshake will make and that can be made now, because a page
cannot read why a handshake failed.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from flask import request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from . import facts
from .core import preauth
from .core.case import Mark, Public
from .core.origins import Origin
from .core.pending import Held, surplus
from .core.preauth import PreauthRequest, SocketPath
from .core.refusals import Refusal, Refused, scopes_missing
from .core.source import Source
from .core.tickets import Ticket, Token, bind, new_id, subject
from .errors import ConfigError
from .held import held_tickets
from .identity import Found, session_of_request
from .marks import mark_of, naming_view
from .sessions import current_context
from .state import State


class Minted(NamedTuple):
    """A new ticket and its token as texts, ``cookie`` its name, ``expired`` the names to expire."""

    cookie: str
    ticket: str
    token: str
    subject: str
    user_id: str
    expired: tuple[str, ...]


class Granted(NamedTuple):
    """A yes for ``path``. ``minted`` is None on public routes, which need no ticket."""

    path: str
    minted: Minted | None


class Denied(NamedTuple):
    """A no. ``path`` is the pathname asked for, "" where it was not even read."""

    path: str
    refused: Refused


def decide(state: State, asked: PreauthRequest) -> Granted | Denied:
    """Ask, in the order of the protocol. Errors of the site's loaders pass."""
    if refused := preauth.judge(asked, state.expected.rules):
        return Denied("", refused)
    pathname = preauth.read_body(_read_body())
    if isinstance(pathname, Refused):
        return Denied("", pathname)
    outcome = _decide_at(state, asked, pathname)
    return Denied(pathname, outcome) if isinstance(outcome, Refused) else outcome


def _decide_at(state: State, asked: PreauthRequest, pathname: str) -> Granted | Refused:
    path = preauth.read_path(pathname, facts.prefix_of(request.environ))
    if isinstance(path, Refused):
        return path
    mark = _mark_at(state, path)
    if isinstance(mark, Refused):
        return mark
    if isinstance(mark, Public):
        return _room_for_public(state, path)
    if refused := preauth.refuse_for_protected(asked, state.expected.rules):
        return refused
    found = _who_asks(state)
    if isinstance(found, Refused):
        return found
    state.site.must_load_scopes(mark)
    scopes = state.site.scopes_of(found.identity.user)
    if missing := mark.scopes - scopes:
        return scopes_missing(missing)
    if not state.sockets.registry.has_room(found.identity.id):
        return Refused(Refusal.TOO_MANY_CONNECTIONS)
    if state.settings.single_use and not state.store.is_up:
        return Refused(Refusal.STORE_UNAVAILABLE)
    return Granted(facts.readable(path.bound), _mint(state, asked.source, found, scopes, path))


def _room_for_public(state: State, path: SocketPath) -> Granted | Refused:
    if not state.sockets.registry.has_room(None):
        return Refused(Refusal.TOO_MANY_CONNECTIONS)
    return Granted(facts.readable(path.bound), None)


def _read_body() -> bytes:
    most, asked = preauth.LONGEST_BODY + 1, current_context().request
    try:
        # For a chunked body; a lower limit of the site stays.
        asked.max_content_length = min(most, asked.max_content_length or most)
        # Not the stream, which a hook of the site may have read.
        return asked.get_data()
    except Exception:
        # A client that hung up, a site limit below ours, chunks of which the server's parser makes
        # an exception of its own: no body is no JSON.
        return b""


def _mark_at(state: State, path: SocketPath) -> Mark | Refused:
    """Find the mark of the WebSocket route that serves a path."""
    if mark := state.site.protected_paths.get(path.routed):
        return mark
    context = current_context()
    try:
        endpoint, _ = context.url_adapter.match(path.routed, method="GET", websocket=True)  # type: ignore[union-attr]
    except RequestRedirect as redirect:
        return Refused(
            Refusal.UNKNOWN_PATH,
            f"{path.routed!r} redirects to {redirect.new_url!r}: a slash too many or too few",
        )
    except HTTPException:
        return Refused(
            Refusal.UNKNOWN_PATH,
            f"no WebSocket route matches {path.routed!r}: compare every slash; behind a proxy that "
            "cuts a prefix off apply ProxyFix(x_prefix=1)",
        )
    view = context.app.view_functions.get(endpoint)
    return mark_of(view) or naming_view(Refused(Refusal.UNGUARDED_ROUTE), view)


def _who_asks(state: State) -> Found | Refused:
    """Ask the site's login, and whether its session may still ask for tickets."""
    if not state.site.loaders.has_any:
        raise ConfigError(
            [
                "there is no way to know the user: call LoginManager().init_app(app), or "
                "decorate a function of the request with @guard.identity_loader"
            ]
        )
    # Before a loader writes to it: Flask-Login puts whom it remembers into the session.
    session = session_of_request()
    found = state.site.loaders.find(ambient=False if session.disputed else None)
    if found and not found.ambient:
        return found
    if session.disputed:
        return Refused(Refusal.USER_CHANGED, "several session cookies disagree")
    if found is None:
        return Refused(Refusal.LOGIN_REQUIRED)
    if state.ended.holds(found.identity.session):
        return Refused(Refusal.SESSION_ENDED, "logged out")
    return found


def _mint(
    state: State, source: Source, found: Found, scopes: frozenset[str], path: SocketPath
) -> Minted:
    own = cast(Origin, source.own)  # refuse_transport lets no request without a usable Host pass
    expected, identity, host = state.expected, found.identity, own.netloc
    keys, now = expected.keys, int(state.now())
    session = keys.fingerprint(identity.id, identity.session) if found.ambient else ""
    ticket = Ticket(
        id=new_id(),
        user_id=identity.id,
        scopes=scopes,
        binding=bind(host, path.bound),
        session=session,
        issued_at=now,
        expires_at=now + state.settings.ticket_ttl,
    )
    token = Token(ticket.id, ticket.binding, ticket.issued_at, ticket.expires_at)
    text = keys.mint_ticket(ticket)
    cookie = expected.cookie_prefix(own) + ticket.id
    held = [
        Held(name, len(name) + len(value) + 3, other.issued_at)
        for name, value, other in held_tickets(state, source)
        if is_of_session(state, other, found)
    ]
    expired = surplus(
        held, new_size=len(cookie) + len(text) + 3, most=state.settings.max_pending_tickets
    )
    return Minted(
        cookie,
        text,
        keys.mint_token(token),
        subject(host, identity.id),
        identity.id,
        tuple(expired),
    )


def is_of_session(state: State, ticket: Ticket, found: Found) -> bool:
    """Tell whether a held ticket belongs to the login session that is asking."""
    if ticket.user_id != found.identity.id:
        return False
    if not found.ambient or not ticket.session:
        return not found.ambient and not ticket.session
    keys = state.expected.keys
    return keys.same_session(ticket.session, ticket.user_id, found.identity.session)
