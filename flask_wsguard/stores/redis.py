"""The store of many machines: Redis or Valkey. The only door to redis-py."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection, parse_url
from redis.retry import Retry

from ..errors import ConfigError
from . import MOST_AT_ONCE, StoreUnavailable

_SECONDS = 1.5
"""What one operation may take: its place in the queue, a new connection, all round trips.

Not the look-up of the server's name, which Python leaves to the system.
"""

# Whatever the URI's own options say.
_OURS: dict[str, Any] = {
    # Who comes when all are in use waits: a crowd of honest users is no fault of the store's.
    "max_connections": 50,
    "timeout": 1.0,
    # One try, and no round trip to agree on a newer protocol: whoever waits holds a handshake.
    "retry": Retry(NoBackoff(), 0),
    "protocol": 2,
    # Bytes, of which a foreign tenant's may be no text.
    "decode_responses": False,
}

_FAULT = "WSGUARD_STORAGE_URI has an option, or a value of one, that redis-py does not take"

# The monotonic time by which the operation under way must have its answer.
_deadline: ContextVar[float] = ContextVar("deadline", default=0.0)


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
        self._client = _client(uri)
        self._reader = _client(uri)

    def spend(self, token_id: str, seconds: int) -> bool:
        """Remember a token for ``seconds``; True exactly once."""
        key = f"{self._prefix}spent:{token_id}"
        return bool(self._ask(_SECONDS, self._client.set, key, "1", nx=True, ex=seconds))

    def publish(self, notice: str) -> None:
        """Pass a notice on to every process, whatever its machine."""
        key = f"{self._prefix}notices"
        with self._client.pipeline(transaction=False) as both:
            both.xadd(key, {"n": notice}, minid=self._oldest(), approximate=False)
            both.expire(key, int(self._kept) + 60)
            self._ask(_SECONDS, both.execute)

    def notices(self, wait: float) -> list[str]:
        """Return what came since the last call; the server wakes us when one comes."""
        wait = min(wait, _SECONDS)
        block = max(1, int(wait * 1000))
        key = f"{self._prefix}notices"
        asked: dict[str, Any] = {
            "streams": {key: self._last},
            "count": MOST_AT_ONCE,
            "block": block,
        }
        answer = self._ask(wait + _SECONDS, self._reader.xread, **asked)
        texts = []
        for _, entries in answer or []:
            for entry_id, fields in entries:
                self._last = entry_id.decode("ascii")
                texts.append(fields.get(b"n", b"").decode("utf-8", "replace"))
        return texts

    def _oldest(self) -> str:
        """Return the id that a notice of the longest life of a socket ago would have."""
        return str(int((time.time() - self._kept) * 1000))

    def _ask(self, seconds: float, command: Any, *args: Any, **kwargs: Any) -> Any:
        _deadline.set(time.monotonic() + seconds)
        try:
            return command(*args, **kwargs)
        except redis.RedisError as fault:
            raise StoreUnavailable(f"{self._where}: {type(fault).__name__}") from None


def masked(uri: str) -> str:
    """Return a URI without its password and user."""
    # An unescaped slash in a password ends the part that urlsplit takes it to stand in.
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


class _InTime(AbstractConnection):
    """Mixed into redis-py's connections: each step may take what is left of the operation's time.

    redis-py's own limits are for each round trip, of which a new connection makes several.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Two round trips to tell the server this library's name and version; None tells nothing.
        self.lib_name = self.lib_version = self.driver_info = None

    @property
    def socket_timeout(self) -> float:
        """Return the seconds that are left; never none, which would mean not to wait at all."""
        return max(0.001, _deadline.get() - time.monotonic())

    @socket_timeout.setter
    def socket_timeout(self, seconds: object) -> None:
        """Take no other."""

    socket_connect_timeout = socket_timeout

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        if not self._sock:
            raise redis.ConnectionError("the connection was closed before the answer came")
        self._sock.settimeout(self.socket_timeout)
        return super().read_response(*args, **kwargs)


def _client(uri: str) -> redis.Redis:
    try:
        options = parse_url(uri)  # type: ignore[no-untyped-call]
        kind = options.pop("connection_class", Connection)
        options |= {**_OURS, "connection_class": type(kind.__name__, (_InTime, kind), {})}
        pool = redis.BlockingConnectionPool(**options)  # type: ignore[no-untyped-call]
        # Said at start-up, and not by the first handshake.
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError):
        raise ConfigError([_FAULT]) from None
    client = redis.Redis(connection_pool=pool)
    # What from_pool does, which redis-py 5.0.0 lacks.
    client.auto_close_connection_pool = True
    return client
