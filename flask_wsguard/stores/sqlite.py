"""The store of one machine: a SQLite file in WAL mode that all workers open. Nothing to run."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from ..locks import Lock
from . import MEANWHILE, MOST_AT_ONCE, StoreUnavailable

_log = logging.getLogger("flask_wsguard")

T = TypeVar("T")

_BUSY_SECONDS = 1.5
_LONGEST_PAUSE = 0.025
_POLL_SECONDS = 0.25
# Numbers begin at the time of making, so that readers of a file that was lost read on in the next:
# in microseconds, for no notice takes less.
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS spent (key TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, app TEXT NOT NULL, body TEXT NOT NULL,
    until REAL NOT NULL);
INSERT INTO sqlite_sequence (name, seq) SELECT 'notices', {microseconds}
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'notices');
COMMIT;
"""


class SQLiteStore:
    """Opens the file anew for each operation, so that forks, and a replaced file, are no matter.

    A file that vanished took the spent tokens with it: nothing is spent until those have
    lapsed, ``quarantine`` seconds, then the file is made again.
    """

    is_shared = True
    spans_machines = False

    def __init__(self, path: str, app: str, kept_seconds: float, quarantine: float) -> None:
        """Use the file at ``path``, made now where it does not exist."""
        self._path = Path(path)
        self._app = f"wsguard:{app}:"
        self._kept = kept_seconds
        self._quarantine = quarantine
        self._missing_since: float | None = None
        self._lock = Lock()
        self._has_tables = True
        self._seen = 0
        # A disk that is away at start-up may come back.
        try:
            self._make()
        except StoreUnavailable as fault:
            _log.warning("the store cannot be used yet (%s): %s", str(fault), MEANWHILE)

    def spend(self, token_id: str, seconds: int) -> bool:
        """Remember a token for ``seconds``; True exactly once."""
        key, now = f"{self._app}spent:{token_id}", time.time()

        def insert(db: sqlite3.Connection) -> bool:
            db.execute("DELETE FROM spent WHERE until <= ?", (now,))
            done = db.execute("INSERT OR IGNORE INTO spent VALUES (?, ?)", (key, now + seconds))
            return done.rowcount == 1

        return self._do(insert)

    def publish(self, notice: str) -> None:
        """Pass a notice on to every worker of this machine."""
        now = time.time()
        row = (self._app, notice, now + self._kept)

        def insert(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM notices WHERE until <= ?", (now,))
            db.execute("INSERT INTO notices (app, body, until) VALUES (?, ?, ?)", row)

        self._do(insert)

    def notices(self, wait: float) -> list[str]:
        """Return what came since the last call; looks again every quarter of a second."""
        deadline = time.monotonic() + wait
        while True:
            rows = self._do(self._select)
            if rows:
                self._seen = max(seq for seq, _ in rows)
                return [body for _, body in rows]
            if time.monotonic() >= deadline:
                return []
            time.sleep(_POLL_SECONDS)

    def _select(self, db: sqlite3.Connection) -> list[tuple[int, str]]:
        return db.execute(
            # Whoever may write here may write bytes.
            "SELECT seq, CAST(body AS TEXT) FROM notices "
            "WHERE seq > ? AND app = ? AND until > ? ORDER BY seq LIMIT ?",
            (self._seen, self._app, time.time(), MOST_AT_ONCE),
        ).fetchall()

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work in one transaction; it may be begun again, after its undoing."""
        self._watch_file()
        # mode=rw: a vanished file must be a failure, not an empty store.
        uri = f"{self._path.absolute().as_uri()}?mode=rw"

        def once() -> T:
            with _opened(uri, uri=True) as db, db:
                return work(db)

        try:
            return _patiently(once)
        except sqlite3.Error as fault:
            # A disk that was full when the file was made leaves an empty one.
            self._has_tables = "no such table" not in str(fault)
            raise StoreUnavailable(f"{self._path}: {fault}") from fault

    def _watch_file(self) -> None:
        # Looked at and noted in one: a look from before another thread made the file anew would
        # begin the quarantine a second time.
        with self._lock:
            exists, now = self._exists(), time.monotonic()
            if not exists and self._missing_since is None:
                self._missing_since = now
            since = self._missing_since
        # Another process may have made it again, just as empty.
        if since is not None and now - since < self._quarantine:
            folder = self._path.parent
            what = f"{self._path} is gone" if folder.exists() else f"there is no folder {folder}"
            raise StoreUnavailable(what)
        if not exists or not self._has_tables:
            self._make()
        with self._lock:
            if self._missing_since == since:
                self._missing_since = None

    def _exists(self) -> bool:
        try:
            return self._path.exists()
        except OSError as fault:
            # A folder that may not be looked into says neither yes nor no.
            raise StoreUnavailable(f"{self._path}: {fault.strerror}") from fault

    def _make(self) -> None:
        """Make file and tables where they are missing; several processes may do so at once."""

        def once() -> None:
            is_new = not self._path.exists()
            with _opened(str(self._path)) as db:
                db.executescript(_SCHEMA.format(microseconds=int(time.time() * 1e6)))
                if is_new:
                    _give_to_owner_of_folder(self._path)
                # Locked: somebody else is switching it just now.
                with suppress(sqlite3.OperationalError):
                    db.execute("PRAGMA journal_mode = WAL")

        try:
            _patiently(once)
            self._has_tables = True
        except (sqlite3.Error, OSError) as fault:
            raise StoreUnavailable(f"{self._path}: {fault}") from fault


def _give_to_owner_of_folder(path: Path) -> None:
    """Let workers that have dropped root write to what their master, or a command, made as root."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


@contextmanager
def _opened(path: str, *, uri: bool = False) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(path, timeout=0, uri=uri)
    db.text_factory = _readable
    try:
        # Whoever closes last would wait for the disk, several times, and all others for the close.
        db.execute("PRAGMA synchronous = OFF")
        yield db
    finally:
        db.close()


def _readable(text: bytes) -> str:
    """Return text as it is read, whatever it is: what nobody signed must not end the reading."""
    return text.decode("utf-8", "replace")


def _patiently(work: Callable[[], T]) -> T:
    """Try again while somebody else writes.

    SQLite could wait by itself, and would let no other greenlet of a gevent worker run meanwhile.
    """
    deadline, pause = time.monotonic() + _BUSY_SECONDS, 0.001
    while True:
        try:
            return work()
        except sqlite3.OperationalError as fault:
            if "locked" not in str(fault) or time.monotonic() >= deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
