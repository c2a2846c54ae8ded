"""Servers that can serve one socket, or none: they get a sentence instead of a riddle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire import browsers

from .conftest import Server, running

pytestmark = pytest.mark.slow

ONE_SOCKET = (
    "gunicorn's sync worker serves one socket, and nothing else meanwhile: "
    "start it with --worker-class gthread --threads 100, or gevent"
)
NO_SOCKET = (
    "This server hands no socket to the app, so it cannot serve WebSockets: use gunicorn "
    "(gthread or gevent), gevent.pywsgi or Werkzeug's threaded server."
)


@pytest.fixture(params=["waitress", "wsgiref"])
def socketless(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """Each of the servers that hand no socket to the app."""
    with running(request.param, tmp_path) as server:
        yield server


def test_gunicorn_sync_serves_one_socket_and_warns_once(tmp_path: Path) -> None:
    """It works, one socket at a time, and the log says once that it is no server for many."""
    with running("sync", tmp_path) as server, browsers(server.port) as make:
        alice = make().log_in("alice")
        for _ in range(3):
            wire = alice.open()
            assert wire.text() == "alice alice"
            assert wire.say("hello") == "hello"
            wire.close()
        assert alice.send(alice.attempt()).answer().status == 403
        assert server.verdicts() == ["token_missing"]
        assert server.log.count(ONE_SOCKET) == 1


def test_other_servers_get_no_warning_about_one_socket(tmp_path: Path) -> None:
    """The warning is for sync alone: gthread hands over the same kind of socket."""
    with running("gthread", tmp_path) as server, browsers(server.port) as make:
        assert make().log_in("alice").open().text() == "alice alice"
        assert ONE_SOCKET not in server.log


def test_server_without_socket_says_so(socketless: Server) -> None:
    """A handshake that is good gets a 500 with our sentence, and no traceback of a library."""
    with browsers(socketless.port) as make:
        alice = make().log_in("alice")
        answer = alice.send(alice.attempt("/echo", alice.preauth())).answer()
        assert answer.status == 500
        assert answer.body.decode() == NO_SOCKET + "\n"
        assert NO_SOCKET in socketless.log
        assert "Traceback" not in socketless.log
        assert "Cannot obtain socket" not in socketless.log
        assert alice.fetch("GET", "/").json["user"] == "alice"


def test_server_without_socket_still_refuses(socketless: Server) -> None:
    """What the server cannot do is told to those who may connect; others get the usual 403."""
    with browsers(socketless.port) as make:
        alice = make().log_in("alice")
        answer = alice.send(alice.attempt()).answer()
        assert (answer.status, socketless.verdicts()) == (403, ["token_missing"])
        assert NO_SOCKET not in socketless.log
