"""Flask-SocketIO on a real server, with python-socketio's client and socket.io's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import socketio

from tests.wire import Browser, browsers

from .examples import FOLDER, serving
from .pages import LOG_IN, MODULES, need_node, page

pytestmark = pytest.mark.slow

PATH = "/socket.io/"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the example under gthread."""
    log = tmp_path_factory.mktemp("socketio") / "log"
    with serving("with_flask_socketio", log) as port:
        yield port


@pytest.fixture
def alice(port: int) -> Iterator[Browser]:
    """Return a browser in which alice has logged in."""
    with browsers(port) as make:
        yield make().log_in("alice")


class Client:
    """python-socketio's client, with the cookies of a browser; ``refused`` is what it was told."""

    def __init__(self, browser: Browser, token: str | None) -> None:
        self.refused: Any = None
        self.gone = threading.Event()
        self.client = socketio.Client(reconnection=False)
        self.client.on("connect_error", self._keep)
        self.client.on("disconnect", lambda reason: self.gone.set())
        cookies = "; ".join(f"{name}={value}" for name, value in browser.jar.items())
        query = "" if token is None else f"?wsguard_token={token}"
        try:
            self.client.connect(
                f"http://localhost:{browser.port}{query}",
                headers={"Cookie": cookies},  # it sends Origin by itself
                transports=["websocket"],
            )
        except socketio.exceptions.ConnectionError:
            pass

    def _keep(self, why: Any) -> None:
        self.refused = why

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()

    def who(self) -> Any:
        """Ask whom the socket belongs to."""
        heard: list[Any] = []
        told = threading.Event()
        self.client.on("who", lambda user: (heard.append(user), told.set()))
        self.client.emit("who")
        assert told.wait(10)
        return heard[0]


def test_ticket_and_token_open_a_socket_that_knows_its_user(alice: Browser) -> None:
    """Preauth knows the declared path; later events read current_ticket."""
    with Client(alice, alice.preauth(PATH).token) as client:
        assert (client.refused, client.who()) == (None, "alice")


def test_no_token_or_a_token_without_its_ticket_is_refused_with_the_reason(
    alice: Browser,
) -> None:
    """ConnectionRefusedError carries the reason to the client, behind the 101."""
    with Client(alice, None) as client:
        assert client.refused == {"message": "token_missing"}
    token = alice.preauth(PATH).token
    for name in alice.tickets:
        alice._jar.pop(name)
    with Client(alice, token) as client:
        assert client.refused == {"message": "ticket_missing"}


def test_ended_session_and_long_polling_are_refused(alice: Browser) -> None:
    """A ticket fetched before the logout opens nothing after it; polling is no transport here."""
    grant = alice.preauth(PATH)
    session = alice.jar["session"]
    alice.log_out()
    alice._jar["session"] = (session, float("inf"))
    alice._jar[grant.cookie] = (grant.ticket, float("inf"))
    with Client(alice, grant.token) as client:
        assert client.refused == {"message": "session_ended"}
    assert alice.fetch("GET", f"{PATH}?EIO=4&transport=polling").status == 400


def test_foreign_origin_is_refused_before_the_upgrade(alice: Browser) -> None:
    """The engine below socket.io checks Origin itself; the guard would refuse it too."""
    attempt = alice.attempt(PATH, alice.preauth(PATH))
    attempt.query += b"&EIO=4&transport=websocket"
    attempt.put(b"Origin", b"https://evil.example.net")
    assert alice.send(attempt).answer().status == 400
    attempt.put(b"Origin", alice.origin.encode())
    assert alice.send(attempt).answer().status == 101


def test_logout_closes_the_sockets_of_the_example(alice: Browser) -> None:
    """The example's own receiver does it."""
    with Client(alice, alice.preauth(PATH).token) as client:
        assert client.who() == "alice"
        alice.log_out()
        assert client.gone.wait(10)


def test_socket_io_in_a_page_sends_a_fresh_token_each_time(port: int) -> None:
    """The example's script, as it stands: connected, told who, and again after a drop."""
    need_node("socket.io-client")
    script = (FOLDER / "with_flask_socketio.js").read_text(encoding="utf-8")
    watch = """
    var asked = 0;
    function ask() { socket.emit('who'); }
    socket.on('connect', ask);
    socket.on('connect_error', function (error) { tell('refused', error.message); });
    socket.on('who', function (user) {
      tell('who', user, socket.io.opts.query.wsguard_token);
      if (!asked++) { socket.io.engine.close(); }
    });
    """
    client = MODULES / "socket.io-client" / "dist" / "socket.io.js"
    code = f"function run() {{ {script} {watch} }} {LOG_IN}"
    with page(f"http://localhost:{port}/", code, client) as visit:
        first, second = visit.heard(), visit.heard()
    assert first[:2] == second[:2] == ["who", "alice"]
    assert first[2] != second[2]
