"""The world that fuzzed requests meet: a clock that stands, a policy, sessions, tickets.

All of it is constant, so that an input means the same today and in ten years.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from flask_wsguard.core.origins import OriginPolicy
from flask_wsguard.core.source import SourceRules
from flask_wsguard.core.tickets import Keys, Ticket, Token, bind

NOW = 1_800_000_000
SECRET, OLDER_SECRET = "the newest secret of the fuzzed site", "its older secret"
KEYS = Keys([SECRET, OLDER_SECRET])
_FORGERS = Keys(["the attacker's"])
TTL, SKEW = 30, 5


@dataclass(frozen=True)
class Policy:
    """Which origins may connect, the two switches that loosen the rules, how tokens travel."""

    origins: tuple[str, ...]
    allow_insecure_transport: bool = False
    allow_missing_origin: bool = False
    carriers: tuple[str, ...] = ("query",)

    @property
    def rules(self) -> SourceRules:
        """Return the policy as the guard takes it."""
        return SourceRules(
            OriginPolicy(self.origins), self.allow_insecure_transport, self.allow_missing_origin
        )


POLICIES = (
    Policy(("self", "https://app.example.org", "https://*.partner.example")),
    Policy(("https://example.org", "http://localhost:5000"), allow_missing_origin=True),
    Policy(
        ("http://example.org", "http://*.localhost"),
        allow_insecure_transport=True,
        carriers=("query", "subprotocol"),
    ),
    Policy(("self",), carriers=("subprotocol",)),
)
SCHEMES = ("https", "http")
OFFSETS = (0, 1, 29, 30, 34, 35, 36, -1, -5, -6, 3600, 0.5)


@dataclass(frozen=True)
class Login:
    """A session of the site; ``nonce`` is None for one older than the extension."""

    user: str | None
    nonce: str | None
    ended: bool = False


ALICE = Login("alice", "nonce of alice's login")
LOGINS = {
    "a": ALICE,
    "b": Login("bob", "nonce of bob's login"),
    "c": Login("carol", "nonce of carol's login"),
    "e": Login("alice", "nonce of alice's ended login", ended=True),
    "l": Login("alice", "nonce of alice's later login"),
    "n": Login("alice", None),
    "o": Login(None, None),
}
SCOPES = {"alice": {"chat:read", "chat:write"}, "bob": {"chat:read"}, "carol": set[str]()}


@dataclass(frozen=True)
class Grant:
    """A ticket and its token as texts, and what they say."""

    ticket: Ticket
    token_text: str
    ticket_text: str
    login: Login
    host: str
    path: str
    genuine: bool = True


def _grant(number: int, login: str = "a", **facts: str) -> Grant:
    keys = Keys([facts.get("secret", SECRET)])
    host, path = facts.get("host", "example.org"), facts.get("path", "/echo")
    who = LOGINS[login]
    user = str(who.user)
    session = keys.fingerprint(user, who.nonce) if "bearer" not in facts else ""
    ticket = Ticket(
        id=f"grant-number-{number}-of-the-x"[:22],
        user_id=user,
        scopes=frozenset(SCOPES[user]),
        binding=bind(host, path),
        session=session,
        issued_at=NOW,
        expires_at=NOW + TTL,
    )
    token = Token(ticket.id, ticket.binding, ticket.issued_at, ticket.expires_at)
    texts = keys.mint_token(token), keys.mint_ticket(ticket)
    return Grant(ticket, *texts, who, host, path, genuine="forged" not in facts)


GRANTS = (
    _grant(0),
    _grant(1, path="/any"),
    _grant(2, "b"),
    _grant(3, "c"),
    _grant(4, secret=OLDER_SECRET),
    _grant(5, bearer="yes"),
    _grant(6, secret="the attacker's", forged="yes"),
    _grant(7, host="localhost:5000"),
    _grant(8, "n"),
    _grant(9, path="/write"),
    _grant(10, path="/forgotten"),
    _grant(11, "e"),
)


def _session_texts() -> dict[str, str]:
    app = Flask("fuzz")
    app.secret_key = SECRET
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    texts = {}
    for letter, login in LOGINS.items():
        content = {"_user_id": login.user, "_fresh": True, "_wsguard": login.nonce}
        said = {key: value for key, value in content.items() if value is not None}
        texts[letter] = str(serializer.dumps(said))
    return texts


SESSIONS = _session_texts()


@dataclass(frozen=True)
class Scene:
    """What the first line of an input picks. ``login`` is whose session the core is told."""

    now: float
    policy: Policy
    scheme: str
    login: Login


def read_scene(line: bytes) -> Scene:
    """Pick a scene: four letters for time, policy, scheme and session; the first of each is a."""
    letters = (line + b"aaaa")[:4]
    time, policy, scheme, login = (letter - ord("a") for letter in letters)
    logins = tuple(LOGINS.values())
    return Scene(
        NOW + OFFSETS[time % len(OFFSETS)],
        POLICIES[policy % len(POLICIES)],
        SCHEMES[scheme % len(SCHEMES)],
        logins[login % len(logins)],
    )


_WORD = re.compile(rb"\{([ftknhi])([0-9a-f])\}|\{s([a-z])\}")


def fill_in(text: bytes) -> bytes:
    """Replace what no fuzzer can guess: ``{t0}`` the token of grant 0, ``{k0}`` its ticket.

    ``{f0}`` is a token for that ticket which an attacker signed, ``{n0}`` the cookie's name on
    https, ``{h0}`` on http, ``{i0}`` the id; grants are counted in hexadecimal. ``{sa}`` is the
    session cookie of login a.
    """
    return _WORD.sub(_word, text)


def _word(found: re.Match[bytes]) -> bytes:
    if letter := found[3]:
        return SESSIONS.get(letter.decode(), "").encode()
    grant = GRANTS[int(found[2], 16) % len(GRANTS)]
    forged = Token(grant.ticket.id, grant.ticket.binding, NOW, NOW + TTL)
    words = {
        b"f": _FORGERS.mint_token(forged),
        b"t": grant.token_text,
        b"k": grant.ticket_text,
        b"n": f"__Host-Http-wsguard-{grant.ticket.id}",
        b"h": f"wsguard-{grant.ticket.id}",
        b"i": grant.ticket.id,
    }
    return words[found[1]].encode()
