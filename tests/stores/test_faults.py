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

from flask_wsguard import Refusal
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
