"""Redis: what is written there, how long it is waited for, and that no message holds a secret."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis
from redis.retry import Retry

from flask_wsguard import ConfigError
from flask_wsguard.stores import StoreUnavailable
from flask_wsguard.stores.redis import RedisStore, masked
from flask_wsguard.stores.watched import WatchedStore

from .redis_server import RedisServer
from .slow_network import slow_network

SECRET = "hunter2"


def test_keys_as_they_stand(redis_server: RedisServer) -> None:
    """A spent token is a 1 that lapses, a notice one field of a stream that lapses later."""
    store = RedisStore(redis_server.uri, "site", 60)
    assert store.spend("token", 30)
    store.publish("a notice")
    with redis_server.client as client:
        assert sorted(client.keys("*")) == [b"wsguard:site:notices", b"wsguard:site:spent:token"]
        assert client.get("wsguard:site:spent:token") == b"1"
        assert 29 <= client.ttl("wsguard:site:spent:token") <= 30
        assert [fields for _, fields in client.xrange("wsguard:site:notices")] == [
            {b"n": b"a notice"}
        ]
        assert 119 <= client.ttl("wsguard:site:notices") <= 120


def test_what_has_lapsed_is_cut_off(redis_server: RedisServer) -> None:
    """By whoever writes next, to the very entry: the stream does not grow."""
    store = RedisStore(redis_server.uri, "site", 0.2)
    for number in range(3):
        store.publish(f"old {number}")
    written = time.monotonic()
    with redis_server.client as client:
        assert client.xlen("wsguard:site:notices") == 3
        while time.monotonic() - written < 0.3:
            assert store.notices(0.1) is not None
        store.publish("new")
        assert [fields for _, fields in client.xrange("wsguard:site:notices")] == [{b"n": b"new"}]


def test_reader_waits_its_time(redis_server: RedisServer) -> None:
    """As long as it is told to, and not for ever when it is told not to wait."""
    store = RedisStore(redis_server.uri, "site", 60)
    begin = time.monotonic()
    assert store.notices(0) == []
    assert time.monotonic() - begin < 0.3
    assert store.notices(0.4) == []
    assert 0.35 < time.monotonic() - begin < 1


def tries(retry: Retry) -> int:
    """Count how often it asks somebody who never answers."""
    asked: list[None] = []

    def fail() -> None:
        asked.append(None)
        raise redis.ConnectionError

    with pytest.raises(redis.ConnectionError):
        retry.call_with_retry(fail, lambda error: None)
    return len(asked)


@pytest.mark.parametrize("delay", [0.4, 0.7])
@pytest.mark.parametrize("connected", [True, False], ids=["pooled", "new-connection"])
def test_nobody_waits_long(own_redis: RedisServer, delay: float, connected: bool) -> None:
    """However many round trips it takes, each of them in good time: a second and a half in all."""
    own_redis.ask("CONFIG", "SET", "requirepass", SECRET)
    options = "?socket_timeout=60&socket_connect_timeout=60"
    with slow_network(own_redis.port) as network:
        store = RedisStore(f"redis://:{SECRET}@127.0.0.1:{network.port}/1{options}", "site", 60)
        if connected:
            assert store.spend("warm", 30)
        network.delay = delay
        for use in (lambda: store.spend("token", 30), lambda: store.publish("a notice")):
            begin = time.monotonic()
            with suppress(StoreUnavailable):
                use()
            assert time.monotonic() - begin < 2.0


def test_slow_network_is_one_round_trip_away(redis_server: RedisServer) -> None:
    """On a connection that stands, each command costs one; a new one costs one more."""
    with slow_network(redis_server.port) as network:
        store = RedisStore(f"redis://127.0.0.1:{network.port}/0", "site", 60)
        assert store.spend("warm", 30)
        network.delay = 0.5
        assert store.spend("token", 30)
        store.publish("a notice")
        store._client.connection_pool.disconnect()
        network.delay = 0.3
        assert store.spend("another", 30)


def test_crowd_shares_the_connections(redis_server: RedisServer) -> None:
    """Three hundred handshakes at once: each spends its token, on fifty connections at the most."""
    store, gun = RedisStore(redis_server.uri, "site", 60), threading.Barrier(300)

    def spend(number: int) -> bool:
        gun.wait(20)
        return store.spend(f"token {number}", 30)

    with ThreadPoolExecutor(300) as pool:
        assert all(pool.map(spend, range(300)))
    with redis_server.client as client:
        assert len(client.client_list()) <= 52


def test_nobody_asks_twice() -> None:
    """One try: whoever waits holds a handshake."""
    store = RedisStore("redis://localhost", "site", 60)
    for client in (store._client, store._reader):
        assert tries(client.connection_pool.connection_kwargs["retry"]) == 1


@pytest.mark.parametrize(
    "options",
    ["protocol=3", "decode_responses=True", "max_connections=1", "timeout=0", "retry_on_timeout=1"],
)
def test_options_of_the_uri_that_are_ours(redis_server: RedisServer, options: str) -> None:
    """What would make the reader deaf, or a handshake wait, is not the URI's to say."""
    store = RedisStore(f"{redis_server.tcp_uri}?{options}", "site", 60)
    assert store.spend("token", 30)
    store.publish("a notice")
    assert store.notices(0) == ["a notice"]


@pytest.mark.parametrize("options", ["sockt_timeout=1", "db=first", "health_check_interval=x"])
def test_options_that_are_none(options: str) -> None:
    """A sentence at start-up, and no secret in it, instead of a 500 for every handshake."""
    with pytest.raises(ConfigError) as caught:
        RedisStore(f"redis://:{SECRET}@localhost?{options}", "site", 60)
    assert str(caught.value) == (
        "flask_wsguard is not configured:\n- WSGUARD_STORAGE_URI has an option, or a value of one, "
        "that redis-py does not take"
    )


def test_answer_on_a_connection_that_is_gone() -> None:
    """A fault of the store's, like any other."""
    store = RedisStore("redis://localhost", "site", 60)
    with pytest.raises(redis.ConnectionError):
        store._client.connection_pool.make_connection().read_response()


def test_redis_that_is_not_there() -> None:
    """The message names the place and the kind of fault."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store = RedisStore(f"redis://127.0.0.1:{port}/0", "site", 60)
    with pytest.raises(
        StoreUnavailable, match=rf"^redis://127\.0\.0\.1:{port}/0: ConnectionError$"
    ):
        store.spend("token", 30)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("redis://:hunter2@example.org:6379/0", "redis://example.org:6379/0"),
        ("rediss://user:hunter2@example.org", "rediss://example.org"),
        ("redis://:a/hunter2@example.org/1", "redis://example.org/1"),
        ("redis://:a@hunter2@example.org/1", "redis://example.org/1"),
        ("redis://example.org/1?password=hunter2", "redis://example.org/1"),
        ("unix:///run/redis.sock?password=hunter2", "unix:///run/redis.sock"),
        ("redis://example.org/1?password=hunter2?db=2", "redis://example.org/1"),
        ("redis://:://hunter2@example.org/1", "redis://example.org/1"),
        ("unix://user:hunter2@/run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_the_password_is_masked(uri: str, shown: str) -> None:
    """Whatever way a URI spells its password, it is not shown."""
    assert masked(uri) == shown


def test_wrong_password_from_the_start(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The message names the place and the kind of fault, and nothing that is secret."""
    own_redis.ask("CONFIG", "SET", "requirepass", "right")
    uri = own_redis.tcp_uri.replace("//", f"//:{SECRET}@")
    store = RedisStore(uri, "site", 60)
    with pytest.raises(StoreUnavailable) as caught:
        store.spend("token", 30)
    assert str(caught.value) == f"{own_redis.tcp_uri}: AuthenticationError"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    watched = WatchedStore(store)
    assert watched.notices(0) is None
    assert SECRET not in caplog.text
