"""The settings: one frozen object, built and checked once in ``init_app``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from .errors import ConfigError
from .readers import (
    CARRIERS,
    FLAG,
    NAME,
    ORIGINS,
    SECRETS,
    STORAGE,
    URL_PREFIX,
    Reader,
    is_key,
    optional,
    whole,
)

PREFIX = "WSGUARD_"
LONGEST_LIFE = 59
"""Seconds that TICKET_TTL and CLOCK_SKEW may make together: a ticket lives under a minute."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every ``WSGUARD_*`` key without its prefix, in lower case. The defaults stand only here.

    The text below each field is the manual's: its configuration page is made of it.
    """

    allowed_origins: tuple[str, ...] = ("self",)
    """Whose pages may connect. ``"self"`` is scheme, host and port of the request itself; an
    entry is an exact origin such as ``https://example.org``, or ``https://*.example.org``, which
    matches everything below ``example.org`` and not ``example.org``. List the origins of pages
    on the *same site* only: to a page of another site the ticket, a Strict cookie, never
    travels, so it can open public sockets and no others."""

    ticket_ttl: int = 30
    """Seconds in which a ticket and its token open a socket. Together with
    ``WSGUARD_CLOCK_SKEW`` at most 59."""

    clock_skew: int = 5
    """Seconds by which the clocks of your machines may differ: a ticket is good for so much
    longer, and may come from so far in the future."""

    url_prefix: str = "/wsguard"
    """Where preauth (``POST <prefix>/preauth``) and the browser client
    (``<prefix>/static/wsguard.js``) are served."""

    token_param: str = "wsguard_token"  # noqa: S105 - a name, not a password
    """The query parameter in which the token travels on the handshake."""

    cookie_name: str = "wsguard"
    """The middle of the ticket cookies' names: ``__Host-Http-<name>-<id>`` over https,
    ``<name>-<id>`` over plain http; and what processes that share a store know each other by."""

    allow_insecure_transport: bool = False
    """Serve plain http outside loopback too. For a trusted network only: whoever listens in
    reads token and ticket. With ``"self"`` among the origins it needs Flask's
    ``TRUSTED_HOSTS``, because of DNS rebinding."""

    recheck_session: bool = True
    """Compare the ticket with the site's own session at the handshake. Off, a ticket outlives
    logout and a change of user by up to its life."""

    max_pending_tickets: int = 16
    """Tickets that one session may hold in one browser, and never over 4,096 bytes of cookies
    together; preauth expires the oldest beyond."""

    allow_missing_origin: bool = False
    """Let clients in that send no Origin, on top of ticket and token. For devices that cannot
    set a header; a request with any ``Sec-Fetch-*`` header is from a browser and stays
    refused."""

    secret_key: tuple[str | bytes, ...] = ()
    """Signs tickets and tokens, newest first: the first signs, all verify. Left out, Flask's
    ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS`` do."""

    enforce: bool = True
    """False is observe-only mode: a handshake that should be refused is let through and
    reported. Malformed upgrades are refused all the same. Off, nothing is protected."""

    token_carriers: tuple[str, ...] = ("query",)
    """How a token may travel on the handshake: ``"query"``, in the URL; ``"subprotocol"``, as a
    value of ``Sec-WebSocket-Protocol``, where no log and no history holds it. The page says
    which with the client's option ``carrier``; a token in any other carrier is ignored."""

    storage_uri: str | None = None
    """What several processes share: ``sqlite:////run/app/wsguard.db`` for the workers of one
    machine, ``redis://``, ``rediss://`` or ``unix://`` for many. None: each process knows
    only its own sockets, ended sessions and spent tokens."""

    single_use: bool = False
    """Let each token open one socket. Without a store it holds in one process only."""

    max_connection_age: int = 3600
    """Seconds that a protected socket may live. Then it is closed with 4401, and the client
    comes back through a new preauth."""

    revalidate_every: int | None = None
    """Seconds between two rounds in which the site's loaders are asked again about everybody
    who holds a socket. None: never."""

    revalidate_failures: int = 3
    """Rounds in a row in which a loader may raise or hang before the sockets are closed."""

    drain_seconds: int = 10
    """Seconds over which the closes of a restart are spread."""

    max_connections: int | None = None
    """Sockets open in this process, public ones too. None: no limit. Under gthread set it some
    way below ``--threads``."""

    max_connections_per_user: int = 20
    """Protected sockets that one user may have open in this process."""

    disconnect_on_logout: bool = True
    """Close a session's sockets at its logout. Off, the session still ends for new
    handshakes."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Read and check a Flask config. Raises ConfigError that lists every fault."""
        given = {key: value for key, value in config.items() if key.startswith(PREFIX)}
        faults = list(_unknown(given))
        values: dict[str, Any] = {}
        for field in fields(cls):
            key = PREFIX + field.name.upper()
            try:
                if key in given and not (field.name == "secret_key" and given[key] is None):
                    values[field.name] = READERS[field.name].read(given[key])
            except ValueError as fault:
                faults.append(f"{key} {fault}")
        if given.get(f"{PREFIX}SECRET_KEY") is None:
            try:
                values["secret_key"] = _site_secrets(config)
            except ValueError as fault:
                faults.append(str(fault))
        settings = cls(**values)
        faults.extend(_contradictions(settings, config))
        if faults:
            raise ConfigError(faults)
        return settings


def known_keys() -> list[str]:
    """Return every configuration key, in the order of the manual."""
    return [PREFIX + field.name.upper() for field in fields(Settings)]


def _unknown(given: Mapping[str, Any]) -> Iterator[str]:
    known = known_keys()
    for key in given:
        if key not in known:
            names = [name.removeprefix(PREFIX) for name in known]
            near = get_close_matches(key.removeprefix(PREFIX), names, n=1)
            hint = f"did you mean {PREFIX}{near[0]}?" if near else "no such setting"
            yield f"{key} is unknown: {hint}"


def _contradictions(settings: Settings, config: Mapping[str, Any]) -> Iterator[str]:
    life = settings.ticket_ttl + settings.clock_skew
    if life > LONGEST_LIFE:
        yield (
            f"WSGUARD_TICKET_TTL + WSGUARD_CLOCK_SKEW is {life} seconds: "
            f"together at most {LONGEST_LIFE}"
        )
    if (
        settings.allow_insecure_transport
        and "self" in settings.allowed_origins
        and not config.get("TRUSTED_HOSTS")
    ):
        # DNS rebinding makes Host and Origin agree on the attacker's name (Vite CVE-2025-24010).
        yield (
            'WSGUARD_ALLOW_INSECURE_TRANSPORT with "self" trusts whatever Host says: '
            "set TRUSTED_HOSTS, or list the origins in WSGUARD_ALLOWED_ORIGINS"
        )


def _site_secrets(config: Mapping[str, Any]) -> tuple[str | bytes, ...]:
    newest, older = config.get("SECRET_KEY"), config.get("SECRET_KEY_FALLBACKS") or []
    if not newest:
        raise ValueError(
            "SECRET_KEY is not set: tickets must be signed. Set it before init_app, for example "
            'to the output of python -c "import secrets; print(secrets.token_hex())"'
        )
    if not is_key(newest):
        raise ValueError("SECRET_KEY must be a str or bytes")
    # One str would be as many keys as it has letters.
    if not isinstance(older, (list, tuple)) or not all(map(is_key, older)):
        raise ValueError("SECRET_KEY_FALLBACKS must be a list of keys, none empty")
    return (newest, *older)


READERS: dict[str, Reader] = {
    "allowed_origins": ORIGINS,
    "ticket_ttl": whole(1, LONGEST_LIFE),
    "clock_skew": whole(0, LONGEST_LIFE - 1),
    "url_prefix": URL_PREFIX,
    "token_param": NAME,
    "cookie_name": NAME,
    "allow_insecure_transport": FLAG,
    "recheck_session": FLAG,
    "max_pending_tickets": whole(1, 50),
    "allow_missing_origin": FLAG,
    "secret_key": SECRETS,
    "enforce": FLAG,
    "token_carriers": CARRIERS,
    "storage_uri": STORAGE,
    "single_use": FLAG,
    "max_connection_age": whole(1, 7 * 86400),
    "revalidate_every": optional(whole(1, 86400)),
    "revalidate_failures": whole(1, 100),
    "drain_seconds": whole(0, 600),
    "max_connections": optional(whole(1, 1_000_000)),
    "max_connections_per_user": whole(1, 1_000_000),
    "disconnect_on_logout": FLAG,
}
"""What each key may be."""
