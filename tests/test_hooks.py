"""What login, logout and the end of a request do to sockets; what the server is told."""

from __future__ import annotations

import logging
import socket
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask, request
from flask_login import user_logged_out
from werkzeug.middleware.proxy_fix import ProxyFix
from wsproto.utilities import LocalProtocolError

from flask_wsguard import (
    ConfigError,
    Identity,
    Refusal,
    ScopeMissing,
    gate,
    handshake_accepted,
    ws_protected,
)
from flask_wsguard.core.tickets import Ticket
from flask_wsguard.live import timer
from flask_wsguard.live.connection import Connection
from flask_wsguard.live.sockets import Sockets, drain_all
from flask_wsguard.servers import (
    EVERY_THREAD,
    IN_A_TEST,
    NO_SOCKET,
    ONE_SOCKET,
    UNPATCHED_GEVENT,
    advice,
    fault_of,
)
from flask_wsguard.verdicts import Admitted, Observed, connection_of, set_connection, set_verdict
from tests.sites import User, make_site
from tests.visitor import Visitor

GOOD_OPTIONS = {"ping_interval": 25, "max_message_size": 65536}


def hold(app: Flask, user_id: str, session: str = "") -> Connection:
    """Hold a socket of a user, as a handler would."""
    ticket = Ticket("i" * 22, user_id, frozenset(), "b", session, 0, 30)
    connection = Connection(ticket, "/any")
    assert app.extensions["wsguard"].sockets.take(connection)
    return connection


@pytest.mark.parametrize("closes", [True, False], ids=["closes", "switched-off"])
def test_logout_of_a_session_without_a_nonce_closes_those_of_its_user(closes: bool) -> None:
    """Remembered browsers cannot be told apart; others of the user, and other users, stay."""
    app = make_site(WSGUARD_DISCONNECT_ON_LOGOUT=closes)
    keys = app.extensions["wsguard"].expected.keys
    visitor = Visitor(app)
    with visitor.client.session_transaction(base_url=visitor.base) as session:
        session["_user_id"] = "alice"
        session["_fresh"] = True
    remembered = hold(app, "alice", keys.fingerprint("alice", None))
    logged_in = hold(app, "alice", keys.fingerprint("alice", "a nonce"))
    other = hold(app, "bob", keys.fingerprint("bob", None))
    visitor.log_out()
    assert [one.is_closing for one in (remembered, logged_in, other)] == [closes, False, False]


@pytest.mark.parametrize("as_user", ["alice", "bob"])
def test_second_login_closes_what_a_session_without_a_nonce_holds(as_user: str) -> None:
    """The login that is replaced is the one that the cookie names, nonce or none."""
    app = make_site()
    keys = app.extensions["wsguard"].expected.keys
    visitor = Visitor(app)
    with visitor.client.session_transaction(base_url=visitor.base) as session:
        session["_user_id"] = "alice"
    remembered = hold(app, "alice", keys.fingerprint("alice", None))
    other = hold(app, "alice", keys.fingerprint("alice", "another browser's nonce"))
    visitor.log_in(as_user)
    assert [remembered.is_closing, other.is_closing] == [True, False]


@pytest.mark.parametrize("recheck", [True, False])
def test_logout_closes_the_sessions_sockets_whether_or_not_it_is_compared(recheck: bool) -> None:
    """Where no session is asked at the handshake, the ticket says which one a socket is of."""
    app = make_site(WSGUARD_RECHECK_SESSION=recheck)
    alice, again = Visitor(app), Visitor(app)
    mine, others = handlers_of(app, alice), handlers_of(app, again)
    alice.log_out()
    assert [mine.is_closing, others.is_closing] == [True, False]


def handlers_of(app: Flask, visitor: Visitor) -> Connection:
    """Log alice in, open a socket, and hold it still."""
    held: list[Any] = []
    visitor.log_in("alice")
    with handshake_accepted.connected_to(
        lambda app, **_: held.append(connection_of(request.environ))
    ):
        give_back, gate.give_back_slot = gate.give_back_slot, lambda app, environ: None
        try:
            assert visitor.connect("/any", visitor.token("/any")).reason is None
        finally:
            gate.give_back_slot = give_back
    return held[0]


def test_logout_elsewhere_is_told_by_fingerprint_where_no_session_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other processes know no nonce of their sockets either."""
    app = make_site(WSGUARD_RECHECK_SESSION=False)
    visitor = Visitor(app)
    visitor.log_in("alice")
    ticket = visitor.connect("/any", visitor.token("/any")).ticket
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(app.extensions["wsguard"].bus, "tell", lambda **fields: told.append(fields))
    visitor.log_out()
    assert [set(fields) for fields in told] == [{"ended"}, {"session", "code", "reason"}]
    assert told[1] == {"session": ticket.session, "code": 4401, "reason": "session_ended"}


def test_logout_knows_the_user_by_the_sites_own_id_attribute() -> None:
    """The id in tickets and the id at logout are the same, whatever the site calls it."""
    app = make_site()
    app.login_manager.id_attribute = "get_number"  # type: ignore[attr-defined]

    class Numbered(User):
        def get_number(self) -> int:
            return 7

        def get_id(self) -> str:
            return "another name"

    app.login_manager.user_loader(Numbered)  # type: ignore[attr-defined]
    keys = app.extensions["wsguard"].expected.keys
    visitor = Visitor(app)
    with visitor.client.session_transaction(base_url=visitor.base) as session:
        session["_user_id"] = "7"
        session["_fresh"] = True
    connection = hold(app, "7", keys.fingerprint("7", None))
    visitor.log_out()
    assert connection.is_closing


def test_cookie_of_a_session_that_has_ended_opens_nothing() -> None:
    """It is still signed, and names its user; only the record knows that it is over."""
    visitor = Visitor(make_site())
    visitor.log_in("alice")
    token, kept = visitor.token("/any"), visitor.cookie_header()
    assert visitor.connect("/any", token, cookies=kept).reason is None
    visitor.log_out()
    outcome = visitor.connect("/any", token, cookies=kept)
    # Not "during the handshake", as the second look says behind the slot.
    assert (outcome.reason, outcome.detail) == ("session_ended", "logged out")
    assert visitor.preauth("/any", cookies=kept).json["reason"] == "session_ended"


def test_logout_of_nobody_does_nothing() -> None:
    """A logout button pressed twice."""
    app = make_site()
    connection = hold(app, "alice")
    assert Visitor(app).log_out().status_code == 200
    assert not connection.is_closing


def test_logout_signal_without_a_user_still_ends_the_session() -> None:
    """A site's own logout may send Flask-Login's signal bare: the nonce says whose end it is."""
    app = make_site()
    state = app.extensions["wsguard"]

    @app.post("/leave")
    def leave() -> str:
        user_logged_out.send(app)
        return "gone"

    visitor = Visitor(app)
    visitor.log_in("alice")
    with visitor.client.session_transaction(base_url=visitor.base) as session:
        nonce = session["_wsguard"]
    assert visitor.client.post("/leave", base_url=visitor.base).status_code == 200
    assert state.ended.holds(nonce)
    with visitor.client.session_transaction(base_url=visitor.base) as session:
        assert "_wsguard" not in session


@pytest.mark.parametrize("closes", [True, False], ids=["closes", "switched-off"])
def test_second_login_ends_the_first(closes: bool) -> None:
    """Whoever logs in anew in a browser leaves the earlier login's sockets behind."""
    app = make_site(WSGUARD_DISCONNECT_ON_LOGOUT=closes)
    visitor = Visitor(app)
    visitor.log_in("alice")
    token = visitor.token("/any")
    registry = app.extensions["wsguard"].sockets.registry
    held: list[Connection] = []
    take = registry.take

    def keep(connection: Connection) -> bool:
        held.append(connection)
        return take(connection)

    type(registry).take, original = staticmethod(keep), type(registry).take
    try:
        assert visitor.connect("/any", token).reason is None
    finally:
        type(registry).take = original
    assert take(held[0])
    visitor.log_in("alice")
    assert held[0].is_closing is closes


def test_logout_between_verdict_and_slot_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep found no socket yet, so the handshake looks again behind its slot."""
    app = make_site()
    visitor = Visitor(app)
    visitor.log_in("alice")
    token = visitor.token("/any")
    other = Visitor(app)
    other.client._cookies.update(visitor.client._cookies)
    sockets = app.extensions["wsguard"].sockets
    take = sockets.take

    def log_out_first(connection: Connection) -> bool:
        assert other.log_out().status_code == 200
        return take(connection)

    monkeypatch.setattr(sockets, "take", log_out_first)
    outcome = visitor.connect("/any", token)
    assert outcome.reason == "session_ended"
    assert outcome.detail == "logged out during the handshake"
    assert len(sockets.registry) == 0


def test_csrf_protection_exempts_preauth_alone_and_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whichever extension came first: at the first preauth, and at no other request."""

    class Protection:
        def __init__(self) -> None:
            self.exempted: list[Any] = []

        def exempt(self, blueprint: Any) -> None:
            self.exempted.append(blueprint)

    caplog.set_level(logging.INFO)
    app = make_site()
    app.extensions["csrf"] = protection = Protection()
    visitor = Visitor(app)
    for path in ("/", "/nowhere"):
        visitor.client.get(path, base_url=visitor.base)
    visitor.connect("/any")
    assert protection.exempted == []
    for _ in range(2):
        visitor.preauth("/any")
    assert protection.exempted == [app.blueprints["wsguard"]]
    said = [record.getMessage() for record in caplog.records]
    assert sum("CSRFProtect asks preauth for no token" in line for line in said) == 1


class FakeSocket:
    """A handler's socket that notes how it was closed, over one that has room."""

    def __init__(self) -> None:
        self.closed: list[Any] = []
        self.sock = self
        self._ours, self._theirs = socket.socketpair()

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    def shutdown(self, how: int) -> None:
        self.closed.append("cut")

    def fileno(self) -> int:
        return self._ours.fileno()

    def setsockopt(self, *args: Any) -> None:
        pass

    def __del__(self) -> None:
        self._ours.close()
        self._theirs.close()


def run_attached(app: Flask, connection: Connection, view: Any, path: str = "/any") -> FakeSocket:
    """Run a protected view under a verdict with this connection."""
    ws = FakeSocket()
    assert connection.ticket
    with app.test_request_context(quote(path)) as context:
        set_verdict(context.request.environ, Admitted(connection.ticket, path))
        set_connection(context.request.environ, connection)
        ws_protected(view)(ws)
    return ws


def test_handler_of_a_socket_that_is_closing_does_not_run() -> None:
    """A disconnect between verdict and handler is not lost."""
    app = make_site()
    connection = hold(app, "alice")
    connection.close(4401, "disconnected")
    ran: list[Any] = []
    run_attached(app, connection, lambda ws: ran.append(ws))
    assert ran == []


def test_scope_missing_closes_and_cuts() -> None:
    """4403, nobody waits for the peer, and the connection knows why it was closed."""

    def view(ws: Any) -> None:
        raise ScopeMissing("admin")

    app = make_site()
    connection = hold(app, "alice")
    assert run_attached(app, connection, view).closed == [(4403, "scope_missing"), "cut"]
    assert (connection.code, connection.reason) == (4403, "scope_missing")


def test_a_path_writes_no_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """It is the visitor's, who may put a line feed in it."""

    def view(ws: Any) -> None:
        raise ScopeMissing("admin")

    app = make_site()
    run_attached(app, hold(app, "alice"), view, "/say/x\nCRITICAL all is lost\x1b[2J")
    assert r"closing a socket on '/say/x\nCRITICAL all is lost\x1b[2J'" in caplog.text


def test_handler_that_ends_while_its_socket_is_closing_is_cut() -> None:
    """It came to its next read behind the close frame; nobody waits for a silent peer."""
    app = make_site()
    connection = hold(app, "alice")
    ws = run_attached(app, connection, lambda ws: connection.close(4401, "session_ended"))
    assert ws.closed == [(4401, "session_ended"), "cut"]
    left_alone = run_attached(app, hold(app, "bob"), lambda ws: None)
    assert left_alone.closed == []


@pytest.mark.parametrize("fault", [BrokenPipeError, LocalProtocolError])
def test_send_that_fails_because_the_socket_was_closed_is_no_fault(fault: type[Exception]) -> None:
    """A handler that was sending when a disconnect came leaves no traceback; others do."""
    app = make_site()
    connection = hold(app, "alice")

    def cut_off(ws: Any) -> None:
        connection.code = 4401
        raise fault("sent behind the close frame")

    run_attached(app, connection, cut_off)

    def broken(ws: Any) -> None:
        raise fault("of the site's own making")

    with pytest.raises(fault):
        run_attached(app, hold(app, "alice"), broken)


def behind_middleware(app: Flask) -> None:
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]


@pytest.mark.parametrize("prepare", [None, behind_middleware], ids=["first", "behind-middleware"])
def test_slot_is_given_back_though_a_teardown_function_raises(prepare: Any) -> None:
    """Flask calls no teardown function behind one that raises; the guard's need not be one."""
    app = make_site(prepare, WSGUARD_MAX_CONNECTIONS=1)
    assert app.extensions["wsguard"].has_early_gate is (prepare is None)
    app.testing = False

    @app.teardown_request
    def broken(error: BaseException | None) -> None:
        raise ZeroDivisionError

    visitor = Visitor(app)
    with pytest.raises(ZeroDivisionError):
        visitor.log_in("alice")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            visitor.connect("/ticker")
    assert len(app.extensions["wsguard"].sockets.registry) == 0


def test_revalidation_asks_reload_then_flask_login_then_scopes() -> None:
    """A loader of the site is asked in front of Flask-Login; a user who is gone is None."""
    app = make_site(WSGUARD_REVALIDATE_EVERY=60)
    guard = app.extensions["test_guard"]
    known: dict[str, object] = {"device-1": object()}
    guard.scopes_loader(lambda user: {"read"} if user in known.values() else {"login"})
    guard.identity_loader(ambient=False, reload=known.get)(lambda request: None)
    revalidation = app.extensions["wsguard"].sockets.revalidation
    assert (revalidation._every, revalidation._most) == (60, 3)
    assert revalidation._ask("device-1") == {"read"}
    assert revalidation._ask("alice") == {"login"}
    app.login_manager.user_loader(lambda user_id: None)  # type: ignore[attr-defined]
    assert revalidation._ask("alice") is None


def test_users_of_a_request_loader_alone_are_not_taken_for_gone() -> None:
    """Nothing finds them again: that is a fault, which is logged, and no answer."""
    app = make_site(WSGUARD_REVALIDATE_EVERY=60)
    app.login_manager._user_callback = None  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="give Flask-Login a user_loader"):
        app.extensions["wsguard"].sockets.revalidation._ask("alice")


def test_inactive_user_is_gone_at_revalidation() -> None:
    """Flask-Login says ``is_authenticated`` False of a deactivated user."""
    app = make_site(WSGUARD_REVALIDATE_EVERY=60)

    class Inactive:
        is_authenticated = False

    app.login_manager.user_loader(lambda user_id: Inactive())  # type: ignore[attr-defined]
    assert app.extensions["wsguard"].sockets.revalidation._ask("alice") is None


def test_site_without_flask_login_finds_nobody_again() -> None:
    """Its reload is all there is."""
    from flask_wsguard import WSGuard

    app = Flask("x")
    app.config.update(SECRET_KEY="k" * 32, WSGUARD_REVALIDATE_EVERY=60)
    guard = WSGuard(app)
    guard.identity_loader(reload=lambda user_id: None)(lambda request: Identity("x", object()))
    assert app.extensions["wsguard"].sockets.revalidation._ask("x") is None


@pytest.mark.parametrize("first", ["init_app", "loader"])
def test_revalidation_without_reload_is_a_config_error(first: str) -> None:
    """Whichever comes first: there is no request in which to ask the loader again."""
    from flask_wsguard import WSGuard

    app = Flask("x")
    app.config.update(SECRET_KEY="k" * 32, WSGUARD_REVALIDATE_EVERY=60)
    guard = WSGuard()
    if first == "init_app":
        guard.init_app(app)
        with pytest.raises(ConfigError) as caught:
            guard.identity_loader(lambda request: None)
    else:
        guard.identity_loader(lambda request: None)
        with pytest.raises(ConfigError) as caught:
            guard.init_app(app)
    assert caught.value.faults == (
        "WSGUARD_REVALIDATE_EVERY needs a way to find users again: "
        "@guard.identity_loader(reload=<user id -> user or None>)",
    )


def test_guard_drains() -> None:
    """All sockets, spread over the seconds given; the count is of those meant."""
    app = make_site()
    connections = [hold(app, "alice") for _ in range(2)]
    with app.app_context():
        assert app.extensions["test_guard"].drain(10) == 2
    assert connections[0].drain_at != connections[1].drain_at


def test_guard_drains_as_slowly_as_it_is_told() -> None:
    """In the seconds of the setting, in those of the call, and at once for none: 39 steps of 40."""
    app = make_site(WSGUARD_DRAIN_SECONDS=500)
    connections = [hold(app, f"user {number}") for number in range(40)]

    def spread(*seconds: float) -> float:
        with app.app_context():
            app.extensions["test_guard"].drain(*seconds)
        ends = [connection.drain_at for connection in connections]
        return max(ends) - min(ends)

    assert spread() == pytest.approx(487.5)
    assert spread(40) == pytest.approx(39)
    assert spread(0) == 0


@pytest.mark.parametrize("by", ["user_id", "session", "ticket_id"])
def test_guard_disconnects_whom_each_field_names(by: str) -> None:
    """And nobody else; the peer reads that it may sign in again, and why."""
    app = make_site()
    meant, other = (
        Connection(Ticket(name * 22, name, frozenset(), "b", f"session {name}", 0, 30), "/any")
        for name in "ab"
    )
    for connection in (meant, other):
        assert app.extensions["wsguard"].sockets.take(connection)
    named = {"user_id": "a", "session": "session a", "ticket_id": "a" * 22}[by]
    with app.app_context():
        assert app.extensions["test_guard"].disconnect(**{by: named}) == 1
    assert (meant.code, meant.reason) == (4401, "disconnected")
    assert not other.is_closing
    with app.app_context():
        assert app.extensions["test_guard"].disconnect(code=4499, reason="closed for today") == 1
    assert (other.code, other.reason) == (4499, "closed for today")


STORED = {"WSGUARD_STORAGE_URI": "redis://localhost"}
IN_ONE_PROCESS = "WSGUARD_SINGLE_USE without WSGUARD_STORAGE_URI holds in one process only"
OBSERVING = "WSGUARD_ENFORCE is off: handshakes that should be refused are let through and reported"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, []),
        ({"WSGUARD_SINGLE_USE": True}, [IN_ONE_PROCESS]),
        (STORED, []),
        ({"WSGUARD_SINGLE_USE": True, **STORED}, []),
        ({"WSGUARD_ENFORCE": False}, [OBSERVING]),
    ],
    ids=["default", "single-use", "store", "single-use-with-a-store", "observe-only"],
)
def test_what_is_said_at_start_up(
    config: dict[str, Any], says: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """What is weaker than it looks is one line; what is not says nothing."""
    make_site(**config)
    assert [record.getMessage() for record in caplog.records] == says


def test_drain_all_reaches_every_app_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tickers of the timer are not sockets."""
    monkeypatch.setattr(Sockets, "is_leaving", False)

    class Other(timer.Ticker):
        def tick(self, now: float) -> bool:
            return False

    other = Other()
    timer.TIMER.watch(other)
    apps = [make_site(), make_site()]
    connections = [hold(app, "alice") for app in apps]
    drain_all()
    assert all(one.drain_at < float("inf") for one in connections)
    del other


GTHREAD = {"gunicorn.socket": None, "wsgi.multithread": True}
AS_MANY = (
    "WSGUARD_MAX_CONNECTIONS is 90, and of this worker's 90 threads each open socket holds one: "
    "with all held the site hangs. Set it some way below --threads"
)


@pytest.mark.parametrize(
    ("environ", "threads", "cap", "lines"),
    [
        ({"werkzeug.socket": 1}, None, None, []),
        ({"gunicorn.socket": 1}, None, None, [ONE_SOCKET]),
        (GTHREAD, None, None, [EVERY_THREAD]),
        (GTHREAD, None, 90, []),
        (GTHREAD, 100, None, [EVERY_THREAD]),
        (GTHREAD, 91, 90, []),
        (GTHREAD, 90, 90, [AS_MANY]),
        (GTHREAD, 4, 90, [AS_MANY.replace("90 threads", "4 threads")]),
    ],
    ids=["werkzeug", "sync", "gthread", "capped", "known", "fewer", "as-many", "more"],
)
def test_advice_on_the_server(
    environ: dict[str, Any],
    threads: int | None,
    cap: int | None,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What will hurt later is said at the first socket."""
    monkeypatch.setattr("flask_wsguard.servers.threads_of_worker", threads)
    assert list(advice(environ, GOOD_OPTIONS, cap, ("query",))) == lines


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({}, "sets no ping_interval and no max_message_size,"),
        ({"ping_interval": 25}, "sets no max_message_size,"),
        ({"max_message_size": 1, "ping_interval": 0}, "sets no ping_interval,"),
    ],
    ids=["both", "size", "ping"],
)
def test_advice_on_the_options(options: dict[str, Any], missing: str) -> None:
    """With the values to set."""
    (line,) = advice({"werkzeug.socket": 1}, options, None, ("query",))
    assert missing in line
    assert '{"ping_interval": 25, "max_message_size": 65536}' in line


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"wsgi.input": BytesIO()}, IN_A_TEST),
        ({"wsgi.input": BytesIO(), "SERVER_SOFTWARE": "bjoern"}, NO_SOCKET),
        ({"wsgi.input": object()}, NO_SOCKET),
        ({}, NO_SOCKET),
    ],
    ids=["test-client", "named-server", "another-input", "no-input"],
)
def test_a_test_client_is_told_from_a_server(environ: dict[str, Any], fault: str) -> None:
    """The operator of a server reads about servers, the developer of a test about tests."""
    assert fault_of(environ) == fault


def test_gevent_must_be_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpatched, closing a socket from elsewhere would reach across real threads."""
    environ = {"SERVER_SOFTWARE": "gevent/26"}
    monkeypatch.setattr("flask_wsguard.servers.is_gevent_patched", lambda: False)
    assert fault_of(environ) == UNPATCHED_GEVENT
    # uWSGI has sockets, and gives none of them away.
    assert fault_of({"uwsgi.version": b"2.0.30", "wsgi.multithread": True}) == NO_SOCKET
    monkeypatch.setattr("flask_wsguard.servers.is_gevent_patched", lambda: True)
    assert fault_of(environ) is None


def test_advice_is_given_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not at every socket."""
    caplog.set_level(logging.WARNING)
    app = make_site()
    visitor = Visitor(app)
    overrides = {"werkzeug.socket": object()}
    for _ in range(2):
        visitor.log_in("alice")
        with pytest.raises(AssertionError):
            visitor.connect("/any", visitor.token("/any"), environ_overrides=overrides)
    assert sum("SOCK_SERVER_OPTIONS" in record.message for record in caplog.records) == 1


def test_scope_missing_without_a_connection_closes() -> None:
    """Observe-only mode lets sockets in for which no slot was taken."""

    def view(ws: Any) -> None:
        raise ScopeMissing("admin")

    ws = FakeSocket()
    with make_site().test_request_context("/any") as context:
        set_verdict(context.request.environ, Observed(Refusal.TOO_MANY_CONNECTIONS))
        ws_protected(view)(ws)
    assert ws.closed == [(4403, "scope_missing")]
