"""``WSGUARD_STORAGE_URI``: which texts name a store, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_wsguard import ConfigError
from flask_wsguard.stores import StoreUnavailable
from flask_wsguard.stores.uris import open_store
from tests.sites import make_site

SECRET = "hunter2"


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


def test_token_life_is_how_long_a_lost_file_spends_nothing(tmp_path: Path) -> None:
    """The store of a site waits as long as a token may live, not as long as a socket."""
    uri = f"sqlite:///{tmp_path}/store.db"
    patient = open_store(uri, "site", kept_seconds=0, token_life=3600)
    hasty = open_store(uri, "site", kept_seconds=3600, token_life=0)
    for file in tmp_path.glob("store.db*"):
        file.unlink()
    with pytest.raises(StoreUnavailable, match="is gone"):
        patient.spend("token", 30)
    assert hasty.spend("token", 30)
