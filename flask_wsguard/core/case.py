"""What is judged: the facts of one handshake, the site's demands, and the case they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .origins import Origin
from .source import Source, SourceRules
from .tickets import Keys, Ticket, Token, read_ticket, read_token
from .upgrade import Upgrade


@dataclass(frozen=True, slots=True)
class Protected:
    """The mark of a route that needs a ticket holding all of ``scopes``.

    ``max_age`` is how many seconds its sockets may live, None for the site's setting.
    """

    scopes: frozenset[str] = frozenset()
    max_age: int | None = None


@dataclass(frozen=True, slots=True)
class Public:
    """The mark of a route open to visitors without login; ``any_origin`` opens it to any page."""

    any_origin: bool = False


Mark = Protected | Public


@dataclass(frozen=True, slots=True)
class Session:
    """Whom the site's own session names, None for nobody, and its nonce.

    ``disputed``: several session cookies disagree. ``ended``: a logout was recorded for it.
    """

    user_id: str | None
    nonce: str | None
    disputed: bool = False
    ended: bool = False


DISPUTED = Session(None, None, disputed=True)
"""Nobody's session: several cookies name different logins, or one hides another."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """The facts of one handshake, as they came.

    ``upgrade`` is None where no upgrade takes place (``verify_handshake``). ``path`` is prefix
    and path as WSGI hands them over: decoded once, bytes as latin-1. ``tokens`` are all values
    of the token parameter, ``cookies`` the raw Cookie header. ``session`` is asked once, after
    all else stands, because the answer may be dear; None where it is not to be asked.
    """

    mark: Mark | None
    upgrade: Upgrade | None
    source: Source
    path: str
    tokens: tuple[str, ...]
    cookies: str
    session: Callable[[], Session] | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What the site demands of every handshake. Times are seconds."""

    rules: SourceRules
    keys: Keys
    cookie_name: str
    clock_skew: float

    def cookie_prefix(self, own: Origin) -> str:
        """Return what stands before a ticket's id in its cookie's name.

        Over https only the prefixed name is read: a sibling can plant a plain or ``__Secure-``
        name with ``Domain=``, never a ``__Host-`` one.
        """
        name = f"{self.cookie_name}-"
        return f"__Host-Http-{name}" if own.scheme == "https" else name


class Case:
    """One handshake under judgement; credentials are read when a check first asks for them."""

    __slots__ = ("_session", "_texts", "_ticket", "_token", "expected", "handshake", "now")

    def __init__(self, handshake: Handshake, expected: Expected, now: float) -> None:
        """Open the case at Unix time ``now``."""
        self.handshake = handshake
        self.expected = expected
        self.now = now
        self._token: Token | None = None
        self._ticket: Ticket | None = None
        self._texts: list[str] | None = None
        self._session: Session | None = None

    @property
    def token(self) -> Token | None:
        """Return the one token, parsed; None when there is none, several, or no token's form."""
        if self._token is None and len(self.handshake.tokens) == 1:
            self._token = read_token(self.handshake.tokens[0])
        return self._token

    @property
    def ticket_texts(self) -> list[str]:
        """Return every value that came under the cookie name of the ticket the token names."""
        if self._texts is None:
            own, token = self.handshake.source.own, self.token
            self._texts = []
            if own and token:
                name = self.expected.cookie_prefix(own) + token.sub
                self._texts = cookie_values(self.handshake.cookies, name)
        return self._texts

    @property
    def ticket(self) -> Ticket | None:
        """Return the one ticket, parsed; None when there is none, several, or no ticket's form."""
        if self._ticket is None and len(texts := self.ticket_texts) == 1:
            self._ticket = read_ticket(texts[0])
        return self._ticket

    @property
    def session(self) -> Session | None:
        """Return whose session it is; None where it is not asked.

        A ticket without fingerprint came from a credential that cannot travel on a handshake.
        """
        if self._session is None and (ask := self.handshake.session):
            if (ticket := self.ticket) and ticket.session:
                self._session = ask()
        return self._session


def cookie_pairs(header: str) -> list[tuple[str, str]]:
    """Return name and value of every cookie in a Cookie header, spelt as they came.

    A parser that unquotes, or keeps one of two, would give a ticket a second spelling.
    """
    return [_pair_of(part) for part in header.split(";")]


def cookie_values(header: str, name: str) -> list[str]:
    """Return the value of every cookie of this name."""
    if name not in header:
        return []
    # A part that does not hold the name is not the cookie of that name: most are not cut up.
    pairs = [_pair_of(part) for part in header.split(";") if name in part]
    return [value for key, value in pairs if key == name]


def _pair_of(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    # Space and tab only: str.strip() also takes a no-break space, in front of which a browser
    # lets a sibling plant a `__Host-` name.
    return name.strip(" \t"), value.strip(" \t")
