"""Good handshakes, and ways to spoil them: what the core tests judge."""

from __future__ import annotations

from typing import Any

from flask_wsguard.core.case import Expected, Handshake, Mark, Protected, Session
from flask_wsguard.core.origins import Origin, OriginPolicy
from flask_wsguard.core.source import Source, SourceRules
from flask_wsguard.core.tickets import Keys, Ticket, Token, bind
from flask_wsguard.core.upgrade import Upgrade

NOW = 1_800_000_000
SITE = "https://example.org"
KEYS = Keys(["the site's own secret, thirty-two letters"])
FORGERS = Keys(["the attacker's secret, thirty-two letters"])
ID = "alices-ticket-id-22-xx"
OTHER_ID = "another-ticket-id-22-x"
NONCE = "nonce of alice's login"
RULES = SourceRules(OriginPolicy(("self", "https://app.example.org", "https://partner.example")))
EXPECTED = Expected(RULES, KEYS, "wsguard", clock_skew=5)
ALICES = Session("alice", NONCE)

_GOOD_HEADERS = {
    "HTTP_HOST": "example.org",
    "HTTP_CONNECTION": "keep-alive, Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate; client_max_window_bits",
}
UPGRADE = Upgrade("GET", "HTTP/1.1", "", _GOOD_HEADERS)
_HEADERS = {
    "host": "HTTP_HOST",
    "connection": "HTTP_CONNECTION",
    "upgrade": "HTTP_UPGRADE",
    "key": "HTTP_SEC_WEBSOCKET_KEY",
    "version": "HTTP_SEC_WEBSOCKET_VERSION",
    "subprotocols": "HTTP_SEC_WEBSOCKET_PROTOCOL",
    "extensions": "HTTP_SEC_WEBSOCKET_EXTENSIONS",
}
TICKET = Ticket(
    id=ID,
    user_id="alice",
    scopes=frozenset({"chat:read"}),
    binding=bind("example.org", "/echo"),
    session=KEYS.fingerprint("alice", NONCE),
    issued_at=NOW - 10,
    expires_at=NOW + 20,
)
TOKEN = Token(ID, TICKET.binding, TICKET.issued_at, TICKET.expires_at)


def upgrade(**changes: str | None) -> Upgrade:
    """Return a good upgrade with changes: of a field, else of a header; None leaves it out."""
    fields = {name: value for name, value in changes.items() if name in Upgrade._fields}
    headers = dict[str, str | None](_GOOD_HEADERS)
    headers |= {_HEADERS.get(name, name): changes[name] for name in changes.keys() - fields}
    given = {name: value for name, value in headers.items() if value is not None}
    return UPGRADE._replace(headers=given, **fields)


def token(keys: Keys = KEYS, **changes: Any) -> str:
    """Return the signed text of alice's token, with changes."""
    return keys.mint_token(TOKEN._replace(**changes))


def ticket(keys: Keys = KEYS, **changes: Any) -> str:
    """Return the signed text of alice's ticket, with changes."""
    return keys.mint_ticket(TICKET._replace(**changes))


def cookie(text: str, name: str = f"__Host-Http-wsguard-{ID}") -> str:
    """Return a Cookie header that holds one ticket among what browsers send along."""
    return f"theme=dark; {name}={text}; lang=en"


GOOD_TOKEN = token()
GOOD_COOKIE = cookie(ticket())


def source(
    origin: str | None = SITE, own: str = SITE, fetch_site: str | None = None, **facts: Any
) -> Source:
    """Return where a request comes from; ``own`` is the request's own origin."""
    return Source(
        own=Origin.parse(own),
        origin=origin,
        page=None if origin is None else Origin.parse(origin),
        fetch_site=fetch_site,
        fetch_metadata=facts.pop("fetch_metadata", fetch_site is not None),
    )


def handshake(
    *,
    mark: Mark | None = Protected(frozenset({"chat:read"})),  # noqa: B008
    upgrade: Upgrade | None = UPGRADE,
    path: str = "/echo",
    tokens: tuple[str, ...] = (GOOD_TOKEN,),
    cookies: str = GOOD_COOKIE,
    session: Session | None = ALICES,
    **where: Any,
) -> Handshake:
    """Return a handshake of alice's page that is accepted, but for what is said otherwise."""
    return Handshake(
        mark=mark,
        upgrade=upgrade,
        source=source(**where),
        path=path,
        tokens=tokens,
        cookies=cookies,
        session=None if session is None else lambda: session,
    )
