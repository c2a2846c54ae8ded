"""The store of many machines: Redis or Valkey. The only door to redis-py."""

from __future__ import annotations

import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from . import StoreUnavailable

_TIMEOUT_SECONDS = 1.5


class RedisStore:
    """Spends with ``SET NX EX``, passes notices on by a stream.

    A blocking stream read is as fast as pub/sub and, unlike it, loses nothing: a process that
    starts late or lost its connection reads on from where it was.
    """

    is_shared = True
    spans_machines = True

    def __init__(self, uri: str, app: str, kept_seconds: float) -> None:
        """Connect lazily to ``uri``. The password stands in no message."""
        self._prefix = f"wsguard:{app}:"
        self._kept = kept_seconds
        self._where = masked(uri)
        self._last = self._oldest()
        self._client = _client(uri, _TIMEOUT_SECONDS)
        self._reader = _client(uri, 2 * _TIMEOUT_SECONDS)

    def spend(self, token_id: str, seconds: int) -> bool:
        """Remember a token for ``seconds``; True exactly once."""
        key = f"{self._prefix}spent:{token_id}"
        return bool(self._ask(self._client.set, key, "1", nx=True, ex=seconds))

    def publish(self, notice: str) -> None:
        """Pass a notice on to every process, whatever its machine."""
        key = f"{self._prefix}notices"
        self._ask(self._client.xadd, key, {"n": notice}, minid=self._oldest(), approximate=False)
        self._ask(self._client.expire, key, int(self._kept) + 60)

    def notices(self, wait: float) -> list[str]:
        """Return what came since the last call; the server wakes us when one comes."""
        block = max(1, int(min(wait, _TIMEOUT_SECONDS) * 1000))
        key = f"{self._prefix}notices"
        answer: Any = self._ask(self._reader.xread, {key: self._last}, block=block)
        texts = []
        for _, entries in answer or []:
            for entry_id, fields in entries:
                self._last = entry_id.decode("ascii")
                texts.append(fields.get(b"n", b"").decode("utf-8", "replace"))
        return texts

    def _oldest(self) -> str:
        """Return the id that a notice of the longest life of a socket ago would have."""
        return str(int((time.time() - self._kept) * 1000))

    def _ask(self, command: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except redis.RedisError as fault:
            raise StoreUnavailable(f"{self._where}: {type(fault).__name__}") from None


def masked(uri: str) -> str:
    """Return a URI without its password and user."""
    # An unescaped slash in a password ends the part that urlsplit takes it to stand in.
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _client(uri: str, timeout: float) -> redis.Redis:
    client: redis.Redis = redis.Redis.from_url(
        uri,
        socket_timeout=timeout,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        # One try: whoever waits here holds a handshake.
        retry=Retry(NoBackoff(), 0),
    )
    return client
