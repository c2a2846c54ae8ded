"""The settings: one frozen object, built and checked once in ``init_app``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

from .core import storage
from .core.origins import OriginPolicy, parse_entry
from .errors import ConfigError

PREFIX = "WSGUARD_"
LONGEST_LIFE = 59
"""Seconds that TICKET_TTL and CLOCK_SKEW may make together: a ticket lives under a minute."""

_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_URL_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every ``WSGUARD_*`` key without its prefix, in lower case. The defaults stand only here.

    Times are seconds. See the configuration chapter of the documentation for each key.
    """

    allowed_origins: tuple[str, ...] = ("self",)
    ticket_ttl: int = 30
    clock_skew: int = 5
    url_prefix: str = "/wsguard"
    token_param: str = "wsguard_token"  # noqa: S105 - a name, not a password
    cookie_name: str = "wsguard"
    allow_insecure_transport: bool = False
    recheck_session: bool = True
    max_pending_tickets: int = 16
    allow_missing_origin: bool = False
    secret_key: tuple[str | bytes, ...] = ()
    enforce: bool = True
    storage_uri: str | None = None
    single_use: bool = False
    max_connection_age: int = 3600
    revalidate_every: int | None = None
    revalidate_failures: int = 3
    drain_seconds: int = 10
    max_connections: int | None = None
    max_connections_per_user: int = 20
    disconnect_on_logout: bool = True

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
                    values[field.name] = _READERS[field.name](given[key])
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
    """Return every configuration key, in the order of the documentation."""
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


def _origins(value: Any) -> tuple[str, ...]:
    entries = (value,) if isinstance(value, str) else _sequence(value)
    if not entries:
        raise ValueError('is empty: list the origins of your pages, or "self"')
    for entry in entries:
        if not isinstance(entry, str):
            raise ValueError(f"holds {entry!r}, which is not a str")
        if entry != "self":
            parse_entry(entry)
    OriginPolicy(entries)
    return entries


def _secrets(value: Any) -> tuple[str | bytes, ...]:
    secrets = (value,) if isinstance(value, (str, bytes)) else value
    # A set has no newest.
    if not isinstance(secrets, (list, tuple)) or not secrets or not all(map(_is_key, secrets)):
        raise ValueError("must be a key, or a list of keys, newest first, none empty")
    return tuple(secrets)


def _is_key(value: Any) -> bool:
    return isinstance(value, (str, bytes)) and bool(value)


def _site_secrets(config: Mapping[str, Any]) -> tuple[str | bytes, ...]:
    newest, older = config.get("SECRET_KEY"), config.get("SECRET_KEY_FALLBACKS") or []
    if not newest:
        raise ValueError(
            "SECRET_KEY is not set: tickets must be signed. Set it before init_app, for example "
            'to the output of python -c "import secrets; print(secrets.token_hex())"'
        )
    if not _is_key(newest):
        raise ValueError("SECRET_KEY must be a str or bytes")
    # One str would be as many keys as it has letters.
    if not isinstance(older, (list, tuple)) or not all(map(_is_key, older)):
        raise ValueError("SECRET_KEY_FALLBACKS must be a list of keys, none empty")
    return (newest, *older)


def _sequence(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise ValueError(f"must be a list or tuple, not {value!r}")
    return tuple(value)


def _storage(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("must be a str or None")
    if fault := storage.fault_of(value):
        raise ValueError(fault)
    if storage.needs_redis(value) and find_spec("redis") is None:
        raise ValueError("needs redis-py: pip install flask-wsguard[redis]")
    return value


def _integer(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {value!r}")
        return value

    return read


def _optional(read: Callable[[Any], int]) -> Callable[[Any], int | None]:
    return lambda value: None if value is None else read(value)


def _boolean(value: Any) -> bool:
    # `bool("False")` is True: an environment variable would switch a check off.
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, not {value!r}")
    return value


def _text(pattern: re.Pattern[str], meaning: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {meaning}, not {value!r}")
        return value

    return read


_READERS: dict[str, Callable[[Any], Any]] = {
    "allowed_origins": _origins,
    "ticket_ttl": _integer(1, LONGEST_LIFE),
    "clock_skew": _integer(0, LONGEST_LIFE - 1),
    "url_prefix": _text(_URL_PREFIX, "a path such as /wsguard, without a slash at its end"),
    "token_param": _text(_NAME, "letters, digits, - and _"),
    "cookie_name": _text(_NAME, "letters, digits, - and _"),
    "allow_insecure_transport": _boolean,
    "recheck_session": _boolean,
    "max_pending_tickets": _integer(1, 50),
    "allow_missing_origin": _boolean,
    "secret_key": _secrets,
    "enforce": _boolean,
    "storage_uri": _storage,
    "single_use": _boolean,
    "max_connection_age": _integer(1, 7 * 86400),
    "revalidate_every": _optional(_integer(1, 86400)),
    "revalidate_failures": _integer(1, 100),
    "drain_seconds": _integer(0, 600),
    "max_connections": _optional(_integer(1, 1_000_000)),
    "max_connections_per_user": _integer(1, 1_000_000),
    "disconnect_on_logout": _boolean,
}
