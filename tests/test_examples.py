"""Every example in docs/examples does what its page says."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from flask_wsguard.core.tickets import Ticket
from flask_wsguard.live.connection import Connection
from flask_wsguard.testing import connect
from tests.visitor import Visitor

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def load(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def hold(app: Any, user_id: str) -> Connection:
    """Hold a socket of a user, as a handler would."""
    ticket = Ticket("i" * 22, user_id, frozenset(), "b", "s", 0, 30)
    connection = Connection(ticket, "/updates")
    assert app.extensions["wsguard"].sockets.take(connection)
    return connection


GUARDED = sorted(
    path.relative_to(EXAMPLES).with_suffix("").as_posix()
    for path in EXAMPLES.rglob("*.py")
    if "WSGuard(app)" in path.read_text(encoding="utf-8")
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", GUARDED)
def test_example_has_the_early_gate(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Middleware stands below the guard, as `flask wsguard check` advises."""
    monkeypatch.setenv("DATABASE_URI", f"sqlite:///{tmp_path / 'site.db'}")
    assert load(name)["app"].extensions["wsguard"].has_early_gate


@pytest.fixture
def flask_login_site() -> Any:
    """Return the example's app, and a maker of browsers that are logged in."""
    scope = load("close_sockets_flask_login")
    app, passwords = scope["app"], {"alice": "correct horse", "bob": "battery staple"}

    def visit(name: str) -> Visitor:
        visitor = Visitor(app)
        form = {"password": passwords[name]}
        answer = visitor.client.post(f"/login/{name}", data=form, base_url=visitor.base)
        assert answer.status_code == 200
        assert visitor.preauth("/updates").status_code == 200
        return visitor

    return scope, visit


def test_flask_login_deactivation_closes_the_users_sockets(flask_login_site: Any) -> None:
    """Hers, not his; and the next preauth says why."""
    scope, visit = flask_login_site
    visitor = visit("alice")
    hers, his = (hold(scope["app"], scope["USERS"][name].get_id()) for name in ("alice", "bob"))
    visitor.client.post("/deactivate/alice", base_url=visitor.base)
    assert (hers.code, hers.reason) == (4401, "deactivated")
    assert not his.is_closing
    assert visitor.preauth("/updates").json["reason"] == "login_required"


def test_flask_login_password_change_closes_the_users_sockets(flask_login_site: Any) -> None:
    """In every browser; whoever has an old session stays out, who changed the password stays in."""
    scope, visit = flask_login_site
    visitor, thief = visit("alice"), visit("alice")
    hers, his = (hold(scope["app"], scope["USERS"][name].get_id()) for name in ("alice", "bob"))
    form = {"password": "a new one"}
    changed = visitor.client.post("/password", data=form, base_url=visitor.base)
    assert changed.status_code == 200
    assert (hers.code, hers.reason) == (4401, "password_changed")
    assert not his.is_closing
    assert thief.preauth("/updates").json["reason"] == "login_required"
    assert visitor.preauth("/updates").status_code == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_flask_security_password_change_and_deactivation_close_sockets() -> None:
    """By its own signal, and by the one call behind its datastore."""
    scope = load("close_sockets_flask_security")
    app = scope["app"]
    visitor = Visitor(app)
    form = {"email": "alice@example.org", "password": "correct horse"}
    assert visitor.client.post("/login", data=form, base_url=visitor.base).status_code == 302
    assert visitor.preauth("/updates").status_code == 200
    with app.app_context():
        user_id = scope["datastore"].find_user(email="alice@example.org").get_id()
    first = hold(app, user_id)
    change = {
        "password": "correct horse",
        "new_password": "battery staple",
        "new_password_confirm": "battery staple",
    }
    assert visitor.client.post("/change", data=change, base_url=visitor.base).status_code == 302
    assert (first.code, first.reason) == (4401, "password_changed")
    with app.app_context():
        user_id = scope["datastore"].find_user(email="alice@example.org").get_id()
    second = hold(app, user_id)
    visitor.client.post("/deactivate/alice@example.org", base_url=visitor.base)
    assert (second.code, second.reason) == (4401, "deactivated")
    assert visitor.preauth("/updates").json["reason"] == "login_required"


def test_factory_makes_apps_whose_blueprint_is_guarded() -> None:
    """Each app of its own, and the page's path is the whole one."""
    scope = load("factory")
    apps = [scope["create_app"](SECRET_KEY="k" * 32, TESTING=True) for _ in range(2)]
    for app in apps:
        with app.test_client() as client:
            with client.session_transaction() as session:
                session["_user_id"], session["_fresh"] = "alice", True
            with connect(client, "/chat/lobby") as socket:
                assert socket.receive() == "alice is in lobby"
    assert "new WSGuard('/chat/lobby')" in (EXAMPLES / "factory.py").read_text(encoding="utf-8")
