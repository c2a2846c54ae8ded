"""What names a store, and what is said of what does not; never the text itself."""

from __future__ import annotations

import pytest

from flask_wsguard.core.storage import fault_of, needs_redis, sqlite_path

NOT_A_URI = "is not a URI: percent-encode what is special in user and password"
NO_FILE = "names no file: write sqlite:////run/app/wsguard.db"
NO_SCHEME = "starts with sqlite://, redis://, rediss:// or unix://"


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("sqlite:////run/app/wsguard.db", None),
        ("sqlite:///wsguard.db", None),
        ("redis://user:secret@host:6379/0", None),
        ("rediss://host", None),
        ("unix:///run/redis.sock", None),
        ("sqlite://", NO_FILE),
        ("sqlite://host/file", NO_FILE),
        ("sqlite:///", NO_FILE),
        ("sqlite:///:memory:", NO_FILE),
        ("memcached://host", NO_SCHEME),
        ("", NO_SCHEME),
        ("redis://[::1", NOT_A_URI),
        ("redis://user:secret/more@host", NOT_A_URI),
        ("redis://host:99999", NOT_A_URI),
    ],
)
def test_fault(uri: str, fault: str | None) -> None:
    """Each scheme, and each way not to name a store."""
    assert fault_of(uri) == fault


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:////run/app/wsguard.db", "/run/app/wsguard.db"),
        ("sqlite:///wsguard.db", "wsguard.db"),
        ("sqlite:///:memory:", ""),
        ("redis:///x", ""),
    ],
)
def test_path(uri: str, path: str) -> None:
    """Three slashes are relative, four absolute."""
    assert sqlite_path(uri) == path


def test_redis_is_needed_for_three_schemes() -> None:
    """SQLite comes with Python."""
    names = ["redis://h", "rediss://h", "unix:///s", "sqlite:///f"]
    assert [needs_redis(uri) for uri in names] == [True, True, True, False]
