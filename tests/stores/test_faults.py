"""Stores that fail: single use fails closed, the rest goes on, recovery needs no restart."""

from __future__ import annotations

import logging
import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from flask import Flask

from flask_wsguard import ConfigError, Refusal
from flask_wsguard.stores import StoreUnavailable
from flask_wsguard.stores.redis import RedisStore, masked
from flask_wsguard.stores.sqlite import SQLiteStore
from flask_wsguard.stores.watched import WatchedStore
from tests.sites import make_site
from tests.visitor import Visitor

from .redis_server import RedisServer
from .slow_network import SlowNetwork, slow_network

# redis-py leaves the socket of a connection that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)

DOWN, UP = "the store does not answer", "the store answers again"


def until(holds: Callable[[], Any], seconds: float = 8.0) -> None:
    """Wait until something holds; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not so within {seconds} seconds"
        time.sleep(0.02)


class Fault:
    """A fault of the store at ``uri``; its site's tickets live one second, without skew."""

    uri = ""
    forgets = False
    """Whether what was spent is lost with it: a Redis that was killed and saves nothing."""

    def strike(self) -> None:
        raise NotImplementedError

    def mend(self) -> None:
        raise NotImplementedError


class RedisFault(Fault):
    """Faults of a redis-server, as commands or as what is done to its process."""

    STRIKES: ClassVar = {
        "paused": [("CLIENT", "PAUSE", "60000", "WRITE")],
        "read-only": [("REPLICAOF", "127.0.0.1", "1")],
        "no-replicas": [("CONFIG", "SET", "min-replicas-to-write", "1")],
        "out-of-memory": [("CONFIG", "SET", "maxmemory", "1")],
        "password-wrong": [
            ("ACL", "SETUSER", "default", "resetpass", ">changed"),
            ("CLIENT", "KILL", "TYPE", "normal"),
        ],
    }
    MENDINGS: ClassVar = {
        "paused": ("CLIENT", "UNPAUSE"),
        "read-only": ("REPLICAOF", "NO", "ONE"),
        "no-replicas": ("CONFIG", "SET", "min-replicas-to-write", "0"),
        "out-of-memory": ("CONFIG", "SET", "maxmemory", "0"),
        "password-wrong": ("ACL", "SETUSER", "default", ">hunter2"),
    }

    def __init__(self, server: RedisServer, kind: str) -> None:
        self._server, self._kind = server, kind
        self.forgets = kind == "gone"
        self.uri = server.tcp_uri
        if kind == "password-wrong":
            server.ask("ACL", "SETUSER", "admin", "on", "nopass", "~*", "&*", "+@all")
            server.ask("CONFIG", "SET", "requirepass", "hunter2")
            self.uri = server.tcp_uri.replace("//", "//:hunter2@")

    def strike(self) -> None:
        if self._kind == "hung":
            self._server.freeze()
        elif self._kind == "gone":
            self._server.stop()
        for command in self.STRIKES.get(self._kind, ()):
            self._as_admin(*command)

    def mend(self) -> None:
        if self._kind == "hung":
            self._server.thaw()
        elif self._kind == "gone":
            self._server.start()
        else:
            self._as_admin(*self.MENDINGS[self._kind])

    def _as_admin(self, *command: str) -> None:
        user = {"username": "admin", "password": "any"} if self._kind == "password-wrong" else {}
        with redis.Redis(unix_socket_path=str(self._server.path), **user) as client:
            client.execute_command(*command)


class NetworkFault(Fault):
    """A network that takes four seconds for each packet."""

    def __init__(self, network: SlowNetwork) -> None:
        self._network = network
        self.uri = f"redis://127.0.0.1:{network.port}/0"

    def strike(self) -> None:
        self._network.delay = 4.0

    def mend(self) -> None:
        self._network.heal()


class SQLiteFault(Fault):
    """Faults of a file: locked, deleted, out of reach, or on a disk that is full or read-only."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder, kind
        self._path = folder / "store.db"
        self.uri = f"sqlite:///{self._path}"
        self._locker: sqlite3.Connection | None = None

    def strike(self) -> None:
        if self._kind == "locked":
            self._locker = sqlite3.connect(self._path)
            self._locker.execute("BEGIN EXCLUSIVE")
        elif self._kind == "deleted":
            for file in self._folder.glob("store.db*"):
                file.unlink()
        elif self._kind == "disk-read-only":
            remount(self._folder, "ro")
        elif self._kind == "out-of-reach":
            forbid(self._folder)
        elif self._kind == "too-big":
            # Less than a page of the log needs; everything else here writes to memory.
            self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, self._limits[1]))
        else:
            with suppress(OSError), (self._folder / "ballast").open("wb", buffering=0) as ballast:
                while True:
                    ballast.write(bytes(512))

    def mend(self) -> None:
        if self._locker:
            self._locker.close()
        elif self._kind == "disk-read-only":
            remount(self._folder, "rw")
        elif self._kind == "out-of-reach":
            permit(self._folder)
        elif self._kind == "too-big":
            resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)
        elif self._kind == "disk-full":
            (self._folder / "ballast").unlink()


def forbid(folder: Path) -> None:
    """Take from this process the right to look into a folder; root must be somebody else."""
    folder.chmod(0o000)
    if os.geteuid() == 0:
        os.seteuid(65534)


def permit(folder: Path) -> None:
    """Give it back."""
    os.seteuid(os.getuid())
    folder.chmod(0o700)


def remount(folder: Path, how: str) -> None:
    """Make a file system read-only, or writable again."""
    until(
        lambda: (
            not subprocess.run(
                ["mount", "-o", f"remount,{how}", str(folder)], capture_output=True
            ).returncode
        )
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Make a file system of its own, 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        # too-big and out-of-reach stand in for them everywhere.
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        # Lazily: a reader of the site that just ended may hold the file for a moment.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(
    params=[
        *(f"redis-{kind}" for kind in ("hung", "gone", *RedisFault.STRIKES)),
        "network-slow",
        "sqlite-locked",
        "sqlite-deleted",
        "sqlite-out-of-reach",
        "sqlite-too-big",
        "sqlite-disk-full",
        "sqlite-disk-read-only",
    ]
)
def fault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fault]:
    """Return each fault, not yet struck; it is mended whatever the test did."""
    store, _, kind = request.param.partition("-")
    if store == "redis":
        yield RedisFault(request.getfixturevalue("own_redis"), kind)
    elif store == "network":
        with slow_network(request.getfixturevalue("own_redis").port) as network:
            yield NetworkFault(network)
    else:
        folder = request.getfixturevalue("small_disk") if "disk" in kind else tmp_path
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        yield SQLiteFault(folder, kind)
        os.seteuid(os.getuid())
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def states(log: pytest.LogCaptureFixture) -> list[str]:
    """Return the changes of state that were logged."""
    said = [record.getMessage() for record in log.records if record.name == "flask_wsguard"]
    return [word for line in said for word in (DOWN, UP) if line.startswith(word)]


def site(uri: str) -> Flask:
    """Return a site with single use whose spent tokens lapse after two seconds."""
    return make_site(
        WSGUARD_STORAGE_URI=uri,
        WSGUARD_SINGLE_USE=True,
        WSGUARD_TICKET_TTL=2,
        WSGUARD_CLOCK_SKEW=0,
    )


def test_single_use_fails_closed_and_recovers(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """The ordinary 403 in three seconds, 503 at preauth, the rest as ever; then as before."""
    caplog.set_level(logging.INFO)
    app = site(fault.uri)
    alice, bob, other = Visitor(app), Visitor(app), Visitor(app)
    for visitor, user in ((alice, "alice"), (bob, "bob"), (other, "alice")):
        visitor.log_in(user)
    spent = alice.token("/any")
    assert alice.connect("/any", spent).reason is None
    ordinary = alice.connect("/any", "no token").response
    token = alice.token("/any")
    fault.strike()
    begin = time.monotonic()
    refused = alice.connect("/any", token)
    assert time.monotonic() - begin < 3.0
    assert refused.reason is Refusal.STORE_UNAVAILABLE
    assert (refused.response.status_code, refused.response.data) == (403, ordinary.data)

    begin = time.monotonic()
    answer = alice.preauth("/any")
    assert (answer.status_code, answer.json["reason"]) == (503, "store_unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert alice.connect("/ticker").reason is None
    assert alice.client.get("/", base_url=alice.base).json["user"] == "alice"
    assert time.monotonic() - begin < 1.0

    begin = time.monotonic()
    kept = other.cookies()["session"]
    assert other.log_out().status_code == 200
    other.client.set_cookie("session", kept, domain="example.org")
    assert other.preauth("/any").json["reason"] == "session_ended"
    assert time.monotonic() - begin < 3.0
    assert states(caplog) == [DOWN]

    fault.mend()
    until(lambda: bob.preauth("/any").status_code == 200)
    assert bob.connect("/any", bob.token("/any")).reason is None
    again = alice.connect("/any", spent).reason
    assert fault.forgets or again in (Refusal.TOKEN_USED, Refusal.TOKEN_EXPIRED)
    assert states(caplog) == [DOWN, UP]
    assert "hunter2" not in caplog.text


def test_a_network_of_fifty_milliseconds_is_none(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Slow is not away: each token is spent once, and nothing is said."""
    with slow_network(redis_server.port) as network:
        app = site(f"redis://127.0.0.1:{network.port}/0")
        alice = Visitor(app)
        alice.log_in("alice")
        token = alice.token("/any")
        network.delay = 0.05
        assert alice.connect("/any", token).reason is None
        assert alice.connect("/any", token).reason is Refusal.TOKEN_USED
        assert states(caplog) == []


def test_redis_restarted(own_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """A restart costs at most what was asked meanwhile; the old connections are no trouble."""
    app = site(own_redis.uri)
    alice = Visitor(app)
    alice.log_in("alice")
    assert alice.connect("/any", alice.token("/any")).reason is None
    own_redis.stop()
    own_redis.start()
    until(
        lambda: (
            alice.preauth("/any").status_code == 200
            and alice.connect("/any", alice.token("/any")).reason is None
        )
    )
    assert states(caplog) in ([], [DOWN, UP])


def test_deleted_file_spends_nothing_until_the_spent_have_lapsed(tmp_path: Path) -> None:
    """The record of what was spent is gone: nobody gets in until none of it could still be good."""
    path = tmp_path / "store.db"
    store = SQLiteStore(str(path), "site", 60, quarantine=0.5)
    assert store.spend("token", 30)
    for file in tmp_path.glob("store.db*"):
        file.unlink()
    begin = time.monotonic()
    with pytest.raises(StoreUnavailable, match="vanished"):
        store.spend("token", 30)
    late = SQLiteStore(str(path), "site", 60, quarantine=0.5)
    with pytest.raises(StoreUnavailable, match="vanished"):
        store.spend("token", 30)

    def spends() -> bool:
        try:
            return store.spend("fresh", 30)
        except StoreUnavailable:
            return False

    until(spends)
    assert time.monotonic() - begin >= 0.5
    assert not late.spend("fresh", 30)


def test_reader_of_a_deleted_file_reads_on_in_the_next(tmp_path: Path) -> None:
    """Numbers go on where they were, so that who read the lost file misses nothing of the new."""
    path = tmp_path / "store.db"
    writer = SQLiteStore(str(path), "site", 60, quarantine=0.0)
    reader = SQLiteStore(str(path), "site", 60, quarantine=0.0)
    for number in range(5):
        writer.publish(f"old {number}")
    assert len(reader.notices(0)) == 5
    for file in tmp_path.glob("store.db*"):
        file.unlink()
    writer.publish("new")
    assert reader.notices(0) == ["new"]


def test_disk_that_was_away_at_start(tmp_path: Path) -> None:
    """The site starts; when the folder is there, so is the store."""
    store = SQLiteStore(str(tmp_path / "later" / "store.db"), "site", 60, quarantine=0.0)
    with pytest.raises(StoreUnavailable, match="unable to open"):
        store.spend("token", 30)
    (tmp_path / "later").mkdir()
    assert store.spend("token", 30)


def test_file_without_tables_gets_them(tmp_path: Path) -> None:
    """An empty file, left by a disk that was full, does not stay unusable for ever."""
    path = tmp_path / "store.db"
    store = SQLiteStore(str(path), "site", 60, quarantine=0.0)
    db = sqlite3.connect(path)
    db.executescript("DROP TABLE spent; DROP TABLE notices;")
    db.close()
    with pytest.raises(StoreUnavailable, match="no such table"):
        store.spend("token", 30)
    assert store.spend("token", 30)


def test_file_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    """A file that is no database is a fault that names it, and stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("no database" * 100)
    store = SQLiteStore(str(path), "site", 60, quarantine=0.0)
    with pytest.raises(StoreUnavailable, match=r"notes\.txt: file is not a database"):
        store.notices(0)
    assert path.read_text() == "no database" * 100


class Flaky:
    """A store that does what it is told to."""

    is_shared = True
    spans_machines = False

    def __init__(self) -> None:
        self.fails = False
        self.asked: list[str] = []

    def spend(self, token_id: str, seconds: int) -> bool:
        self.asked.append("spend")
        if self.fails:
            raise StoreUnavailable("flaky")
        return True

    def publish(self, notice: str) -> None:
        self.spend(notice, 1)

    def notices(self, wait: float) -> list[str]:
        return ["a notice"]


def test_failing_store_is_asked_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits in a queue for what did not answer a moment ago, and asking is not put off."""
    clock = [100.0]
    monkeypatch.setattr("flask_wsguard.stores.watched.time.monotonic", lambda: clock[0])
    flaky = Flaky()
    store = WatchedStore(flaky)
    assert store.spend("a", 1)
    assert store.publish("b")
    flaky.fails = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            store.spend("c", 1)
        assert not store.publish("d")
    assert len(flaky.asked) == 3
    for _ in range(8):
        clock[0] += 0.5
        store.publish("e")
    assert len(flaky.asked) == 7


def test_store_that_can_be_read_is_not_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk answers questions: notices come, but only a write ends the outage."""
    clock = [100.0]
    monkeypatch.setattr("flask_wsguard.stores.watched.time.monotonic", lambda: clock[0])
    flaky = Flaky()
    store = WatchedStore(flaky)
    flaky.fails = True
    assert not store.publish("a")
    for _ in range(5):
        clock[0] += 2
        assert store.notices(0) == ["a notice"]
        assert not store.is_up
    assert states(caplog) == [DOWN]
    flaky.fails = False
    clock[0] += 2
    assert store.notices(0) == ["a notice"]
    assert store.is_up
    assert states(caplog) == [DOWN, UP]


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("redis://:hunter2@example.org:6379/0", "redis://example.org:6379/0"),
        ("rediss://user:hunter2@example.org", "rediss://example.org"),
        ("redis://:a/hunter2@example.org/1", "redis://example.org/1"),
        ("redis://:a@hunter2@example.org/1", "redis://example.org/1"),
        ("redis://example.org/1?password=hunter2", "redis://example.org/1"),
        ("unix:///run/redis.sock?password=hunter2", "unix:///run/redis.sock"),
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


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        pytest.param("mysql://user:hunter2@db/x", "starts with sqlite://", id="other-scheme"),
        pytest.param("hunter2", "starts with sqlite://", id="no-scheme"),
        pytest.param("", "starts with sqlite://", id="empty"),
        pytest.param("sqlite://", "names no file", id="no-file"),
        pytest.param("sqlite:///", "names no file", id="no-file-either"),
        pytest.param("sqlite:///:memory:", "names no file", id="in-memory"),
        pytest.param("sqlite://store.db", "names no file", id="two-slashes"),
        pytest.param("redis://:hunter2@[::1", "is not a URI", id="bracket"),
        pytest.param("redis://:hunter2/x@host/0", "percent-encode", id="slash-in-password"),
        pytest.param("redis://:hunter2@host:hunter2", "is not a URI", id="port"),
        pytest.param(b"redis://:hunter2@host", "must be a str or None", id="bytes"),
        pytest.param(7, "must be a str or None", id="number"),
    ],
)
def test_storage_uri_faults(uri: Any, fault: str) -> None:
    """Each is one ConfigError that says what to write, without the password."""
    with pytest.raises(ConfigError, match=fault) as caught:
        make_site(WSGUARD_STORAGE_URI=uri)
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith("WSGUARD_STORAGE_URI ")
    assert SECRET not in str(caught.value)


def test_redis_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra that is missing is named."""
    monkeypatch.setattr("flask_wsguard.readers.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install flask-wsguard\[redis\]"):
        make_site(WSGUARD_STORAGE_URI="redis://localhost")


def test_single_use_without_a_store_warns(caplog: pytest.LogCaptureFixture) -> None:
    """It holds in one process only, and is said once."""
    make_site(WSGUARD_SINGLE_USE=True)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["WSGUARD_SINGLE_USE without WSGUARD_STORAGE_URI holds in one process only"]
