"""Preauth against the least that a Flask-Login site can answer in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from . import sites
from .blocks import Scale, in_process, interleave
from .figures import Table, compared
from .memory import SITE, whole_request
from .servers import gunicorn
from .traffic import post
from .wire import over_servers, requests

BASE, PREAUTH = "JSON endpoint", "preauth"


def run(scale: Scale) -> Iterator[Table]:
    """Measure in memory and under gthread."""
    table = Table(
        "preauth",
        "The base is `jsonify(id=current_user.get_id())` under `@login_required`, on the "
        "unguarded site, with the same request but for its path. The wire's base is that of a "
        "connection kept alive.",
        ("where", "us", "us of the base"),
    )
    base, preauth = post(SITE, "/whoami"), post(SITE, "/wsguard/preauth")
    sides = {
        BASE: in_process(whole_request(sites.unguarded(), base, "200 OK")),
        PREAUTH: in_process(whole_request(sites.guarded(), preauth, "200 OK")),
    }
    samples = interleave(sides, rounds=scale.rounds, calls=scale.calls)
    table.figures.append(compared(samples, PREAUTH, BASE, name="in memory"))
    paths = {BASE: "/whoami", PREAUTH: "/wsguard/preauth"}
    starts = {BASE: partial(gunicorn, "unguarded()"), PREAUTH: partial(gunicorn, "guarded()")}
    samples = over_servers(
        starts,
        lambda name, server: requests(server, post(server.origin, paths[name]), b"200"),
        scale,
    )
    table.figures.append(compared(samples, PREAUTH, BASE, 1.10, "under gthread", sets=scale.sets))
    yield table
