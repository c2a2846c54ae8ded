"""What protection adds to a handshake on other stacks, each beside itself without it."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec

from .blocks import Block, Samples, Scale, added_by, micros, ratio_of
from .figures import Figure, Table
from .servers import Server, gunicorn, serving
from .stacks import SECRET, SESSION, USER
from .traffic import Request, handshake, session_cookie
from .wire import Wire, by_clock_of, handshakes, over_servers

FOREIGN = "http://evil.example"
# "40", masked with zeros: Socket.IO's word for "connect me".
CONNECT = b"\x81\x82\x00\x00\x00\x0040"

Dial = Callable[[Server, bytes], Block]


@dataclass(frozen=True, slots=True)
class Stack:
    """``command`` serves it; ``good`` is what its own page sends, to both sides.

    ``needs`` are the packages without which there is nothing to serve.
    """

    name: str
    needs: tuple[str, ...]
    command: tuple[str, ...]
    good: Callable[[str], Request]
    dial: Dial = handshakes


def run(scale: Scale) -> Iterator[Table]:
    """Measure every stack; one that does not start is a row that says so."""
    table = Table(
        "peers",
        "CPU time of the server for one handshake with the stack's protection on and off, the "
        "same bytes to both. What is compared is what protection *adds*: in microseconds, and "
        "as a ratio. The rate is handshakes a second of one core, protection on. Asynchronous "
        "stacks reach more of them than a thread for each socket does. Channels: "
        "`AllowedHostsOriginValidator(AuthMiddlewareStack(...))` with sessions and users in "
        "SQLite, on daphne. Flask-SocketIO: its Origin check and `current_user` in `connect`, "
        "under gthread; its handshake includes the engine's own opening. Tornado: `check_origin` "
        "and a signed cookie. FastAPI on uvicorn and aiohttp: PyJWT HS256 from the query, and no "
        "word on Origin. flask_wsguard alone compares Origin, ticket, token and session; it also "
        "needs a preauth before each connect, which is measured under its own title.",
        ("stack", "us", "us unprotected", "adds us", "a second"),
    )
    for stack in STACKS:
        try:
            if missing := [package for package in stack.needs if not find_spec(package)]:
                raise ImportError(", ".join(missing))
            samples = _measure(stack, scale)
        except Exception as fault:
            blank = ("", "", "", f"not measured: {type(fault).__name__}: {fault}")
            table.figures.append(Figure(stack.name, blank))
            continue
        table.figures.append(_row(stack.name, samples, scale))
    table.figures.append(_row("Flask, flask-sock, flask_wsguard", _measure_ours(scale), scale))
    yield table


def _row(name: str, samples: Samples, scale: Scale) -> Figure:
    on, off = micros(samples, "on"), micros(samples, "off")
    added = added_by(samples, "on", "off").median
    values = (f"{on:.0f}", f"{off:.0f}", f"{added:.0f}", f"{1e6 / on:,.0f}")
    return Figure(name, values, ratio_of(samples, "on", "off", sets=scale.sets))


def _measure_ours(scale: Scale) -> Samples:
    starts = {"on": partial(gunicorn, "guarded()"), "off": partial(gunicorn, "unguarded()")}
    return over_servers(
        starts, lambda _, server: handshakes(server, handshake(server.origin).wire()), scale
    )


def _measure(stack: Stack, scale: Scale) -> Samples:
    return over_servers(
        {"on": partial(_serve, stack, "1"), "off": partial(_serve, stack, "0")},
        partial(_dial, stack),
        scale,
    )


@contextmanager
def _serve(stack: Stack, protected: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        more = {"STACK_PROTECTED": protected, "STACK_FOLDER": folder}
        with serving([sys.executable, *stack.command], more) as server:
            yield server


def _dial(stack: Stack, side: str, server: Server) -> Block:
    good = stack.good(server.origin)
    hostile = replace(good, query=good.query.partition("token=")[0])
    hostile = hostile.but(Origin=FOREIGN, Cookie="")
    # A protection that lets this in is not worth measuring; a base that does not is none.
    assert _opens(server, hostile) is (side == "off"), f"protection {side} fails"
    return stack.dial(server, good.wire())


def _opens(server: Server, request: Request) -> bool:
    with Wire(server.port) as wire:
        wire.socket.sendall(request.wire())
        return wire.head()[9:12] == b"101"


def _dial_socketio(server: Server, request: bytes) -> Block:
    """Measure up to the answer to the connect packet, which is where auth is decided."""

    def call() -> None:
        with Wire(server.port) as wire:
            wire.open(request)
            wire.socket.sendall(CONNECT)
            wire.until(b"40{")
            wire.shut()

    return by_clock_of(server, call)


def _with_cookie(name: str, value: Callable[[], str]) -> Callable[[str], Request]:
    return lambda origin: handshake(origin).but(Cookie=f"theme=dark; {name}={value()}")


def _with_jwt(origin: str) -> Request:
    import jwt

    claims = {"sub": USER, "exp": int(time.time()) + 86400}
    token = jwt.encode(claims, SECRET, "HS256")
    return replace(handshake(origin), query=f"token={token}").but(Cookie="theme=dark")


def _with_signed_cookie(origin: str) -> Request:
    from tornado.web import create_signed_value

    signed = create_signed_value(SECRET, "user", USER).decode()
    return _with_cookie("user", lambda: signed)(origin)


def _with_socketio(origin: str) -> Request:
    # Compressed, the answers to look for would not be found.
    request = _with_cookie("session", session_cookie)(origin).but(Sec_WebSocket_Extensions="")
    return replace(request, path="/socket.io/", query="EIO=4&transport=websocket")


_HERE = "benchmarks.stacks"
STACKS = (
    Stack(
        "Django Channels, daphne",
        ("channels", "daphne"),
        ("-m", "daphne", "--fd", "{fd}", "-v", "0", f"{_HERE}.channels_site:application"),
        _with_cookie("sessionid", lambda: SESSION),
    ),
    Stack(
        "Flask-SocketIO, gthread",
        ("flask_socketio", "gunicorn"),
        (
            *("-m", "gunicorn", "--workers", "1", "--worker-class", "gthread", "--threads", "8"),
            *("--bind", "fd://{fd}", "--log-level", "error", "--no-control-socket"),
            f"{_HERE}.socketio_site:make()",
        ),
        _with_socketio,
        _dial_socketio,
    ),
    Stack(
        "FastAPI, PyJWT, uvicorn",
        ("fastapi", "jwt", "uvicorn", "websockets"),
        (
            *("-m", "uvicorn", "--fd", "{fd}", "--log-level", "error", "--no-access-log"),
            f"{_HERE}.fastapi_site:app",
        ),
        _with_jwt,
    ),
    Stack("Tornado", ("tornado",), ("-m", f"{_HERE}.tornado_site", "{fd}"), _with_signed_cookie),
    Stack("aiohttp, PyJWT", ("aiohttp", "jwt"), ("-m", f"{_HERE}.aiohttp_site", "{fd}"), _with_jwt),
)
