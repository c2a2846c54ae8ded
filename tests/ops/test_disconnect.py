"""What an operator runs: the ``flask wsguard`` commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_wsguard.live.connection import Connection
from flask_wsguard.live.sockets import Sockets
from flask_wsguard.ops.cli import wsguard
from tests.sites import make_site


def run(app: Flask, *words: str) -> tuple[int, str]:
    outcome = app.test_cli_runner().invoke(wsguard, words)
    return outcome.exit_code, outcome.output


def test_disconnect_without_a_shared_store_is_an_error_that_says_so() -> None:
    """A command has no sockets of its own: nothing would happen, and nobody would know."""
    code, said = run(make_site(), "disconnect", "--user", "alice")
    assert code == 1
    assert "set WSGUARD_STORAGE_URI" in said


def test_disconnect_reaches_the_other_processes(tmp_path: Path) -> None:
    """Through the store; the other one closes that user's sockets and nobody else's."""
    config = {"WSGUARD_STORAGE_URI": f"sqlite:///{tmp_path}/store.db"}
    here, there = make_site(**config), make_site(**config)
    state = there.extensions["wsguard"]
    sockets: Sockets = state.sockets
    public = Connection(None, "/ticker")
    assert sockets.take(public)
    code, said = run(here, "disconnect", "--user", "alice")
    assert (code, said) == (0, "told every process that holds such a socket to close it\n")
    (notice,) = state.store.notices(0) or ()
    state.bus.hear(notice)
    assert not public.is_closing
    assert run(here, "disconnect", "--all")[0] == 0
    (notice,) = state.store.notices(0) or ()
    state.bus.hear(notice)
    assert (public.code, public.reason) == (4401, "disconnected")


@pytest.mark.parametrize("words", [[], ["--all", "--user", "alice"]], ids=["nobody", "both"])
def test_disconnect_asks_whose(words: list[str]) -> None:
    """Closing every socket of the site by a forgotten option is not offered."""
    code, said = run(make_site(), "disconnect", *words)
    assert code == 2
    assert "say whose" in said


@pytest.mark.parametrize("option", ["--user", "--session", "--ticket"])
@pytest.mark.parametrize("others", [[], ["--user", "alice"]], ids=["alone", "beside-another"])
def test_an_empty_option_is_a_mistake(tmp_path: Path, option: str, others: list[str]) -> None:
    """A script whose variable is unset closes nobody's socket."""
    app = make_site(WSGUARD_STORAGE_URI=f"sqlite:///{tmp_path}/store.db")
    code, said = run(app, "disconnect", *others, option, "")
    assert code == 2
    assert "is '', which names nobody" in said
    assert app.extensions["wsguard"].store.notices(0) == []


@pytest.mark.parametrize("name", ["user_id", "session", "ticket_id"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "is None, which names nobody: leave it out to mean everybody"),
        ("", "is '', which names nobody: leave it out to mean everybody"),
        (5, "is 5, which is no str: give a user's as get_id() returns it"),
        (b"alice", "is b'alice', which is no str: give a user's as get_id() returns it"),
    ],
    ids=["none", "empty", "number", "bytes"],
)
def test_id_that_names_nobody_closes_nobody(name: str, value: Any, says: str) -> None:
    """After ``logout_user()`` the current user's id is None: that is nobody, and not everybody."""
    app = make_site()
    held = Connection(None, "/ticker")
    assert app.extensions["wsguard"].sockets.take(held)
    with app.app_context(), pytest.raises(ValueError, match=f"^{re.escape(f'{name} {says}')}$"):
        app.extensions["test_guard"].disconnect(**{name: value})
    assert not held.is_closing
