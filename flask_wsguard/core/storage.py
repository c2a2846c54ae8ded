"""What a storage URI may be. It is never repeated in a message: it may hold a password."""

from __future__ import annotations

from urllib.parse import urlsplit

REDIS_SCHEMES = frozenset({"redis", "rediss", "unix"})


def fault_of(uri: str) -> str | None:
    """Say what is wrong with a storage URI, None when it names a store."""
    try:
        parts = urlsplit(uri)
        # Reading a port may fail, with a message that repeats what may be a password.
        scheme, _ = parts.scheme, parts.port
    except ValueError:
        return "is not a URI: percent-encode what is special in user and password"
    if scheme == "sqlite":
        return None if sqlite_path(uri) else "names no file: write sqlite:////run/app/wsguard.db"
    if scheme in REDIS_SCHEMES:
        return None
    return "starts with sqlite://, redis://, rediss:// or unix://"


def sqlite_path(uri: str) -> str:
    """Return the file that a sqlite URI names: three slashes relative, four absolute."""
    path = uri.removeprefix("sqlite:///") if uri.startswith("sqlite:///") else ""
    # A database in memory is not even shared by two operations.
    return "" if path == ":memory:" else path


def needs_redis(uri: str) -> bool:
    """Tell whether redis-py is needed for this URI."""
    return urlsplit(uri).scheme in REDIS_SCHEMES
