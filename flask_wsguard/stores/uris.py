"""``WSGUARD_STORAGE_URI`` becomes a store."""

from __future__ import annotations

from ..core.storage import needs_redis, sqlite_path
from . import Store
from .memory import MemoryStore
from .sqlite import SQLiteStore


def open_store(uri: str | None, app: str, *, kept_seconds: float, token_life: float) -> Store:
    """Return the store that a checked URI names; the memory of this process without one."""
    if uri is None:
        return MemoryStore()
    if needs_redis(uri):
        # redis-py is an extra, and most sites go without.
        from .redis import RedisStore

        return RedisStore(uri, app, kept_seconds)
    return SQLiteStore(sqlite_path(uri), app, kept_seconds, token_life)
