"""Who may see the lab: this machine, under a name of this machine."""

from __future__ import annotations

from typing import Any

from flask_wsguard.core.origins import Origin

OWN = "demo.own"
"""Where a request's environ holds its own origin, once it is known to be of this machine."""

_HERE = {"127.0.0.1", "::1"}


def local_origin(environ: dict[str, Any]) -> Origin | None:
    """Return the origin of a request from this machine to a name of it; None for any other.

    A page whose name was rebound to 127.0.0.1 comes from here too, but under its own name.
    """
    own = Origin.of_request("http", environ.get("HTTP_HOST", ""))
    here = environ.get("REMOTE_ADDR") in _HERE
    return own if own and own.is_loopback and here else None
