"""One connection: closed once, without waiting for anybody, and cut when its peer says nothing."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from simple_websocket import ConnectionClosed, Server

from flask_wsguard.core.tickets import Ticket
from flask_wsguard.live.connection import Connection
from flask_wsguard.live.sockets import Sockets

from .app import SlowToSleep

ROOT = Path(__file__).parents[2]

UPGRADE = {
    "HTTP_HOST": "localhost",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
}


def connection() -> Connection:
    return Connection(Ticket("t1", "alice", frozenset(), "", "one", 1, 2), "/")


class WebSocket:
    """The handler's socket, reduced to what is used of it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.closed: list[tuple[int, str]] = []

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))
        self.sock.send(b"close frame")


@pytest.fixture
def pair() -> Iterator[tuple[WebSocket, socket.socket]]:
    """Return a handler's socket and its peer's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(5)
        yield WebSocket(ours), theirs


Pair = tuple[WebSocket, socket.socket]


def test_closed_once_by_twenty_threads(pair: Pair) -> None:
    """One close frame, whoever comes first."""
    ws, each = pair[0], connection()
    assert each.attach(ws)
    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(lambda n: each.close(4000 + n, "n"), range(20))) == 1
    assert ws.closed == [(each.code, "n")]


def test_attach_after_close(pair: Pair) -> None:
    """The handler must not run; the peer is told, and then cut off."""
    ws, theirs = pair
    each = connection()
    assert each.close(4401, "late")
    assert not each.attach(ws)
    assert ws.closed == [(4401, "late")]
    assert theirs.recv(99) == b"close frame"
    assert theirs.recv(99) == b""


def test_full_buffer_is_cut_at_once(pair: Pair) -> None:
    """No close frame fits: not tried, not waited for."""
    ws, _ = pair
    ws.sock.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            ws.sock.send(bytes(65536))
    ws.sock.setblocking(True)
    each = connection()
    each.attach(ws)
    begin = time.monotonic()
    assert each.close(4401, "stuck")
    assert time.monotonic() - begin < 0.1
    assert ws.closed == []
    with pytest.raises(BrokenPipeError):
        ws.sock.send(b"x")


def test_room_that_vanishes_before_the_send(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler filled it after the look: the send gives up soon, and the socket is cut."""
    ws, _ = pair
    ws.sock.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            ws.sock.send(bytes(65536))
    ws.sock.setblocking(True)
    monkeypatch.setattr("flask_wsguard.live.connection._has_room", lambda _: True)
    each = connection()
    each.attach(ws)
    begin = time.monotonic()
    assert each.close(4401, "stuck")
    assert time.monotonic() - begin < 1.0
    with pytest.raises(BrokenPipeError):
        ws.sock.send(b"x")


UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import select, socket, time, gevent
from flask_wsguard.live import connection
class WebSocket:
    def __init__(self, sock):
        self.sock = sock
    def close(self, code, reason):
        self.sock.send(b"close frame")
ours, theirs = socket.socketpair()
each = connection.Connection(None, "/")
each.attach(WebSocket(ours))
"""

VANISHING_ROOM = """
ours.setblocking(False)
try:
    while True:
        ours.send(bytes(65536))
except BlockingIOError:
    ours.setblocking(True)
connection._has_room = lambda sock: True
begin = time.monotonic()
assert each.close(4401, "stuck")
assert time.monotonic() - begin < 1.0
try:
    ours.send(b"x")
except BrokenPipeError:
    print("cut")
"""


def test_room_that_vanishes_before_the_send_under_gevent() -> None:
    """Its sockets wait in Python, where the kernel's limit on a send says nothing."""
    command = [sys.executable, "-c", UNDER_GEVENT + VANISHING_ROOM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert (done.stdout, done.returncode) == ("cut\n", 0), done.stderr


@pytest.mark.parametrize("loaded", [False, True], ids=["no-gevent", "gevent-loaded"])
def test_room_is_looked_for_where_gevent_has_patched_nothing(
    loaded: bool, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most sites have none; a site may have it and use threads."""
    monkey = importlib.import_module("gevent.monkey")
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    if not loaded:
        monkeypatch.delitem(sys.modules, "gevent.monkey")
    ws, theirs = pair
    each = connection()
    each.attach(ws)
    assert each.close(4401, "over")
    assert theirs.recv(99) == b"close frame"
    with suppress(BlockingIOError):
        ws.sock.setblocking(False)
        while True:
            ws.sock.send(bytes(65536))
    full = connection()
    full.attach(ws)
    assert full.close(4401, "over")
    assert ws.closed == [(4401, "over")], "the second was cut, for it had no room"


MANY_READY = """
others = [socket.socketpair() for _ in range(400)]
handlers = [gevent.spawn(other.recv, 1) for other, _ in others]
gevent.sleep(0.1)
def ready():
    for _, peer in others[:200]:
        peer.send(b"x")
ready()
control = select.poll()
control.register(ours, select.POLLOUT)
print(control.poll(0))
del others[:200]
ready()
assert each.close(4401, "over")
theirs.settimeout(5)
print(theirs.recv(99))
"""


def test_close_frame_is_sent_where_many_sockets_are_ready_at_once_under_gevent() -> None:
    """Its own poll, the control, looks at all of them and comes back without ours."""
    command = [sys.executable, "-c", UNDER_GEVENT + MANY_READY]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert (done.stdout, done.returncode) == ("[]\nb'close frame'\n", 0), done.stderr


@pytest.mark.parametrize("in_time", [True, False], ids=["sent", "given-up"])
def test_send_is_bounded_by_gevents_own_timeout(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, in_time: bool
) -> None:
    """After a fifth of a second it leaves the send without a word; then the socket is cut."""
    ws, theirs = pair
    bounds: list[tuple[float, object]] = []

    @contextmanager
    def timeout(seconds: float, exception: object) -> Iterator[None]:
        bounds.append((seconds, exception))
        with suppress(TimeoutError):
            yield

    def stuck(code: int, reason: str) -> None:
        raise TimeoutError

    if not in_time:
        monkeypatch.setattr(ws, "close", stuck)
    monkeypatch.setattr("flask_wsguard.live.connection.is_gevent_patched", lambda: True)
    monkeypatch.setitem(sys.modules, "gevent", SimpleNamespace(Timeout=timeout))
    each = connection()
    each.attach(ws)
    assert each.close(4401, "over")
    assert bounds == [(0.2, False)]
    assert theirs.recv(99) == (b"close frame" if in_time else b"")


def test_close_that_raises_cuts(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the library below says, the socket ends."""
    ws, theirs = pair

    def close(code: int, reason: str) -> None:
        raise RuntimeError("closed already")

    monkeypatch.setattr(ws, "close", close)
    each = connection()
    each.attach(ws)
    assert each.close(4401, "over")
    assert theirs.recv(9) == b""


def test_cut_before_a_handler_came(pair: Pair) -> None:
    """The server's own socket is shut down; without one there is nothing to do."""
    ws, theirs = pair
    Connection(None, "/", raw=ws.sock).cut()
    assert theirs.recv(9) == b""
    Connection(None, "/").cut()


def test_cut_of_a_closed_socket(pair: Pair) -> None:
    """It is gone already; that is no fault."""
    each = connection()
    each.attach(pair[0])
    pair[0].sock.close()
    each.cut()


def test_cut_wakes_a_handler_whose_reader_left_first() -> None:
    """A reader that is between two reads at the close ends silently; the handler must not wait."""
    waits, reads = threading.Event(), threading.Event()

    class Late(threading.Thread):
        def run(self) -> None:
            assert reads.wait(5)
            super().run()

    class Told(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.set()
            return super().wait(timeout)

    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        ws = Server({"werkzeug.socket": ours, **UPGRADE}, thread_class=Late, event_class=Told)
        each = connection()
        assert each.attach(ws)
        handler = pool.submit(ws.receive)
        try:
            assert waits.wait(5)
            assert each.close(4401, "over")
            reads.set()
            ws.thread.join(5)
            assert not handler.done()
            each.cut()
            with pytest.raises(ConnectionClosed):
                handler.result(5)
        finally:
            ws.event.set()


def test_cut_loses_what_nobody_has_read() -> None:
    """A handler is handed nothing more of it, and nothing that its reader still brings."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ws = Server({"werkzeug.socket": ours, **UPGRADE})
        ws.input_buffer += ["one", "two"]
        each = connection()
        assert each.attach(ws)
        assert ws.receive() == "one"
        each.cut()
        ws.input_buffer.append("three")
        with pytest.raises(ConnectionClosed):
            ws.receive()
        ws.thread.join(5)


def pinging(ours: socket.socket) -> Server:
    """Return a socket whose reader pings, and is just going to sleep, as slowly as when busy."""
    waits = threading.Event()

    class Slow(SlowToSleep):
        def select(self, timeout: float | None = None) -> Any:
            waits.set()
            return super().select(timeout)

    ws = Server({"werkzeug.socket": ours, **UPGRADE}, ping_interval=2, selector_class=Slow)
    assert waits.wait(5)
    return ws


def test_reader_that_pings_has_left_when_the_handler_ends() -> None:
    """It waits in an epoll, which forgets a file that is closed; a worker's end waits for it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        each, ws = connection(), pinging(ours)
        assert each.attach(ws)
        assert each.close(4401, "over")
        each.end()
        assert not ws.thread.is_alive()


def test_reader_that_pings_has_left_where_no_handler_runs() -> None:
    """Closed between verdict and handler: there too the server closes the file next."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        each, ws = connection(), pinging(ours)
        assert each.close(4401, "over")
        assert not each.attach(ws)
        assert not ws.thread.is_alive()


def test_reader_that_pings_stays_where_its_file_is_closed_first() -> None:
    """The control: until its next ping."""
    ours, theirs = socket.socketpair()
    with theirs:
        each, ws = connection(), pinging(ours)
        assert each.attach(ws)
        assert each.close(4401, "over")
        each.cut()
        ours.close()
        ws.thread.join(1)
        assert ws.thread.is_alive()
        ws.thread.join(5)
        assert not ws.thread.is_alive()


def test_thread_of_a_views_own_object_is_not_waited_for(pair: Pair) -> None:
    """Only of simple-websocket is it known that the cut lets it leave."""
    ws, _ = pair
    ws.thread = SimpleNamespace(join=pytest.fail)  # type: ignore[attr-defined]
    each = connection()
    assert each.attach(ws)
    each.end()


def test_what_is_no_socket_keeps_nobody_elses_open(pair: Pair) -> None:
    """A worker of another kind, or a view's own object: one logout closes many."""
    ws, theirs = pair
    odd, other = connection(), connection()
    odd.attach(SimpleNamespace(sock=object()))
    other.attach(ws)
    assert Sockets(None, 20, 10).close([odd, other], 4401, "over") == 2
    assert theirs.recv(99) == b"close frame"


def test_lost_end_wakes_its_handler(pair: Pair) -> None:
    """Where the library says first that there is news, and only then that it is the end."""
    ws, _ = pair
    sockets, each = Sockets(None, 20, 10), connection()
    each.wake_from_lost_end()
    lost = SimpleNamespace(sock=ws.sock, event=threading.Event(), connected=True)
    each.attach(lost)
    assert sockets.take(each)
    sockets.tick(time.monotonic())
    assert not lost.event.is_set()
    lost.connected = False
    sockets.tick(time.monotonic())
    assert lost.event.is_set()
    sockets.give_back(each)


def test_the_aged_are_closed_and_the_silent_cut(pair: Pair) -> None:
    """A deadline closes with 4401; a second later the peer that said nothing is cut off."""
    ws, theirs = pair
    sockets, each = Sockets(None, 20, 10), Connection(None, "/", max_age=0.2)
    each.attach(ws)
    assert sockets.take(each)
    assert theirs.recv(99) == b"close frame"
    assert (each.code, each.reason) == (4401, "max_age")
    told = time.monotonic()
    assert theirs.recv(99) == b""
    assert 0.8 < time.monotonic() - told < 2.0
