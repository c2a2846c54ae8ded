"""``flask wsguard routes``: every socket and what stands before it."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from tests.ops.commands import run, shell
from tests.ops.site import ROUTES, create_app


def test_routes_as_its_users_run_it() -> None:
    """Flask finds the command by its entry point, and it lists all of them."""
    assert shell("routes") == run(create_app(), "routes") == (0, ROUTES)


def test_routes_as_json() -> None:
    """The same facts for a machine."""
    code, said = run(create_app(), "routes", "--json")
    listed = json.loads(said)
    assert code == 0
    assert len(listed) == 11
    assert listed[0] == {
        "rule": "/echo", "endpoint": "echo", "guard": "protected", "scopes": ["chat:read"],
    }  # fmt: skip
    assert listed[-1]["endpoint"] == ""


@pytest.mark.parametrize(
    "words",
    [
        ["routes"],
        ["check"],
        ["explain", "https://x.example"],
        ["ticket", "--user", "a", "--path", "/"],
        ["disconnect", "--user", "a"],
    ],
    ids=lambda words: words[0],
)
def test_app_without_a_guard_is_told_so(words: list[str]) -> None:
    """One sentence instead of a KeyError."""
    code, said = run(Flask("bare"), *words)
    assert code == 1
    assert "app 'bare' has no guard: call WSGuard(app)" in said
