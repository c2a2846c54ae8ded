"""The file that workers share: what is in it, and what happens when it is lost or locked."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flask_wsguard.stores import StoreUnavailable
from flask_wsguard.stores.sqlite import SQLiteStore

ROOT = Path(__file__).parents[2]


class Clock:
    """Both clocks of a store, which go on when it sleeps.

    Not so when a reader sleeps that a test before has left behind.
    """

    def __init__(self) -> None:
        self.wall = 1_800_000_000.5
        self.now = 100.0
        self.slept: list[float] = []

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        if threading.current_thread() is not threading.main_thread():
            time.sleep(seconds)
            return
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the stores of a test go by its own clock."""
    clock = Clock()
    monkeypatch.setattr("flask_wsguard.stores.sqlite.time", clock)
    return clock


@contextmanager
def looked_into(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file beside its store."""
    db = sqlite3.connect(path)
    try:
        yield db
    finally:
        db.close()


def test_rows_as_they_stand(tmp_path: Path, clock: Clock) -> None:
    """Keys, times and the journal's kind; notices are counted from the file's first moment."""
    path = tmp_path / "store.db"
    store = SQLiteStore(str(path), "site", 60, quarantine=10)
    assert store.spend("token", 30)
    store.publish("a notice")
    with looked_into(path) as db:
        assert db.execute("SELECT * FROM spent").fetchall() == [
            ("wsguard:site:spent:token", 1_800_000_030.5)
        ]
        assert db.execute("SELECT * FROM notices").fetchall() == [
            (1_800_000_000_500_001, "wsguard:site:", "a notice", 1_800_000_060.5)
        ]
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_has_lapsed_is_deleted(tmp_path: Path, clock: Clock) -> None:
    """At its last moment, not after it, and by whoever writes next: the file does not grow."""
    path = tmp_path / "store.db"
    store = SQLiteStore(str(path), "site", 60, quarantine=10)
    assert store.spend("short", 30)
    assert store.spend("long", 31)
    store.publish("old")
    clock.wall += 30
    assert not store.spend("long", 31)
    clock.wall += 30
    assert store.notices(0) == []
    store.publish("new")
    with looked_into(path) as db:
        keys = [key for (key,) in db.execute("SELECT key FROM spent")]
        bodies = [body for (body,) in db.execute("SELECT body FROM notices")]
    assert keys == ["wsguard:site:spent:long"]
    assert bodies == ["new"]


def test_reader_looks_again_until_its_time_is_over(tmp_path: Path, clock: Clock) -> None:
    """Every quarter of a second; not once more when there is no time left, and none to begin."""
    store = SQLiteStore(str(tmp_path / "store.db"), "site", 60, quarantine=10)
    assert store.notices(0) == []
    assert clock.slept == []
    assert store.notices(1) == []
    assert clock.slept == [0.25] * 4
    store.publish("a notice")
    assert store.notices(1) == ["a notice"]
    assert clock.slept == [0.25] * 4


def test_deleted_file_spends_nothing_until_the_spent_have_lapsed(
    tmp_path: Path, clock: Clock
) -> None:
    """The record of what was spent is gone: nobody gets in until none of it could still be good.

    That another process makes the file again, just as empty, changes nothing.
    """
    path = tmp_path / "store.db"
    store = SQLiteStore(str(path), "site", 60, quarantine=10)
    assert store.spend("token", 30)
    for _ in range(2):
        for file in tmp_path.glob("store.db*"):
            file.unlink()
        with pytest.raises(StoreUnavailable, match=rf"^{path} is gone$"):
            store.spend("token", 30)
        late = SQLiteStore(str(path), "site", 60, quarantine=10)
        clock.now += 9.9
        with pytest.raises(StoreUnavailable, match=rf"^{path} is gone$"):
            store.spend("token", 30)
        clock.now += 0.1
        assert store.spend("token", 30)
        assert not store.spend("token", 30)
        assert not late.spend("token", 30)


def test_quarantine_does_not_begin_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One handshake has found no file, and another makes it before the first one goes on."""
    path = tmp_path / "store.db"
    store = SQLiteStore(str(path), "site", 60, quarantine=10)
    for file in tmp_path.glob("store.db*"):
        file.unlink()
    with pytest.raises(StoreUnavailable, match="is gone"):
        store.spend("token", 30)
    clock.now += 10
    # Both write in the end: who finds the file locked waits for the other, as in earnest.
    monkeypatch.setattr(clock, "sleep", time.sleep)
    exists, looked, made = Path.exists, threading.Event(), threading.Event()

    def hold(path: Path) -> bool:
        found = exists(path)
        if threading.current_thread() is not threading.main_thread():
            looked.set()
            made.wait(0.5)
        return found

    monkeypatch.setattr(Path, "exists", hold)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(store.spend, "of the slow one", 30)
        assert looked.wait(5)
        assert store.spend("of the quick one", 30)
        made.set()
        assert slow.result()
    assert store.spend("of another", 30)


def test_folder_that_may_not_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says neither yes nor no; the message names the file and the system's words."""
    path = tmp_path / "store.db"
    store = SQLiteStore(str(path), "site", 60, quarantine=0)

    def forbid(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", forbid)
    with pytest.raises(StoreUnavailable, match=rf"^{path}: Permission denied$"):
        store.spend("token", 30)


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a store's file in the middle of somebody's long write; who waits, waits 50 ms."""
    path = tmp_path / "store.db"
    SQLiteStore(str(path), "site", 60, quarantine=0).publish("a notice")
    monkeypatch.setattr("flask_wsguard.stores.sqlite._BUSY_SECONDS", 0.05)
    with looked_into(path) as db:
        db.execute("BEGIN IMMEDIATE")
        yield path


def test_reader_is_not_held_up_by_a_writer(busy: Path) -> None:
    """Who starts meanwhile gives up on making tables that are there, and reads at once."""
    begin = time.monotonic()
    store = SQLiteStore(str(busy), "site", 60, quarantine=0)
    assert store.notices(0) == ["a notice"]
    assert store.notices(0) == []
    assert time.monotonic() - begin < 1


def test_writer_waits_its_time_and_says_why(busy: Path) -> None:
    """Nobody holds a handshake for longer than that."""
    store = SQLiteStore(str(busy), "site", 60, quarantine=0)
    begin = time.monotonic()
    with pytest.raises(StoreUnavailable, match=rf"^{busy}: database is locked$"):
        store.spend("token", 30)
    assert 0.04 < time.monotonic() - begin < 1


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, sqlite3, sys, time
from flask_wsguard.stores.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1], "site", 60, quarantine=0)
locker = sqlite3.connect(sys.argv[1])
locker.execute("BEGIN IMMEDIATE")
gaps = []
def look_on():
    while True:
        before = time.monotonic()
        gevent.sleep(0.01)
        gaps.append(time.monotonic() - before)
gevent.spawn(look_on)
waiting = gevent.spawn(store.spend, "token", 30)
gevent.sleep(0.7)
locker.rollback()
print(waiting.get(timeout=5), max(gaps) < 0.4)
"""


def test_who_waits_for_a_writer_holds_up_no_greenlet(tmp_path: Path) -> None:
    """A gevent worker serves everybody else until the file is free, and then the one who waits."""
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS, str(tmp_path / "store.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.stdout, done.returncode) == ("True True\n", 0), done.stderr


def test_nobody_waits_for_the_disk(tmp_path: Path) -> None:
    """The last to close writes the log back; synchronously, a crowd of handshakes waits for it."""
    store = SQLiteStore(str(tmp_path / "store.db"), "app", 60, 60)
    levels = store._do(lambda db: db.execute("PRAGMA synchronous").fetchall())
    assert levels == [(0,)]


def test_tables_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each question: making them waits for every other writer."""
    store = SQLiteStore(str(tmp_path / "store.db"), "site", 60, quarantine=0)
    monkeypatch.setattr("flask_wsguard.stores.sqlite._SCHEMA", "no SQL at all")
    assert store.spend("token", 30)


def test_reader_of_a_deleted_file_reads_on_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers go on where they were, so that who read the lost file misses nothing of the new.

    On a fast machine all of this takes less than a millisecond.
    """
    clock = count(1_800_000_000.0, 0.000_02)
    monkeypatch.setattr("time.time", lambda: next(clock))
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


def test_folder_that_is_missing_is_said_at_start_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows otherwise before the first logout that leaves sockets open elsewhere."""
    folder = tmp_path / "nowhere"
    store = SQLiteStore(str(folder / "store.db"), "site", 60, quarantine=10)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"the store cannot be used yet ({folder}/store.db: ")
    assert "reaches the sockets of its own process only" in line
    with pytest.raises(StoreUnavailable, match=rf"^there is no folder {folder}$"):
        store.spend("token", 30)


@pytest.mark.parametrize("user", [0, 1000], ids=["root", "another"])
def test_file_that_root_makes_is_of_the_owner_of_its_folder(
    user: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A master that preloads the app, or a command, makes it; the worker that writes is not root.

    Once: who owns a file that was there before knows why.
    """
    given: list[tuple[Any, ...]] = []
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "chown", lambda *args, **how: given.append((*args, how)))
    path, folder = tmp_path / "store.db", tmp_path.stat()
    for _ in range(2):
        SQLiteStore(str(path), "site", 60, quarantine=10)
    once = (path, folder.st_uid, folder.st_gid, {"follow_symlinks": False})
    assert given == ([once] if user == 0 else [])
