"""The site that ``flask --app tests.ops.site`` loads: one socket of every kind."""

from __future__ import annotations

from flask import Flask

from tests.sites import make_site

ROUTES = """\
rule                endpoint        guard               scopes
/echo               echo            protected           chat:read
/any                any_user        protected           -
/write              write           protected           chat:read chat:write
/require            require         protected           -
/room/<int:number>  room            protected           -
/caf\u00e9               cafe            protected           -
/slash/             slash           protected           -
/ticker             ticker          public              -
/anyone             anyone          public, any origin  -
/forgotten          forgotten       UNGUARDED           -
/socket.io/         (protect_path)  protected           chat:read
"""


def create_app() -> Flask:
    """Return the tests' site, with a declared path."""
    app = make_site()
    app.extensions["test_guard"].protect_path("/socket.io/", scopes="chat:read")
    return app


def create_carried() -> Flask:
    """Return the tests' site that takes its token as a subprotocol."""
    return make_site(WSGUARD_TOKEN_CARRIERS=["subprotocol"])
