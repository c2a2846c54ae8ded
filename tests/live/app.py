"""The site that these tests serve: what happens inside can be seen, and held still, over HTTP.

``WSGUARD_*`` settings come as JSON in the environment variable ``LIVE_CONFIG``.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import selectors
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, jsonify, request, session
from flask_sock import Sock

from flask_wsguard import (
    connection_closed,
    connection_opened,
    current_ticket,
    handshake_accepted,
    preauth_granted,
    ws_protected,
    ws_public,
)
from flask_wsguard.live.connection import Connection
from flask_wsguard.ops.gunicorn import post_worker_init
from flask_wsguard.state import state_of
from tests.sites import User, make_site
from tests.sites import make_control as plain_control

__all__ = ["make", "post_worker_init"]


class SlowToSleep(selectors.DefaultSelector):  # type: ignore[misc, name-defined]
    """What a reader that pings waits in; it comes late to it, as on a busy machine."""

    def select(self, timeout: float | None = None) -> Any:
        time.sleep(0.2)
        return super().select(timeout)


class Gate:
    """Holds whoever comes to it until the test opens it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def hold(self) -> None:
        self.reached.set()
        assert self.opened.wait(20)


class Site:
    """What the test sees and turns."""

    def __init__(self) -> None:
        self.gates: defaultdict[str, Gate] = defaultdict(Gate)
        self.ran: Counter[str] = Counter()
        self.events: list[Any] = []
        self.gone: set[str] = set()
        self.mistaken: dict[str, str] = {}
        self.scopes: dict[str, list[str]] = {}
        self.faulty: dict[str, str] = {}
        self.asked: Counter[str] = Counter()

    def hold(self, name: str) -> None:
        if gate := request.args.get(name):
            self.gates[gate].hold()

    def load(self, user_id: str) -> User | None:
        if user_id in self.gone:
            return None
        self.fail("users")
        return User(self.mistaken.get(user_id, user_id))

    def scopes_of(self, user: User) -> list[str]:
        self.asked[user.id] += 1
        self.fail(user.id)
        return self.scopes.get(user.id, ["chat:read"])

    def fail(self, what: str) -> None:
        """Raise, or hang at a gate, as the test asked for this loader."""
        fault = self.faulty.get(what)
        if fault == "raises":
            raise LookupError("the database of the site is away")
        if fault:
            self.gates[fault].hold()


def make() -> Flask:
    """Return the site."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    config = json.loads(os.environ.get("LIVE_CONFIG", "{}"))
    if config.pop("READERS_ARE_SLOW", False):
        config["SOCK_SERVER_OPTIONS"] = {"ping_interval": 25, "selector_class": SlowToSleep}
    app = make_site(**config)
    site = Site()
    app.extensions["test_site"] = site
    app.login_manager.user_loader(site.load)  # type: ignore[attr-defined]
    app.extensions["test_guard"].scopes_loader(site.scopes_of)
    _add_hooks(app, site)
    _add_controls(app, site)
    _add_sockets(app, site)
    logging.getLogger(__name__).info("%d serves", os.getpid())
    return app


def make_control() -> Flask:
    """Return a site of the same handlers without the guard: what anybody's memory does."""
    app = plain_control()
    app.post("/settle", endpoint="settle")(lambda: jsonify(what_is_left()))
    return app


def what_is_left() -> dict[str, int]:
    """Count what this process holds after its garbage: Python's blocks, and sockets of ours."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "blocks": sys.getallocatedblocks(),
        "connections": sum(isinstance(each, Connection) for each in gc.get_objects()),
        "kib": resident * os.sysconf("SC_PAGE_SIZE") // 1024,
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


def _add_hooks(app: Flask, site: Site) -> None:
    @app.before_request
    def after_verdict() -> Response | None:
        site.hold("hold")
        return Response("the site says no", 418) if "stop" in request.args else None

    @app.after_request
    def before_answer(answer: Response) -> Response:
        if request.path != "/any":
            site.hold("after")
        answer.headers["X-Pid"] = str(os.getpid())
        return answer

    take = state_of(app).sockets.take

    def take_late(connection: Connection) -> bool:
        """Come to the registry when the test says so: the verdict is out by then."""
        site.hold("take")
        return take(connection)

    state_of(app).sockets.take = take_late  # type: ignore[method-assign]

    def opened(_: Flask, path: str, ticket: Any) -> None:
        site.events.append(["opened", path, ticket and ticket.user_id])

    def closed(_: Flask, path: str, ticket: Any, code: int, reason: str, seconds: float) -> None:
        assert seconds >= 0
        site.events.append(["closed", path, ticket and ticket.user_id, code, reason])

    def raising(_: Flask, **__: Any) -> None:
        if "receivers" in site.faulty:
            raise LookupError("a receiver of the site raises")

    for signal in (handshake_accepted, preauth_granted, connection_opened, connection_closed):
        signal.connect(raising, app, weak=False)
    connection_opened.connect(opened, app, weak=False)
    connection_closed.connect(closed, app, weak=False)


def _add_controls(app: Flask, site: Site) -> None:
    guard = app.extensions["test_guard"]

    @app.post("/old-login/<user_id>")
    def log_in_before_the_extension(user_id: str) -> str:
        session["_user_id"], session["_fresh"] = user_id, True
        return user_id

    @app.get("/stats")
    def stats() -> Any:
        return jsonify(
            pid=os.getpid(),
            held=len(state_of(app).sockets.registry),
            threads=threading.active_count(),
            readers=sum("simple_websocket" in one.name for one in threading.enumerate()),
            ran=site.ran,
            asked=site.asked,
            events=site.events,
        )

    @app.post("/settle")
    def settle() -> Any:
        site.events.clear()
        return jsonify(what_is_left())

    @app.post("/disconnect")
    def disconnect() -> Any:
        return jsonify(guard.disconnect(**request.json))

    @app.post("/drain")
    def drain() -> Any:
        return jsonify(guard.drain(**request.json))

    @app.post("/gates/<name>")
    def open_gate(name: str) -> Any:
        site.gates[name].opened.set()
        return jsonify(True)

    @app.get("/gates/<name>")
    def is_reached(name: str) -> Any:
        return jsonify(site.gates[name].reached.is_set())

    @app.post("/site")
    def turn() -> Any:
        site.gone = set(request.json.get("gone", ()))
        site.scopes = request.json.get("scopes", {})
        site.faulty = request.json.get("faulty", {})
        site.mistaken = request.json.get("mistaken", {})
        return jsonify(True)


def _add_sockets(app: Flask, site: Site) -> None:
    sock = Sock(app)

    def stay(ws: Any) -> None:
        ws.send(f"{os.getpid()} {current_ticket.session if current_ticket else ''}")
        site.ran[request.path] += 1
        while True:
            ws.send(ws.receive())

    for path, mark in {
        "/stay": ws_protected,
        "/public": ws_public,
        "/short": ws_protected(max_age=1),
        "/long": ws_protected(max_age=3600),
        "/read": ws_protected(scopes="chat:read"),
    }.items():
        sock.route(path, endpoint=path[1:])(mark(_copy(stay)))

    sock.route("/unmarked", endpoint="unmarked")(_copy(stay))

    @sock.route("/flood")
    @ws_protected
    def flood(ws: Any) -> None:
        ws.receive()
        while True:
            ws.send("x" * 65536)
            site.ran["/flood"] += 1

    @sock.route("/works")
    @ws_protected
    def works(ws: Any) -> None:
        while ws.receive():
            time.sleep(0.02)
            site.ran["/works"] += 1

    @sock.route("/raises")
    @ws_protected
    def raises(ws: Any) -> None:
        ws.send("about to raise")
        raise LookupError("a fault of the site")

    @sock.route("/aborts")
    @ws_protected
    def aborts(ws: Any) -> None:
        abort(410)


def _copy(view: Any) -> Any:
    return lambda ws: view(ws)
