"""The attacker's site. What it overhears is shown to teach, never to help."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, jsonify, render_template, request

from flask_wsguard.core.origins import Origin

from .door import LAYERS, PATH
from .elsewhere import keep_past_logout
from .local import OWN
from .raw import Leak, knock
from .site import ROOT
from .witness import Witness


def make_evil(witness: Witness) -> Flask:
    """Return the attacker's site, which hears what the witness hears."""
    evil = Flask("evil", root_path=str(ROOT))

    @evil.get("/")
    def index() -> str:
        port = request.args.get("port", "")
        own: Origin = request.environ[OWN]
        return render_template(
            "evil.html", victim=f"{own.host}:{port if port.isdecimal() else _port()}"
        )

    @evil.get("/reason/<attempt>")
    def reason(attempt: str) -> Any:
        return jsonify(reason=witness.reason(attempt))

    @evil.post("/leak")
    def leak() -> Any:
        leaked = witness.leak(request.environ[OWN].host)
        return jsonify(token=leaked.token if leaked else None)

    @evil.post("/raw/ticket")
    def forge() -> Any:
        """Attack without a browser: with a leaked token, and a ticket that fits it."""
        leaked = witness.leak(request.environ[OWN].host)
        return attack("ticket", leaked.forged("alice") if leaked else None)

    @evil.post("/raw/session")
    def keep() -> Any:
        """Attack without a browser: with all that hers held before she logged out."""
        victim = request.environ[OWN]._replace(port=_port())
        return attack("session", keep_past_logout(victim, "alice"))

    def attack(attempt: str, leaked: Leak | None) -> Any:
        if leaked is None:
            return jsonify(leaked=False)
        without = request.args.get("without", "")
        query = f"{PATH}?without={without if without in LAYERS else ''}&attempt={attempt}"
        heard = knock(_port(), query, leaked)
        return jsonify(leaked=True, line=heard.get("line"), reason=witness.reason(attempt))

    return evil


def _port() -> int:
    """Return the demo's port on this machine."""
    return int(os.environ.get("PORT", "5000"))
