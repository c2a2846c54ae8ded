"""The public names, and that every reason to refuse is given somewhere in the tests."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path

import pytest

import flask_wsguard
from flask_wsguard import Refusal

TESTS = Path(__file__).parent


def test_public_names_are_exactly_these() -> None:
    """Adding one is a decision."""
    assert sorted(flask_wsguard.__all__) == [
        "ConfigError",
        "HandshakeRefused",
        "Identity",
        "Refusal",
        "ScopeMissing",
        "WSGuard",
        "connection_closed",
        "connection_opened",
        "current_ticket",
        "handshake_accepted",
        "handshake_refused",
        "preauth_granted",
        "preauth_refused",
        "ws_protected",
        "ws_public",
    ]
    assert [name for name in flask_wsguard.__all__ if not hasattr(flask_wsguard, name)] == []


def test_importing_all_of_it_brings_no_further_name() -> None:
    """``from flask_wsguard import *`` is the list above."""
    names: dict[str, object] = {}
    exec("from flask_wsguard import *", names)
    assert sorted(names.keys() - {"__builtins__"}) == sorted(flask_wsguard.__all__)


def test_guard_has_exactly_these_public_members() -> None:
    """What the manual documents."""
    guard = flask_wsguard.WSGuard()
    assert [name for name in dir(guard) if not name.startswith("_")] == [
        "blueprint",
        "disconnect",
        "drain",
        "identity_loader",
        "init_app",
        "protect_path",
        "scopes_loader",
        "verify_handshake",
    ]
    assert guard.blueprint.name == "wsguard"


@pytest.mark.parametrize(
    ("module", "needs", "extra"),
    [
        ("client", "requests", "client"),
        ("client", "websocket", "client"),
        ("ops.metrics", "prometheus_client", "metrics"),
    ],
)
def test_module_without_its_extra_says_what_to_install(
    module: str, needs: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What not every site has; of redis a setting speaks."""
    monkeypatch.setitem(sys.modules, needs, None)
    monkeypatch.delitem(sys.modules, f"flask_wsguard.{module}", raising=False)
    with pytest.raises(ModuleNotFoundError, match=rf'pip install "flask-wsguard\[{extra}\]"'):
        import_module(f"flask_wsguard.{module}")


def test_package_is_typed() -> None:
    """PEP 561: the marker is shipped."""
    assert (Path(flask_wsguard.__file__).parent / "py.typed").is_file()


def yielded_by(file: str, table: str) -> set[str]:
    """Return the strings in a module-level table of a test file."""
    tree = ast.parse((TESTS / file).read_text())
    for node in tree.body:
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign):
            (target,) = node.targets
        if isinstance(target, ast.Name) and target.id == table:
            assert isinstance(node, (ast.Assign, ast.AnnAssign))
            assert node.value is not None
            return {
                found.value
                for found in ast.walk(node.value)
                if isinstance(found, ast.Constant) and isinstance(found.value, str)
            }
    raise AssertionError(f"{file} has no table {table}")


def test_every_refusal_is_yielded_by_a_table_row() -> None:
    """A reason that nothing gives is no reason; one that no test gives is not known to work."""
    yielded = yielded_by("core/test_handshake.py", "REFUSED")
    yielded |= yielded_by("core/test_preauth.py", "REFUSED")
    yielded |= yielded_by("test_views.py", "ORDER")
    yielded |= yielded_by("test_gate.py", "REFUSED")
    assert {refusal.value for refusal in Refusal} - yielded == set()


def test_every_refusal_is_named_in_the_package_outside_its_enum() -> None:
    """No code is only a promise."""
    package = Path(flask_wsguard.__file__).parent
    text = "".join(path.read_text() for path in package.rglob("*.py") if path.name != "refusals.py")
    assert [one for one in Refusal if f"Refusal.{one.name}" not in text] == []
