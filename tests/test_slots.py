"""What the guard knows of a socket between verdict and end, and what it tells of it."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
from flask import copy_current_request_context
from flask_login import current_user
from flask_sock import Sock
from werkzeug.test import TestResponse

from flask_wsguard import connection_closed, connection_opened, ws_protected, ws_public
from flask_wsguard.live.connection import Connection
from flask_wsguard.live.registry import Selector
from flask_wsguard.servers import EVERY_THREAD, IN_A_TEST, NO_OWN_PROTOCOL, NO_SOCKET
from flask_wsguard.stores import StoreUnavailable
from flask_wsguard.stores.memory import MemoryStore
from flask_wsguard.testing import connect as open_socket

from .sites import make_site
from .visitor import ORIGIN, UPGRADE, Visitor

SCOPES = {"chat:read", "chat:write"}
MARKS: dict[str, tuple[Any, float, set[str]]] = {
    "plain": (ws_protected, 600, set()),
    "short": (ws_protected(max_age=5), 5, set()),
    "long": (ws_protected(max_age=7200), 600, set()),
    "scopes": (ws_protected(scopes=SCOPES), 600, SCOPES),
    "public": (ws_public, math.inf, set()),
}


def connect(visitor: Visitor, path: str, **environ: Any) -> TestResponse:
    """Ask preauth for a path and connect; the view is a page, so there is an answer."""
    token = visitor.preauth(path).json["token"]
    return visitor.client.get(
        path,
        base_url=ORIGIN,
        query_string={"wsguard_token": token} if token else {},
        headers={**UPGRADE, "Origin": ORIGIN},
        environ_overrides=environ,
    )


@pytest.mark.parametrize(("mark", "max_age", "demanded"), MARKS.values(), ids=MARKS)
def test_slot_knows_what_mark_ticket_and_server_say(
    mark: Any, max_age: float, demanded: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long it may live, which scopes it needs, whose it is, and what there is to cut."""
    app = make_site(WSGUARD_MAX_CONNECTION_AGE=600)
    app.add_url_rule("/caf\u00e9/x", "marked", mark(lambda: "ran"), websocket=True)
    taken: list[Connection] = []
    monkeypatch.setattr(app.extensions["wsguard"].sockets, "take", lambda it: not taken.append(it))
    visitor, raw = Visitor(app), object()
    visitor.log_in("alice")
    with visitor.client.session_transaction(base_url=ORIGIN) as session:
        nonce = session["_wsguard"]
    assert connect(visitor, "/caf\u00e9/x", **{"gunicorn.socket": raw}).text == "ran"
    (connection,) = taken
    assert (connection.max_age, connection.demanded) == (max_age, demanded)
    assert (connection.path, connection._raw) == ("/caf\u00e9/x", raw)
    whose = (connection.ticket.user_id, connection.nonce) if connection.ticket else None
    assert whose == (None if mark is ws_public else ("alice", nonce))


def test_opened_and_closed_are_told() -> None:
    """With all that the module of the signals documents; nobody closed it, so there is no code."""
    app = make_site()
    app.add_url_rule("/page", "page", ws_protected(lambda: "ran"), websocket=True)
    visitor = Visitor(app)
    visitor.log_in("alice")
    heard: list[tuple[Any, dict[str, Any]]] = []

    def hear(sender: Any, **facts: Any) -> None:
        heard.append((sender, facts))

    with connection_opened.connected_to(hear), connection_closed.connected_to(hear):
        connect(visitor, "/page", **{"werkzeug.socket": object()})
    (opener, opened), (closer, closed) = heard
    ticket = opened["ticket"]
    assert opener is closer is app
    assert (ticket.user_id, opened) == ("alice", {"path": "/page", "ticket": ticket})
    assert 0 <= closed.pop("seconds") < 60
    assert closed == {"path": "/page", "ticket": ticket, "code": None, "reason": ""}


def test_socket_that_is_only_observed_is_held_and_told_as_a_public_one() -> None:
    """Nothing says whose it is; but it can be cut, and both its ends are told."""
    app = make_site(WSGUARD_ENFORCE=False)
    app.add_url_rule("/caf\u00e9/x", "page", ws_protected(lambda: "ran"), websocket=True)
    visitor, raw = Visitor(app), object()
    held: list[Connection] = []
    heard: list[tuple[Any, dict[str, Any]]] = []

    def hear(sender: Any, **facts: Any) -> None:
        held.extend(app.extensions["wsguard"].sockets.registry.select(Selector()))
        heard.append((sender, facts))

    with connection_opened.connected_to(hear), connection_closed.connected_to(hear):
        answer = visitor.client.get(
            "/caf\u00e9/x",
            base_url=ORIGIN,
            headers={**UPGRADE, "Origin": "https://evil.example"},
            environ_overrides={"werkzeug.socket": raw},
        )
    assert answer.text == "ran"
    (connection,) = held
    assert (connection.ticket, connection.path, connection._raw) == (None, "/caf\u00e9/x", raw)
    (opener, opened), (closer, closed) = heard
    assert opener is closer is app
    assert opened == {"path": "/caf\u00e9/x", "ticket": None}
    assert closed["path"] == "/caf\u00e9/x"


def test_two_tokens_of_one_user_are_two() -> None:
    """Spending one spends no other."""
    app = make_site(WSGUARD_SINGLE_USE=True)
    visitor = Visitor(app)
    visitor.log_in("alice")
    tokens = [visitor.token("/any") for _ in range(2)]
    assert [visitor.connect("/any", token).reason for token in tokens] == [None, None]
    assert visitor.connect("/any", tokens[0]).reason == "token_used"


def test_ordinary_pages_and_refusals_are_no_sockets() -> None:
    """Nothing is told of them, neither an opening nor an end."""
    visitor = Visitor(make_site())
    heard: list[Any] = []
    with connection_opened.connected_to(heard.append), connection_closed.connected_to(heard.append):
        assert visitor.client.get("/", base_url=ORIGIN).status_code == 200
        assert visitor.connect("/any").reason == "token_missing"
    assert heard == []


@pytest.mark.parametrize(
    ("environ", "fault"),
    [({}, IN_A_TEST), ({"SERVER_SOFTWARE": "waitress"}, NO_SOCKET)],
    ids=["test-client", "server"],
)
def test_who_hands_no_socket_is_told_in_plain_text(
    environ: dict[str, Any], fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The page's developer reads the sentence, and the operator an error."""
    visitor = Visitor(make_site())
    answer = connect(visitor, "/ticker", **environ)
    assert (answer.status_code, answer.text) == (500, f"{fault}\n")
    assert answer.content_type == "text/plain; charset=utf-8"
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == [fault]


GTHREAD = {"gunicorn.socket": object(), "wsgi.multithread": True}
GOOD = {"ping_interval": 25, "max_message_size": 65536}
BOTH = {"WSGUARD_TOKEN_CARRIERS": ("query", "subprotocol")}


@pytest.mark.parametrize(
    ("config", "options", "lines"),
    [
        ({}, GOOD, [EVERY_THREAD]),
        ({"WSGUARD_MAX_CONNECTIONS": 90}, GOOD, []),
        ({"WSGUARD_MAX_CONNECTIONS": 90, **BOTH}, GOOD, [NO_OWN_PROTOCOL]),
    ],
    ids=["no-cap", "capped", "options-set-late"],
)
def test_advice_is_on_this_site(
    config: dict[str, Any],
    options: dict[str, Any],
    lines: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its own cap, carriers and options, as they are at the first socket."""
    app = make_site(**config)
    app.config["SOCK_SERVER_OPTIONS"] = options
    app.add_url_rule("/page", "page", ws_public(lambda: "ran"), websocket=True)
    assert connect(Visitor(app), "/page", **GTHREAD).text == "ran"
    assert [record.getMessage() for record in caplog.records] == lines


class Away(MemoryStore):
    """A store that does not answer."""

    def spend(self, token_id: str, seconds: int) -> bool:
        raise StoreUnavailable("the disk is full")


def test_store_that_is_away_is_told_with_its_own_words() -> None:
    """The log says why single use refused."""
    app = make_site(WSGUARD_SINGLE_USE=True)
    visitor = Visitor(app)
    visitor.log_in("alice")
    token = visitor.token("/any")
    app.extensions["wsguard"].store._store = Away()
    outcome = visitor.connect("/any", token)
    assert (outcome.reason, outcome.detail) == ("store_unavailable", "the disk is full")


def test_copied_context_that_ends_leaves_the_socket_in_its_slot() -> None:
    """A thread that a handler starts has the same environ, and no say on the socket's end."""
    app, ended = make_site(), threading.Event()

    @Sock(app).route("/helped")
    @ws_protected
    def helped(ws: Any) -> None:
        @copy_current_request_context
        def help_out() -> None:
            ws.send(current_user.get_id())

        thread = threading.Thread(target=help_out)
        thread.start()
        thread.join()
        ended.set()
        ws.receive()

    closed: list[Any] = []

    def hear(_: Any, **facts: Any) -> None:
        closed.append(facts["code"])

    client = app.test_client()
    client.post("/login/alice", base_url=ORIGIN)
    with (
        connection_closed.connected_to(hear),
        open_socket(client, "/helped", base_url=ORIGIN) as socket,
    ):
        assert socket.receive() == "alice"
        assert ended.wait(5)
        assert (len(app.extensions["wsguard"].sockets.registry), closed) == (1, [])
        client.post("/logout", base_url=ORIGIN)
        assert socket.wait_closed(5).code == 4401
    assert closed == [4401]
