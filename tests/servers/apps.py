"""What the servers serve: ``make_guarded`` carries six sites, each under a prefix of its own.

``/`` guarded · ``/mounted`` guarded too, under a SCRIPT_NAME · ``/carried`` guarded, the token
beside the site's own subprotocol · ``/once`` guarded, each token once · ``/control`` without the
extension · ``/bare`` with marks and no ``init_app``. They share secret and cookies, so that one
login is a login at all of them. ``POST /verdicts`` says what was refused and empties the list.
"""

from __future__ import annotations

import json
import os
from typing import Any

from flask import Flask, jsonify
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_sock import Sock
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from flask_wsguard import WSGuard, current_ticket, handshake_refused, ws_protected
from tests.servers.logged import make_leaky, make_logged
from tests.sites import SECRET, make_control, make_site

__all__ = ["make_database", "make_guarded", "make_leaky", "make_logged"]

_verdicts: list[str] = []
bare_runs: list[str] = []


@handshake_refused.connect
def _note(_: Flask, reason: Any, **__: Any) -> None:
    _verdicts.append(str(reason))


def _make_bare() -> Flask:
    """Return a site that forgot the extension: marks alone."""
    app = Flask("bare")
    app.config["SECRET_KEY"] = SECRET
    sock = Sock(app)

    @sock.route("/echo")
    @ws_protected
    def echo(ws: Any) -> None:
        bare_runs.append("ran")
        ws.send("the body ran")

    @app.get("/runs")
    def runs() -> Any:
        return jsonify(bare_runs)

    return app


def _with_verdicts(sites: Any) -> Any:
    def serve(environ: Any, start_response: Any) -> Any:
        if environ.get("PATH_INFO") != "/verdicts" or environ["REQUEST_METHOD"] != "POST":
            return sites(environ, start_response)
        body = json.dumps(_verdicts).encode()
        _verdicts.clear()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return serve


def make_guarded() -> Any:
    """Return the WSGI app with all six sites."""
    chat = {"SOCK_SERVER_OPTIONS": {"subprotocols": ["chat"]}}
    mounts = {
        "/mounted": make_site(),
        "/carried": make_site(WSGUARD_TOKEN_CARRIERS=["subprotocol"], **chat),
        "/once": make_site(WSGUARD_SINGLE_USE=True),
        "/control": make_control(),
        "/bare": _make_bare(),
    }
    return _with_verdicts(DispatcherMiddleware(make_site(), mounts))


def make_database() -> Flask:
    """Return a guarded site whose users live in sqlite, behind a pool of two connections."""
    from flask_sqlalchemy import SQLAlchemy

    app = Flask("database")
    app.config["SECRET_KEY"] = SECRET
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{os.environ['TEST_DATABASE']}"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "pool_size": 2,
        "max_overflow": 0,
        "pool_timeout": 1,
    }

    db = SQLAlchemy(app)

    class User(UserMixin, db.Model):  # type: ignore[name-defined,misc]
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String)

    loads: list[str] = []
    logins = LoginManager(app)

    @logins.user_loader
    def load(user_id: str) -> User | None:
        loads.append(user_id)
        return db.session.get(User, int(user_id))

    with app.app_context():
        db.create_all()
        db.session.add(User(id=1, name="alice"))
        db.session.commit()

    WSGuard(app)
    sock = Sock(app)

    @app.post("/login/<name>")
    def log_in(name: str) -> str:
        login_user(db.session.execute(db.select(User).filter_by(name=name)).scalar_one())
        return name

    @app.get("/pool")
    def pool() -> Any:
        with_pool: Any = db.engine.pool
        return jsonify(kind=type(with_pool).__name__, out=with_pool.checkedout(), loads=len(loads))

    @sock.route("/careful")
    @ws_protected
    def careful(ws: Any) -> None:
        ws.send(f"user {current_ticket.user_id}")
        ws.receive()

    @sock.route("/careless")
    @ws_protected
    def careless(ws: Any) -> None:
        ws.send(f"user {current_user.name}")
        ws.receive()

    return app


def make_incidents() -> Any:
    """Return the sites of tests/incidents."""
    from tests.incidents.sites import make

    return _with_verdicts(make())
