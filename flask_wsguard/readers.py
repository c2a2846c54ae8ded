"""How one setting is read: what it may be, in words, and the function that checks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from .core import carriers, storage
from .core.origins import OriginPolicy, parse_entry


@dataclass(frozen=True, slots=True)
class Reader:
    """``meaning`` completes "must be ..."; ``read`` returns the value or raises ValueError."""

    meaning: str
    read: Callable[[Any], Any]


def whole(least: int, most: int) -> Reader:
    """Read a whole number from ``least`` to ``most``."""
    meaning = f"a whole number from {least} to {most}"

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be {meaning}, not {value!r}")
        return value

    return Reader(meaning, read)


def optional(reader: Reader) -> Reader:
    """Read what ``reader`` reads, or None."""
    return Reader(
        f"{reader.meaning}, or None",
        lambda value: None if value is None else reader.read(value),
    )


def text(pattern: re.Pattern[str], meaning: str) -> Reader:
    """Read a str that matches all of ``pattern``."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {meaning}, not {value!r}")
        return value

    return Reader(meaning, read)


def _flag(value: Any) -> bool:
    # `bool("False")` is True: an environment variable would switch a check off.
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, not {value!r}")
    return value


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


def _carriers(value: Any) -> tuple[str, ...]:
    given = _sequence(value)
    if not given:
        raise ValueError("is empty: a token must be able to travel")
    for carrier in given:
        if carrier not in carriers.CARRIERS:
            raise ValueError(f"holds {carrier!r}: the carriers are {carriers.CARRIERS}")
    return tuple(carrier for carrier in carriers.CARRIERS if carrier in given)


def _sequence(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise ValueError(f"must be a list or tuple, not {value!r}")
    return tuple(value)


def is_key(value: Any) -> bool:
    """Tell whether a value can be a secret key."""
    return isinstance(value, (str, bytes)) and bool(value)


def _secrets(value: Any) -> tuple[str | bytes, ...]:
    secrets = (value,) if isinstance(value, (str, bytes)) else value
    # A set has no newest.
    if not isinstance(secrets, (list, tuple)) or not secrets or not all(map(is_key, secrets)):
        raise ValueError("must be a key, or a list of keys, newest first, none empty")
    return tuple(secrets)


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


FLAG = Reader("True or False", _flag)
ORIGINS = Reader('a list of origins, wildcards such as https://*.example.org, "self"', _origins)
CARRIERS = Reader('a list of "query" and "subprotocol"', _carriers)
SECRETS = Reader("a str or bytes, or a list of them, newest first", _secrets)
STORAGE = Reader("a sqlite, redis, rediss or unix URI, or None", _storage)
NAME = text(re.compile(r"[A-Za-z0-9_-]+", re.ASCII), "letters, digits, - and _")
URL_PREFIX = text(
    re.compile(r"(?:/[A-Za-z0-9._~-]+)+", re.ASCII),
    "a path such as /wsguard, without a slash at its end",
)
