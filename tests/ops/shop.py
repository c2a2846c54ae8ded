"""A shop that ``flask wsguard check`` has nothing to say about, until something is changed."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask
from flask_login import LoginManager
from flask_sock import Sock

from flask_wsguard import WSGuard, ws_protected, ws_public
from tests.ops.commands import run

GOOD: dict[str, Any] = {
    "SECRET_KEY": "9f8b2c" * 8,
    "TRUSTED_HOSTS": ["example.org", ".example.org"],
    "SOCK_SERVER_OPTIONS": {"ping_interval": 25, "max_message_size": 65536},
    "SESSION_COOKIE_NAME": "__Host-session",
    "SESSION_COOKIE_SECURE": True,
    "WSGUARD_STORAGE_URI": "sqlite:///wsguard.db",
    "WSGUARD_MAX_CONNECTIONS": 90,
}
SERVED = ["--workers", "2", "--threads", "100", "--worker-class", "gthread"]


def make(*, logins: bool = True, scopes: str = "", marked: bool = True, **config: Any) -> Flask:
    app = Flask("shop")
    app.config.update({**GOOD, **config})
    if logins:
        LoginManager(app)
    WSGuard(app)
    sock = Sock(app)

    @sock.route("/ticker")
    @ws_public
    def ticker(ws: Any) -> None: ...

    if marked:

        @sock.route("/cart")
        @ws_protected(scopes=scopes or ())
        def cart(ws: Any) -> None: ...

    else:

        @sock.route("/cart")
        def bare(ws: Any) -> None: ...

    return app


def findings(app: Flask, *served: str) -> list[tuple[str, str]]:
    """Return id and severity of every finding."""
    _, said = run(app, "check", "--json", *(served or SERVED))
    return [(one["id"], one["severity"]) for one in json.loads(said)]


def said_of(app: Flask, *served: str) -> list[tuple[str, str, str]]:
    """Return id, what is wrong and what to write, of every finding."""
    _, said = run(app, "check", "--json", *(served or SERVED))
    return [(one["id"], one["what"], one["write"]) for one in json.loads(said)]
