"""One contract, three stores: spend once, pass notices on, name nobody."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from flask_wsguard import Refusal
from flask_wsguard.state import state_of
from flask_wsguard.stores import Store
from flask_wsguard.stores.uris import open_store
from flask_wsguard.stores.watched import WatchedStore
from tests.sites import make_site
from tests.visitor import Visitor

from .redis_server import RedisServer

ROOT = Path(__file__).parents[2]
SHARED = ("sqlite", "redis", "redis-tcp")


@pytest.fixture(params=("memory", *SHARED))
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Return the URI of an empty store of each kind."""
    if request.param == "memory":
        return None
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.uri if request.param == "redis" else server.tcp_uri


@pytest.fixture
def opened(uri: str | None) -> Callable[..., Store]:
    """Open the same store as another process would, of ``app``."""

    def make(app: str = "site", kept: float = 60) -> Store:
        return open_store(uri, app, kept_seconds=kept, token_life=41)

    return make


shared_only = pytest.mark.parametrize("uri", SHARED, indirect=True)


class TestSpend:
    """A token is spent once."""

    def test_true_exactly_once(self, opened: Callable[..., Store]) -> None:
        """The first gets it, everybody after does not; other tokens are other tokens."""
        store = opened()
        assert [store.spend("a", 30) for _ in range(3)] == [True, False, False]
        assert store.spend("b", 30) is True
        assert store.spend("a", 30) is False

    def test_twenty_threads(self, opened: Callable[..., Store]) -> None:
        """Twenty threads at once, ten tokens: each is spent once."""
        store, gun = opened(), threading.Barrier(20)

        def race(_: int) -> list[bool]:
            gun.wait(10)
            return [store.spend(f"token-{number}", 30) for number in range(10)]

        with ThreadPoolExecutor(20) as pool:
            won = list(pool.map(race, range(20)))
        assert [sum(column) for column in zip(*won, strict=True)] == [1] * 10

    def test_may_be_spent_again_after_its_time(self, opened: Callable[..., Store]) -> None:
        """What has lapsed is forgotten: the signature says by then that it is too late."""
        store, begin = opened(), time.monotonic()
        assert store.spend("short", 1)
        assert store.spend("long", 30)
        while not store.spend("short", 1):
            assert time.monotonic() - begin < 5
            time.sleep(0.02)
        assert time.monotonic() - begin > 0.9
        assert not store.spend("long", 30)

    @shared_only
    def test_processes(self, uri: str, opened: Callable[..., Store]) -> None:
        """Four processes that race for ten tokens, and one that comes later: each spent once."""
        command = [sys.executable, "-m", "tests.stores.spender", uri, "site"]
        racers = [
            subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(4)
        ]
        try:
            for racer in racers:
                assert racer.stdout
                assert racer.stdout.readline() == "ready\n"
            for number in range(10):
                for racer in racers:
                    assert racer.stdin
                    racer.stdin.write(f"token-{number}\n")
                    racer.stdin.flush()
            answers = [racer.communicate(timeout=20)[0].split() for racer in racers]
        finally:
            for racer in racers:
                racer.kill()
                racer.wait()
        assert [list(column).count("1") for column in zip(*answers, strict=True)] == [1] * 10
        assert not any(opened().spend(f"token-{number}", 30) for number in range(10))


def collect(store: Store, number: int) -> list[str]:
    """Read until so many notices came."""
    heard: list[str] = []
    deadline = time.monotonic() + 5
    while len(heard) < number and time.monotonic() < deadline:
        heard += store.notices(0.5)
    return heard


def write_garbled(uri: str) -> None:
    """Put three notices into a store that no key has signed, two of them no text."""
    if not uri.startswith("sqlite"):
        with redis.Redis.from_url(uri) as client:
            for field, value in (("n", b"\xff"), ("n", b"\xff"), ("other", "x")):
                client.xadd("wsguard:site:notices", {field: value})
        return
    row = "INSERT INTO notices (app, body, until) VALUES ('wsguard:site:', {}, ?)"
    db = sqlite3.connect(uri.removeprefix("sqlite:///"))
    try:
        for value in ("CAST(x'ff' AS TEXT)", "x'ff'", "1.5"):
            db.execute(row.format(value), (time.time() + 60,))
        db.commit()
    finally:
        db.close()


@shared_only
class TestNotices:
    """A notice reaches every process."""

    def test_in_order_and_once(self, opened: Callable[..., Store]) -> None:
        """Readers hear all, in the order of their publishing, and never twice."""
        writer, readers = opened(), [opened(), opened()]
        assert [reader.notices(0) for reader in readers] == [[], []]
        for number in range(50):
            writer.publish(f"notice {number}")
        expected = [f"notice {number}" for number in range(50)]
        assert [collect(reader, 50) for reader in readers] == [expected, expected]
        assert readers[0].notices(0) == []

    def test_wakes_who_waits(self, opened: Callable[..., Store]) -> None:
        """A reader that waits hears within half a second."""
        writer, reader = opened(), opened()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(collect, reader, 1)
            begin = time.monotonic()
            writer.publish("now")
            assert waiting.result() == ["now"]
        assert time.monotonic() - begin < 0.75

    def test_late_reader_catches_up(self, opened: Callable[..., Store]) -> None:
        """Who starts late hears what was published before, then what comes."""
        writer = opened()
        for text in ("one", "two"):
            writer.publish(text)
        late = opened()
        assert collect(late, 2) == ["one", "two"]
        writer.publish("three")
        assert collect(late, 1) == ["three"]

    def test_garbled_notices_are_texts_too(self, uri: str, opened: Callable[..., Store]) -> None:
        """Bytes that are no text, from whoever may write there, keep nobody from the next one."""
        store = opened()
        write_garbled(uri)
        store.publish("a notice")
        heard = collect(store, 4)
        assert heard[3] == "a notice"
        assert set(heard[:2]) == {"\ufffd"}

    def test_more_than_one_reading_takes(
        self, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A long catch-up comes in parts, in order, and ends with none."""
        monkeypatch.setattr("flask_wsguard.stores.redis.MOST_AT_ONCE", 3)
        monkeypatch.setattr("flask_wsguard.stores.sqlite.MOST_AT_ONCE", 3)
        store = opened()
        for number in range(7):
            store.publish(f"notice {number}")
        assert [store.notices(0) for _ in range(4)] == [
            ["notice 0", "notice 1", "notice 2"],
            ["notice 3", "notice 4", "notice 5"],
            ["notice 6"],
            [],
        ]

    def test_lapsed_notices_are_not_served(self, opened: Callable[..., Store]) -> None:
        """What was published before the life of a socket ago concerns nobody."""
        opened(kept=1).publish("old")
        deadline = time.monotonic() + 5
        while opened(kept=1).notices(0):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        opened(kept=1).publish("new")
        assert collect(opened(kept=1), 1) == ["new"]

    def test_says_that_it_is_shared(self, opened: Callable[..., Store]) -> None:
        """Others see what is written here."""
        assert opened().is_shared


@shared_only
def test_two_apps_share_a_store_and_nothing_in_it(opened: Callable[..., Store]) -> None:
    """A token of one app is unspent in the other, and neither hears the other's notices."""
    one, two = opened("one"), opened("two")
    assert one.spend("token", 30)
    assert two.spend("token", 30)
    one.publish("for one")
    two.publish("for two")
    assert collect(opened("one"), 1) == ["for one"]
    assert collect(opened("two"), 1) == ["for two"]


@pytest.mark.parametrize("uri", ["memory"], indirect=True)
def test_memory_tells_nobody(opened: Callable[..., Store]) -> None:
    """Without a store there is nobody to tell."""
    store = opened()
    store.publish("unheard")
    assert store.notices(1) == []
    assert not store.is_shared


USER = "user-5f0c77@example.org"


def use(uri: str) -> None:
    """Spend a token, log out and disconnect, as a user whose id must not be found."""
    app = make_site(WSGUARD_STORAGE_URI=uri, WSGUARD_SINGLE_USE=True, WSGUARD_COOKIE_NAME="tickets")
    visitor = Visitor(app)
    visitor.log_in(USER)
    token = visitor.token("/any")
    assert visitor.connect("/any", token).reason is None
    assert visitor.connect("/any", token).reason is Refusal.TOKEN_USED
    with app.app_context():
        app.extensions["test_guard"].disconnect(user_id=USER, reason="told")
    visitor.log_out()


def test_rows_name_the_site_and_no_user(tmp_path: Path) -> None:
    """SQLite: every row is ``wsguard:<name of the tickets>:…``, and no byte of the file is of a user id."""
    use(f"sqlite:///{tmp_path}/store.db")
    assert not [f for f in tmp_path.iterdir() if USER.encode() in f.read_bytes()]
    db = sqlite3.connect(tmp_path / "store.db")
    try:
        keys = [key for (key,) in db.execute("SELECT key FROM spent")]
        apps = [app for (app,) in db.execute("SELECT app FROM notices")]
    finally:
        db.close()
    assert len(keys) == 1
    assert keys[0].startswith("wsguard:tickets:spent:")
    assert apps == ["wsguard:tickets:"] * 2


def test_keys_name_the_site_and_no_user(redis_server: RedisServer) -> None:
    """Redis: every key is ``wsguard:<name of the tickets>:…`` and lapses, and no value holds a user id."""
    use(redis_server.uri)
    with redis_server.client as client:
        keys = sorted(client.keys("*"))
        dumps = [client.dump(key) for key in keys]
        notices = client.xrange("wsguard:tickets:notices")
        lives = [client.ttl(key) for key in keys]
    assert [key.rpartition(b":")[0] for key in keys] == [
        b"wsguard:tickets",
        b"wsguard:tickets:spent",
    ]
    assert len(notices) == 2
    assert not [dump for dump in (*dumps, str(notices).encode()) if USER.encode() in dump]
    assert 3600 < lives[0] <= 3660
    assert 39 <= lives[1] <= 41


class Recorder:
    """A store that keeps what it was asked to spend."""

    is_shared = False
    spans_machines = False

    def __init__(self) -> None:
        self.spent: list[int] = []

    def spend(self, token_id: str, seconds: int) -> bool:
        self.spent.append(seconds)
        return True

    def publish(self, notice: str) -> None: ...

    def notices(self, wait: float) -> list[str]:
        return []


@pytest.mark.parametrize(
    ("later", "seconds"),
    [
        pytest.param(0.0, 41, id="at-once"),
        pytest.param(10.5, 31, id="half-way"),
        pytest.param(30.0, 11, id="as-it-expires"),
        pytest.param(33.5, 8, id="within-the-leeway"),
    ],
)
def test_a_token_is_remembered_as_long_as_any_clock_may_take_it(later: float, seconds: int) -> None:
    """Remaining life, twice the skew and a second for whole-second clocks: 30 + 2 * 5 + 1."""
    app = make_site(WSGUARD_SINGLE_USE=False)
    clock, recorder = [1_000_000_000.25], Recorder()
    state = state_of(app)
    app.extensions["wsguard"] = replace(
        state,
        settings=replace(state.settings, single_use=True),
        store=WatchedStore(recorder),
        now=lambda: clock[0],
    )
    visitor = Visitor(app)
    visitor.log_in("alice")
    token = visitor.token("/any")
    clock[0] += later
    assert visitor.connect("/any", token).reason is None
    assert recorder.spent == [seconds]
