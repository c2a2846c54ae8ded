"""The attack lab: the demo, and on another port of the same host a site that attacks it.

Another port is the same site to a browser, so every cookie travels; only the Origin differs.
``make demo`` serves both, on loopback.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from flask import Flask, jsonify, render_template, request

from .door import LAYERS, PATH, Door
from .raw import knock as raw_knock
from .site import ROOT, create_app
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
    site.jinja_env.globals["evil_port"] = evil_port
    _log.warning("THE ATTACK LAB IS ON: /lab/chat is unguarded on purpose. For localhost only.")

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        app = evil if environ["SERVER_PORT"] == evil_port else site
        return app(environ, start_response)

    return serve


def make_evil(witness: Witness) -> Flask:
    """Return the attacker's site. What it overhears is shown to teach, never to help."""
    evil = Flask("evil", root_path=str(ROOT))

    @evil.get("/")
    def index() -> str:
        port = request.args.get("port", os.environ.get("PORT", "5000"))
        host = request.host.partition(":")[0]
        return render_template("evil.html", victim=f"{host}:{port if port.isdecimal() else 5000}")

    @evil.get("/reason/<attempt>")
    def reason(attempt: str) -> Any:
        return jsonify(reason=witness.reason(attempt))

    @evil.post("/leak")
    def leak() -> Any:
        leaked = witness.leak()
        return jsonify(token=leaked.token if leaked else None)

    @evil.post("/raw/<layer>")
    def raw(layer: str) -> Any:
        """Attack without a browser: with a forged ticket, or with the real one and no session."""
        if layer not in {"ticket", "session"} or not (leaked := witness.leak()):
            return jsonify(leaked=False)
        ticket = leaked.ticket if layer == "session" else leaked.forged("alice")
        without = request.args.get("without", "")
        query = f"{PATH}?without={without if without in LAYERS else ''}&attempt={layer}"
        port = int(os.environ.get("PORT", "5000"))
        heard = raw_knock(port, query, leaked, ticket)
        return jsonify(leaked=True, line=heard.get("line"), reason=witness.reason(layer))

    return evil
