"""The attack lab: the demo, and on another port of the same host a site that attacks it.

Another port is the same site to a browser, so every cookie travels; only the Origin differs.
``make demo`` serves both, on loopback.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from flask import request
from werkzeug.wrappers import Response

from .door import Door
from .evil import make_evil
from .local import OWN, local_origin
from .site import create_app
from .witness import Witness

_log = logging.getLogger("demo")


def create_lab() -> Any:
    """Return the WSGI app that serves the demo, and on EVIL_PORT the attacker."""
    evil_port = os.environ["EVIL_PORT"]
    site = create_app()
    people, room = site.extensions["demo"]
    witness = Witness(site)
    evil = make_evil(witness)
    site.wsgi_app = Door(site, people, room, witness)  # type: ignore[method-assign]

    @site.context_processor
    def link() -> dict[str, str]:
        own = request.environ[OWN]
        return {"evil_page": f"http://{own.host}:{evil_port}/?port={own.port}"}

    _log.warning("THE ATTACK LAB IS ON: /lab/chat is unguarded on purpose. For localhost only.")

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        if (own := local_origin(environ)) is None:
            return Response("The lab is for localhost.\n", 403)(environ, start_response)
        environ[OWN] = own
        app = evil if environ["SERVER_PORT"] == evil_port else site
        return app(environ, start_response)

    return serve
