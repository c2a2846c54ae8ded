"""What the guard asks after ``judge``: a slot, the caps, and last of all the spent tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_wsguard import connection_closed
from flask_wsguard.live.connection import Connection
from flask_wsguard.stores import StoreUnavailable
from tests.sites import make_site
from tests.visitor import Visitor


class Away:
    """A store that does not answer."""

    is_shared = True
    spans_machines = False

    def spend(self, token_id: str, seconds: int) -> bool:
        raise StoreUnavailable("gone")

    def publish(self, notice: str) -> None:
        raise StoreUnavailable("gone")

    def notices(self, wait: float) -> list[str]:
        raise StoreUnavailable("gone")


def fill(app: Flask, visitor: Visitor) -> str:
    token = visitor.token("/any")
    sockets = app.extensions["wsguard"].sockets
    while sockets.take(Connection(None, "/elsewhere")):
        pass
    return token


def spend(app: Flask, visitor: Visitor) -> str:
    token = visitor.token("/any")
    assert visitor.connect("/any", token).reason is None
    return token


def lose_store(app: Flask, visitor: Visitor) -> str:
    token = visitor.token("/any")
    app.extensions["wsguard"].store._store = Away()
    return token


REFUSED: list[tuple[str, dict[str, Any], Callable[[Flask, Visitor], str]]] = [
    ("too_many_connections", {"WSGUARD_MAX_CONNECTIONS": 3}, fill),
    ("token_used", {"WSGUARD_SINGLE_USE": True}, spend),
    ("store_unavailable", {"WSGUARD_SINGLE_USE": True}, lose_store),
]


@pytest.mark.parametrize(("reason", "config", "prepare"), REFUSED, ids=[row[0] for row in REFUSED])
def test_handshake_is_refused(
    reason: str, config: dict[str, Any], prepare: Callable[[Flask, Visitor], str]
) -> None:
    """The ordinary 403, and no slot is kept."""
    app = make_site(**config)
    visitor = Visitor(app)
    visitor.log_in("alice")
    token = prepare(app, visitor)
    before = len(app.extensions["wsguard"].sockets.registry)
    closed: list[Any] = []
    with connection_closed.connected_to(lambda app, **facts: closed.append(facts)):
        outcome = visitor.connect("/any", token)
    assert (outcome.reason, outcome.response.status_code) == (reason, 403)
    assert len(app.extensions["wsguard"].sockets.registry) == before
    assert closed == [], "what was never open does not close"


def test_hostile_probe_burns_no_token() -> None:
    """Spending comes last: a token that failed another check still works for its owner."""
    app = make_site(WSGUARD_SINGLE_USE=True)
    visitor = Visitor(app)
    visitor.log_in("alice")
    token = visitor.token("/any")
    foreign = visitor.connect("/any", token, headers={"Origin": "https://evil.example"})
    assert foreign.reason == "origin_not_allowed"
    assert visitor.connect("/any", token).reason is None
    assert visitor.connect("/any", token).reason == "token_used"


def test_preauth_says_first_that_there_is_no_room() -> None:
    """A page cannot read why a handshake failed, so it hears it here, and when to come back."""
    app = make_site(WSGUARD_MAX_CONNECTIONS=2)
    visitor = Visitor(app)
    visitor.log_in("alice")
    fill(app, visitor)
    for path in ("/any", "/ticker"):
        answer = visitor.preauth(path)
        assert (answer.status_code, answer.json["reason"]) == (429, "too_many_connections")
        assert int(answer.headers["Retry-After"]) > 0


def test_preauth_knows_whose_sockets_are_too_many() -> None:
    """Another user's are none of these, and public ones have no cap of a user's."""
    app = make_site(WSGUARD_MAX_CONNECTIONS_PER_USER=1)
    alice, bob = Visitor(app), Visitor(app)
    alice.log_in("alice")
    bob.log_in("bob")
    ticket = alice.connect("/any", alice.token("/any")).ticket
    assert app.extensions["wsguard"].sockets.take(Connection(ticket, "/any"))
    assert alice.preauth("/any").json["reason"] == "too_many_connections"
    assert alice.preauth("/ticker").status_code == 200
    assert bob.preauth("/any").status_code == 200


def test_preauth_says_first_that_the_store_is_away() -> None:
    """503 while single use cannot be promised."""
    app = make_site(WSGUARD_SINGLE_USE=True)
    visitor = Visitor(app)
    visitor.log_in("alice")
    token = lose_store(app, visitor)
    visitor.connect("/any", token)
    answer = visitor.preauth("/any")
    assert (answer.status_code, answer.json["reason"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_store_away_without_single_use_refuses_nobody() -> None:
    """The rest goes on."""
    app = make_site()
    visitor = Visitor(app)
    visitor.log_in("alice")
    token = lose_store(app, visitor)
    assert visitor.connect("/any", token).reason is None


def test_single_use_holds_in_observe_only_mode_as_a_report() -> None:
    """A second use is let through and reported."""
    app = make_site(WSGUARD_SINGLE_USE=True, WSGUARD_ENFORCE=False)
    visitor = Visitor(app)
    visitor.log_in("alice")
    token = spend(app, visitor)
    outcome = visitor.connect("/any", token)
    assert (outcome.reason, outcome.response.status_code) == ("token_used", 500)


def test_single_use_covers_declared_paths() -> None:
    """A socket that no Flask rule serves spends its token too."""
    app = make_site(WSGUARD_SINGLE_USE=True)
    guard = app.extensions["test_guard"]
    guard.protect_path("/io/")

    @app.get("/io/")
    def connect() -> str:
        return guard.verify_handshake().user_id

    visitor = Visitor(app)
    visitor.log_in("alice")
    token = visitor.token("/io/")
    ask = {"base_url": visitor.base, "headers": {"Origin": visitor.base}}
    answers = [visitor.client.get(f"/io/?wsguard_token={token}", **ask) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 403]
    assert answers[0].text == "alice"
    assert "token_used" in answers[1].text
