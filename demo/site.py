"""The site: an ordinary Flask app with Flask-Login, Flask-Sock and the guard."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flask import Flask
from flask_login import LoginManager

from flask_wsguard import WSGuard

from .audit import Audit
from .headers import add_headers, refuse_foreign_forms
from .pages import add_pages
from .people import everybody
from .room import Room
from .sockets import add_sockets

ROOT = Path(__file__).parent.parent


def create_app() -> Flask:
    """Return the demo site."""
    app = Flask(__name__, root_path=str(ROOT))
    app.config.update(
        # One worker: a secret that lives as long as the process does.
        SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),
        # Every port of localhost shares its cookies, and many a site there calls its own "session".
        SESSION_COOKIE_NAME="wsguard_demo",
        SESSION_COOKIE_SAMESITE="Lax",
        SOCK_SERVER_OPTIONS={"ping_interval": 25, "max_message_size": 65536},
        # Some way below gunicorn's hundred threads, each socket holding one.
        WSGUARD_MAX_CONNECTIONS=80,
    )
    people = everybody()
    logins = LoginManager(app)
    logins.login_view = "index"
    logins.user_loader(people.get)
    guard = WSGuard(app)
    guard.scopes_loader(lambda person: person.scopes)

    app.before_request(refuse_foreign_forms)
    app.after_request(add_headers)
    audit = Audit(app)
    room = Room()
    app.extensions["demo"] = people, room
    add_pages(app, people, audit)
    add_sockets(app, room, audit)
    return app
