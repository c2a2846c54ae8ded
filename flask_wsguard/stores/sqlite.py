"""The store of one machine: a SQLite file in WAL mode that all workers open. Nothing to run."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import MOST_AT_ONCE, StoreUnavailable

_BUSY_SECONDS = 1.5
_POLL_SECONDS = 0.25
# Numbers begin at the time of making, so that readers of a file that was lost read on in the next.
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS spent (key TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, app TEXT NOT NULL, body TEXT NOT NULL,
    until REAL NOT NULL);
INSERT INTO sqlite_sequence (name, seq) SELECT 'notices', {milliseconds}
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
        self._has_tables = True
        self._seen = 0
        # A disk that is away at start-up may come back; the first use says that it is.
        with suppress(StoreUnavailable):
            self._make()

    def spend(self, token_id: str, seconds: int) -> bool:
        """Remember a token for ``seconds``; True exactly once."""
        now = time.time()
        with self._open() as db:
            db.execute("DELETE FROM spent WHERE until <= ?", (now,))
            done = db.execute(
                "INSERT OR IGNORE INTO spent VALUES (?, ?)",
                (f"{self._app}spent:{token_id}", now + seconds),
            )
            return done.rowcount == 1

    def publish(self, notice: str) -> None:
        """Pass a notice on to every worker of this machine."""
        now = time.time()
        with self._open() as db:
            db.execute("DELETE FROM notices WHERE until <= ?", (now,))
            db.execute(
                "INSERT INTO notices (app, body, until) VALUES (?, ?, ?)",
                (self._app, notice, now + self._kept),
            )

    def notices(self, wait: float) -> list[str]:
        """Return what came since the last call; looks again every quarter of a second."""
        deadline = time.monotonic() + wait
        while True:
            with self._open() as db:
                rows = db.execute(
                    # Whoever may write here may write bytes.
                    "SELECT seq, CAST(body AS TEXT) FROM notices "
                    "WHERE seq > ? AND app = ? AND until > ? ORDER BY seq LIMIT ?",
                    (self._seen, self._app, time.time(), MOST_AT_ONCE),
                ).fetchall()
            if rows:
                self._seen = max(seq for seq, _ in rows)
                return [body for _, body in rows]
            if time.monotonic() >= deadline:
                return []
            time.sleep(_POLL_SECONDS)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._watch_file()
        try:
            # mode=rw: a vanished file must be a failure, not an empty store.
            db = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS
            )
            db.text_factory = _readable
            try:
                with db:
                    yield db
            finally:
                db.close()
        except sqlite3.Error as fault:
            # A disk that was full when the file was made leaves an empty one.
            self._has_tables = "no such table" not in str(fault)
            raise StoreUnavailable(f"{self._path}: {fault}") from fault

    def _watch_file(self) -> None:
        try:
            exists, now = self._path.exists(), time.monotonic()
        except OSError as fault:
            # A folder that may not be looked into says neither yes nor no.
            raise StoreUnavailable(f"{self._path}: {fault.strerror}") from fault
        if not exists and self._missing_since is None:
            self._missing_since = now
        if self._missing_since is not None:
            # Another process may have made it again, just as empty.
            if now - self._missing_since < self._quarantine:
                raise StoreUnavailable(f"{self._path} has vanished")
            self._missing_since = None
        if not exists or not self._has_tables:
            self._make()

    def _make(self) -> None:
        """Make file and tables where they are missing; several processes may do so at once."""
        try:
            db = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
            try:
                db.executescript(_SCHEMA.format(milliseconds=int(time.time() * 1000)))
                # Locked: somebody else is switching it just now.
                with suppress(sqlite3.OperationalError):
                    db.execute("PRAGMA journal_mode = WAL")
                self._has_tables = True
            finally:
                db.close()
        except (sqlite3.Error, OSError) as fault:
            raise StoreUnavailable(f"{self._path}: {fault}") from fault


def _readable(text: bytes) -> str:
    """Return text as it is read, whatever it is: what nobody signed must not end the reading."""
    return text.decode("utf-8", "replace")
