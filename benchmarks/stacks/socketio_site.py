"""Flask-SocketIO over its websocket transport: its check of Origin, current_user in connect."""

from __future__ import annotations

from flask import Flask
from flask_login import current_user
from flask_socketio import SocketIO

from ..sites import make_site
from . import PROTECTED


def make() -> Flask:
    app = make_site()
    if PROTECTED:
        socketio = SocketIO(app, async_mode="threading")

        @socketio.on("connect")
        def connect() -> bool:
            return bool(current_user.is_authenticated)

    else:
        SocketIO(app, async_mode="threading", cors_allowed_origins="*")
    return app
