"""Every reason to say no: its code, its status, and what to do about it.

The browser client and the documentation are compared with this table by tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple


class Refusal(str, Enum):
    """A machine-readable reason, the same word in signals, logs, problem+json and the client.

    ``status`` is the HTTP status with which *preauth* gives this reason; a refused handshake
    is a 403 whatever the reason (a malformed one 400 or 426). ``meaning`` says what happened,
    ``remedy`` what its reader can do about it.
    """

    status: int
    meaning: str
    remedy: str

    def __new__(cls, code: str, status: int, meaning: str, remedy: str) -> Refusal:
        """Make a member that is its code and carries status, meaning and remedy."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.status, member.meaning, member.remedy = status, meaning, remedy
        return member

    __str__ = str.__str__

    if TYPE_CHECKING:
        # mypy takes the value of an enum that has a __new__ for Any.
        @property
        def value(self) -> str:
            """Return the word."""

    UNGUARDED_ROUTE = (
        "unguarded_route",
        403,
        "This WebSocket route carries no mark.",
        "Put @ws_protected or @ws_public directly below @sock.route(...).",
    )
    MALFORMED_UPGRADE = (
        "malformed_upgrade",
        400,
        "The request is not a well-formed WebSocket upgrade.",
        "Send what RFC 6455 section 4.1 asks for; a proxy in between must pass "
        "Connection and Upgrade on.",
    )
    INSECURE_TRANSPORT = (
        "insecure_transport",
        403,
        "Plain http is refused outside loopback.",
        "Serve the site over https. Behind a TLS proxy apply werkzeug's ProxyFix(x_proto=1, "
        "x_host=1); on a trusted network set WSGUARD_ALLOW_INSECURE_TRANSPORT = True, and "
        "TRUSTED_HOSTS to the names by which the site is opened.",
    )
    ORIGIN_MISSING = (
        "origin_missing",
        403,
        "The request names no Origin.",
        "A browser always sends one. For other clients let the client send Origin, or set "
        "WSGUARD_ALLOW_MISSING_ORIGIN = True.",
    )
    ORIGIN_NOT_ALLOWED = (
        "origin_not_allowed",
        403,
        "Pages of this Origin may not connect.",
        "If the page is yours, list its origin in WSGUARD_ALLOWED_ORIGINS.",
    )
    CROSS_SITE_FETCH = (
        "cross_site_fetch",
        403,
        "The browser says that the request comes from another site.",
        "Open the socket from a page of this origin, or of a listed one on the same site; "
        "a page in a foreign frame cannot.",
    )
    TOKEN_MISSING = (
        "token_missing",
        403,
        "The handshake carries no token.",
        "Connect through preauth: new WSGuard(path) in the page, or POST to preauth first.",
    )
    TOKEN_INVALID = (
        "token_invalid",
        403,
        "The token is not one that this site issued for now.",
        "Ask preauth for a new one. If workers disagree, compare their secret and their clocks.",
    )
    TOKEN_EXPIRED = (
        "token_expired",
        403,
        "The token has outlived its time.",
        "Ask preauth for a new one just before each connect.",
    )
    TICKET_MISSING = (
        "ticket_missing",
        403,
        "The cookie that the token names did not come along.",
        "Preauth and socket must share host, scheme and browser; cookies must be on.",
    )
    TICKET_INVALID = (
        "ticket_invalid",
        403,
        "The ticket is not one that this site issued for now.",
        "Ask preauth for a new one. If workers disagree, compare their secret and their clocks.",
    )
    TICKET_EXPIRED = (
        "ticket_expired",
        403,
        "The ticket has outlived its time.",
        "Ask preauth for a new one just before each connect.",
    )
    TICKET_MISMATCH = (
        "ticket_mismatch",
        403,
        "Token and ticket do not belong together.",
        "Use the token with the cookie of the same preauth answer.",
    )
    PATH_MISMATCH = (
        "path_mismatch",
        403,
        "Token and ticket were issued for another path or host.",
        "Ask preauth for exactly the path that the socket opens, on the same host.",
    )
    SCOPE_MISSING = (
        "scope_missing",
        403,
        "The user lacks a scope that this route needs.",
        "Grant the scope in scopes_loader, or lower the route's scopes.",
    )
    SESSION_ENDED = (
        "session_ended",
        403,
        "The session that asked for the ticket has ended.",
        "Log in again.",
    )
    USER_CHANGED = (
        "user_changed",
        403,
        "The browser's session now names somebody else.",
        "Reload the page.",
    )
    TOO_MANY_CONNECTIONS = (
        "too_many_connections",
        429,
        "Too many sockets are open.",
        "Close one, or wait; the limits are WSGUARD_MAX_CONNECTIONS and "
        "WSGUARD_MAX_CONNECTIONS_PER_USER.",
    )
    TOKEN_USED = (
        "token_used",
        403,
        "The token was used before.",
        "Ask preauth for a new one before each connect.",
    )
    STORE_UNAVAILABLE = (
        "store_unavailable",
        503,
        "The store that remembers used tokens does not answer.",
        "Wait; the operator should look at WSGUARD_STORAGE_URI.",
    )
    LOGIN_REQUIRED = ("login_required", 401, "Nobody is logged in.", "Log in, then try again.")
    NOT_JSON = (
        "not_json",
        415,
        "Preauth takes application/json only.",
        "Send Content-Type: application/json.",
    )
    BAD_REQUEST = (
        "bad_request",
        400,
        "The preauth request is not what the protocol says.",
        'POST a JSON object such as {"path": "/echo"} of at most 4096 bytes.',
    )
    UNKNOWN_PATH = (
        "unknown_path",
        404,
        "No WebSocket route serves this path.",
        "Send the pathname of the socket's URL, as the browser spells it.",
    )


#: Reasons that only preauth gives; a handshake never does.
PREAUTH_ONLY = frozenset(
    {Refusal.LOGIN_REQUIRED, Refusal.NOT_JSON, Refusal.BAD_REQUEST, Refusal.UNKNOWN_PATH}
)

#: Reasons that preauth never gives, for they are of the upgrade and of what preauth issued.
HANDSHAKE_ONLY = frozenset(
    {
        Refusal.MALFORMED_UPGRADE,
        Refusal.TOKEN_MISSING,
        Refusal.TOKEN_INVALID,
        Refusal.TOKEN_EXPIRED,
        Refusal.TICKET_MISSING,
        Refusal.TICKET_INVALID,
        Refusal.TICKET_EXPIRED,
        Refusal.TICKET_MISMATCH,
        Refusal.PATH_MISMATCH,
        Refusal.TOKEN_USED,
    }
)


class Refused(NamedTuple):
    """A no: the reason, what was seen (for the operator), and the status where it varies.

    ``required`` are the scopes that are missing, sorted.
    """

    reason: Refusal
    detail: str = ""
    status: int = 0
    required: tuple[str, ...] = ()

    @property
    def http_status(self) -> int:
        """Return the status that preauth answers with."""
        return self.status or self.reason.status


def scopes_missing(scopes: Iterable[str]) -> Refused:
    """Return the refusal for want of these scopes."""
    required = tuple(sorted(scopes))
    return Refused(Refusal.SCOPE_MISSING, ", ".join(required), required=required)
