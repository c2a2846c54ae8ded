"""Ticket and token: mint and read.

A *ticket* is the cookie: it names the user and carries the scopes. A *token* is the CSRF token:
its ``sub`` is the id of the one ticket it belongs to. Both are texts of the form
``type+version . fields . signature``, all split at dots; the signature is HMAC-SHA256 under a key
that only this type uses, and it covers everything before it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from .signing import SIGNATURE, Signer, decode, encode, mac_of, short

LONGEST_TICKET = 1024
"""Bytes of a ticket's text. Browsers drop a cookie over 4,096 without a word; 1,024 leaves room
for the tickets of other tabs."""

_ID = r"[A-Za-z0-9_-]{22}"
_SECONDS = r"[1-9][0-9]{0,11}"
_TOKEN = re.compile(rf"t1\.({_ID})\.({_SECONDS})\.({_SECONDS})\.({_ID})\.{SIGNATURE}", re.ASCII)
LIKE_A_CREDENTIAL = rf"[kt][0-9]+\.{_ID}\.[A-Za-z0-9._-]*"
"""Matches, anywhere in a text, what begins like a token or a ticket: a cut or spoilt one too."""
_TICKET = re.compile(
    rf"k1\.({_ID})\.({_SECONDS})\.({_SECONDS})\.({_ID})\.({_ID}|)"
    rf"\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)\.{SIGNATURE}",
    re.ASCII,
)


class TicketTooLarge(ValueError):
    """The site gave a user more scopes, or a longer id, than a cookie can carry."""


class Token(NamedTuple):
    """What a token says. ``sub`` is the ticket's id; times are Unix seconds."""

    sub: str
    binding: str
    issued_at: int
    expires_at: int


class Ticket(NamedTuple):
    """What a ticket says.

    ``binding`` is the digest of host and path (see :func:`bind`), ``session`` the fingerprint
    of the login session, empty for a credential that cannot travel on a handshake. Times are
    Unix seconds.
    """

    id: str
    user_id: str
    scopes: frozenset[str]
    binding: str
    session: str
    issued_at: int
    expires_at: int


def new_id() -> str:
    """Return a fresh ticket id: 128 random bits as 22 letters."""
    return secrets.token_urlsafe(16)


# A site has few paths, and only who is logged in gets as far as this.
@lru_cache(maxsize=256)
def bind(host: str, path: str) -> str:
    """Return the digest that ties a ticket to one canonical host and one path, as 22 letters.

    A digest, because a path may be long and is the visitor's: it must not be able to outgrow
    the cookie.
    """
    return short(hashlib.sha256(f"{host}\n{path}".encode("utf-8", "surrogateescape")).digest())


# A page asks again for each socket, and at each reconnect.
@lru_cache(maxsize=1024)
def subject(host: str, user_id: str) -> str:
    """Return an opaque word that is stable per user and host, so that a page sees a change."""
    named = f"wsguard\n{host}\n{user_id}"
    return short(hashlib.sha256(named.encode("utf-8", "surrogatepass")).digest())


class Keys:
    """All keys of a site, derived once: the newest signs, every one verifies."""

    __slots__ = (
        "_notices",
        "_sessions",
        "_tickets",
        "_tokens",
        "_users",
    )

    def __init__(self, secret_keys: Sequence[str | bytes]) -> None:
        """Derive from the site's secrets, newest first. Raises ValueError when there is none."""
        if not secret_keys or not all(secret_keys):
            raise ValueError("a secret key is empty")
        self._tickets = Signer(secret_keys, "flask-wsguard.ticket")
        self._tokens = Signer(secret_keys, "flask-wsguard.token")
        self._notices = Signer(secret_keys, "flask-wsguard.notice")
        self._sessions = Signer(secret_keys, "flask-wsguard.session").macs
        self._users = Signer(secret_keys, "flask-wsguard.user").macs

    def mint_token(self, token: Token) -> str:
        """Return the signed text of a token: URL-safe ASCII, about 115 letters."""
        text = f"t1.{token.sub}.{token.issued_at}.{token.expires_at}.{token.binding}"
        return self._tokens.sign(text).decode("ascii")

    def mint_ticket(self, ticket: Ticket) -> str:
        """Return the signed text of a ticket. Raises TicketTooLarge over LONGEST_TICKET bytes."""
        user_id = ticket.user_id.encode("utf-8", "surrogatepass")
        unsigned = (
            f"k1.{ticket.id}.{ticket.issued_at}.{ticket.expires_at}.{ticket.binding}."
            f"{ticket.session}.{encode(user_id)}.{_encode_scopes(ticket.scopes)}"
        )
        text = self._tickets.sign(unsigned).decode("ascii")
        if len(text) > LONGEST_TICKET:
            raise TicketTooLarge(
                f"the ticket of user {ticket.user_id!r} with {len(ticket.scopes)} scopes takes "
                f"{len(text)} bytes, the limit is {LONGEST_TICKET}: let scopes_loader return "
                "fewer or shorter scopes"
            )
        return text

    def verifies_token(self, text: str) -> bool:
        """Tell whether this site signed the text as a token."""
        return self._tokens.has_signed(text)

    def verifies_ticket(self, text: str) -> bool:
        """Tell whether this site signed the text as a ticket."""
        return len(text) <= LONGEST_TICKET and self._tickets.has_signed(text)

    def fingerprint(self, user_id: str, session: str | None) -> str:
        """Return what a ticket says of the session: an HMAC of user and session nonce.

        Without a nonce it is per user, and never equal to one with a nonce.
        """
        return _fingerprint(self._sessions[0], user_id, session)

    def fingerprints(self, user_id: str, session: str | None) -> list[str]:
        """Return the fingerprint under each accepted key, the newest first."""
        return [_fingerprint(key, user_id, session) for key in self._sessions]

    def same_session(self, fingerprint: str, user_id: str, session: str | None) -> bool:
        """Tell whether a ticket's fingerprint is of this user and session, under any key."""
        given = fingerprint.encode()
        for key in self._sessions:
            if hmac.compare_digest(given, _fingerprint(key, user_id, session).encode()):
                return True
        return False

    def sign_notice(self, payload: str) -> str:
        """Return a notice's payload with its signature."""
        return self._notices.sign(payload).decode("utf-8")

    def open_notice(self, text: str) -> str | None:
        """Return the payload of a notice that this site signed, else None."""
        return self._notices.opened(text)

    def pseudonym(self, user_id: str) -> str:
        """Return a user's name in notices: an HMAC, so that a store learns no user ids."""
        return _fingerprint(self._users[0], user_id, None)

    def is_pseudonym(self, pseudonym: str, user_id: str) -> bool:
        """Tell whether a name in a notice is this user's, under any key."""
        return any(_fingerprint(key, user_id, None) == pseudonym for key in self._users)


def read_token(text: str) -> Token | None:
    """Parse a token's text, strictly and *without* verifying it; None for anything else."""
    if not (found := _TOKEN.fullmatch(text)):
        return None
    sub, issued_at, expires_at, binding = found.groups()
    return Token(sub, binding, int(issued_at), int(expires_at))


def read_ticket(text: str) -> Ticket | None:
    """Parse a ticket's text, strictly and *without* verifying it; None for anything else."""
    if len(text) > LONGEST_TICKET or not (found := _TICKET.fullmatch(text)):
        return None
    id_, issued_at, expires_at, binding, session, user_id, scopes = found.groups()
    try:
        name, held = decode(user_id).decode("utf-8", "surrogatepass"), _decode_scopes(scopes)
    except (ValueError, RecursionError):
        return None
    return Ticket(id_, name, held, binding, session, int(issued_at), int(expires_at))


def _encode_scopes(scopes: frozenset[str]) -> str:
    """Write scopes as JSON, since a scope may hold any letter; nothing when there are none."""
    return encode(json.dumps(sorted(scopes), separators=(",", ":")).encode()) if scopes else ""


# Many users hold the same few sets of scopes. A flood of forged ones pushes them out, no more.
@lru_cache(maxsize=256)
def _decode_scopes(text: str) -> frozenset[str]:
    """Read what :func:`_encode_scopes` wrote. Raises ValueError for anything else."""
    scopes = json.loads(decode(text)) if text else []
    if type(scopes) is not list or not all(type(scope) is str for scope in scopes):
        raise ValueError("not a list of str")
    return frozenset(scopes)


# Preauth asks for it a moment before the handshake does, and for each ticket that a browser holds.
@lru_cache(maxsize=1024)
def _fingerprint(keyed: hmac.HMAC, user_id: str, session: str | None) -> str:
    # The length keeps ("ab", "c") and ("a", "bc") apart.
    kind = "user" if session is None else "session"
    message = f"{kind}\n{len(user_id)}\n{user_id}\n{session or ''}"
    return short(mac_of(keyed, message.encode("utf-8", "surrogatepass")))
