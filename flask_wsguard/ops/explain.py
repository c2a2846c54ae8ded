"""``flask wsguard explain``: whether a page of an origin is let in, and by which rule."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

import click
from flask import Flask
from flask.cli import with_appcontext
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ..core.case import Mark, Public
from ..core.origins import Origin
from ..core.source import Source, refuse_foreign_origin, refuse_transport
from ..marks import mark_of
from ..reports import sentence
from ..state import State
from .inventory import guarded_app, served_at


@click.command("explain")
@click.argument("origin")
@click.option("--path", help="The socket's path: its mark may say otherwise.")
@click.option("--site", "site", help="Where the site is served, such as https://example.org.")
@with_appcontext
def explain(origin: str, path: str | None, site: str | None) -> None:
    """Say whether a page of ORIGIN may connect, and why. Exits with 1 if it may not."""
    app, state = guarded_app()
    mark = None if path is None else _mark_at(app, state, path)
    own = served_at(app, site)
    allowed, why = _explain(state, origin, mark, own)
    click.echo(f"{'allowed' if allowed else 'refused'}: {why}")
    if not allowed:
        for line in _nearest(state, origin):
            click.echo(line)
        click.get_current_context().exit(1)


def _explain(state: State, origin: str, mark: Mark | None, own: Origin | None) -> tuple[bool, str]:
    """Ask what the handshake asks, in its order."""
    if isinstance(mark, Public) and mark.any_origin:
        return True, "the route is @ws_public(any_origin=True)"
    rules, page = state.expected.rules, Origin.parse(origin)
    if page is None:
        return False, f"{origin!r} is not an origin that a page of the web has"
    rule = rules.origins.rule_for(page, own)
    if own is None:
        if rule is not None:
            return True, f"by {rule!r} in WSGUARD_ALLOWED_ORIGINS"
        if rules.origins.allows_self:
            return False, f'unless the site is served at {page}, by "self": say so with --site'
        return False, "no entry of WSGUARD_ALLOWED_ORIGINS names it"
    source = Source(own=own, origin=origin, page=page, fetch_site=None, fetch_metadata=False)
    if refused := refuse_transport(source, rules) or refuse_foreign_origin(source, rules):
        return False, f"{refused.reason}: {sentence(refused)}"
    return True, f"by {rule!r} in WSGUARD_ALLOWED_ORIGINS"


def _mark_at(app: Flask, state: State, path: str) -> Mark:
    if found := state.site.protected_paths.get(path):
        return found
    try:
        endpoint, _ = app.url_map.bind("localhost").match(path, method="GET", websocket=True)
    except (HTTPException, RequestRedirect):
        raise click.UsageError(f"no WebSocket route serves {path!r}") from None
    if (mark := mark_of(app.view_functions.get(endpoint))) is None:
        raise click.ClickException(f"{path} carries no mark: every handshake is refused there")
    return mark


def _nearest(state: State, origin: str) -> Iterator[str]:
    entries = [entry for entry in state.settings.allowed_origins if entry != "self"]
    if near := get_close_matches(origin, entries, n=1, cutoff=0.5):
        yield f"nearest rule: {near[0]!r}"
    if Origin.parse(origin):
        yield f'to allow it: WSGUARD_ALLOWED_ORIGINS = ["self", "{origin}"]'
