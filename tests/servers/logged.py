"""A site whose handshakes end in every way, and the same without the filter on its loggers."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Request, request
from flask_sock import Sock

from flask_wsguard import ws_protected
from flask_wsguard.redaction import ACCESS_AND_ERROR_LOGS, TokenFilter
from tests.sites import make_site


def make_logged() -> Flask:
    """Return the site: /crash ends in its handler, ``?boom=1`` in a loader, before the upgrade."""
    app = make_site()
    sock = Sock(app)

    @app.extensions["test_guard"].identity_loader
    def boom(asked: Request) -> None:
        if "boom" in asked.args:
            raise LookupError(f"no database for {asked.url}")

    @sock.route("/crash")
    @ws_protected
    def crash(ws: Any) -> None:
        raise LookupError(f"no room at {request.url}")

    return app


def make_leaky() -> Flask:
    """Return the control: the guard as it is, and loggers as if it had no filter."""
    app = make_logged()
    for name in (*ACCESS_AND_ERROR_LOGS, app.name):
        logging.getLogger(name).removeFilter(TokenFilter())
    return app
