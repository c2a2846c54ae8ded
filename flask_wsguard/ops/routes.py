"""``flask wsguard routes``: what stands before every socket."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext

from .inventory import guarded_app, socket_routes


@click.command("routes")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@with_appcontext
def routes(as_json: bool) -> None:
    """List every WebSocket route and its guard. An UNGUARDED one is refused."""
    found = [
        {"rule": one.rule, "endpoint": one.endpoint, "guard": one.guard, "scopes": one.scopes}
        for one in socket_routes(*guarded_app())
    ]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    rows = [["rule", "endpoint", "guard", "scopes"]]
    for one in found:
        endpoint = str(one["endpoint"]) or "(protect_path)"
        rows.append([str(one["rule"]), endpoint, str(one["guard"]), " ".join(one["scopes"]) or "-"])
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
