"""``flask wsguard explain``: whether a page of an origin is let in, and by which rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

import click
from flask import Flask
from flask.cli import with_appcontext
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ..core.case import Mark, Protected, Public
from ..core.origins import Origin
from ..core.source import Source, refuse_foreign_origin, refuse_transport
from ..marks import mark_of
from ..reports import sentence
from ..settings import Settings
from ..state import State
from .addresses import likely_origin, served_at, socket_path
from .inventory import guarded_app
from .same_site import may_be_same_site

_NEVER = "the ticket, a Strict cookie, never travels from another site"
_SCHEMES = {"ws": "http", "wss": "https"}


@click.command("explain")
@click.argument("origin")
@click.option("--path", callback=socket_path, help="The socket's: its mark may say otherwise.")
@click.option("--site", "site", help="Where the site is served, such as https://example.org.")
@with_appcontext
def explain(origin: str, path: str | None, site: str | None) -> None:
    """Say whether a page of ORIGIN may connect, and why. Exits with 1 if it may not."""
    app, state = guarded_app()
    mark = None if path is None else _mark_at(app, state, path)
    page = Origin.parse(origin)
    # Without --site nobody knows the scheme, and a page of the site has the site's own.
    own = served_at(app, site, page.scheme if page else None)
    answer = _insecure(state, origin, own) if site else None
    answer = answer or _explain(state, origin, mark, own)
    click.echo(f"{'allowed' if answer.allowed else 'refused'}: {answer.why}")
    for line in answer.more:
        click.echo(line)
    if not answer.allowed:
        click.get_current_context().exit(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether, why, and lines on what else to know or do."""

    allowed: bool
    why: str
    more: tuple[str, ...] = ()


def _insecure(state: State, origin: str, own: Origin | None) -> Answer | None:
    """Say that a site at ``own`` refuses the page for its transport, None if it does not."""
    refused = refuse_transport(_source(origin, own), state.expected.rules)
    return Answer(False, f"{refused.reason}: {sentence(refused)}") if refused else None


def _source(origin: str, own: Origin | None) -> Source:
    page = Origin.parse(origin)
    return Source(own=own, origin=origin, page=page, fetch_site=None, fetch_metadata=False)


def _explain(state: State, origin: str, mark: Mark | None, own: Origin | None) -> Answer:
    """Ask what the handshake asks of an origin, as far as it is known where the site is."""
    rules, source = state.expected.rules, _source(origin, own)
    page = source.page
    if isinstance(mark, Public) and mark.any_origin:
        return Answer(True, "the route is @ws_public(any_origin=True)")
    if page is None:
        why = f"{origin!r} is not an origin that a page of the web has"
        return Answer(False, why + _meant(origin))
    advice = tuple(_advice(state.settings, page, mark, own))
    if own and (refused := refuse_foreign_origin(source, rules)):
        said = sentence(refused)
        if _is_useless(page, mark, own):
            # The remedy is to list the page, and that would not help here.
            said = f"{refused.reason.meaning} ({refused.detail})"
        return Answer(False, f"{refused.reason}: {said}", advice)
    rule = rules.origins.rule_for(page, own)
    if rule is None and rules.origins.allows_self:
        why = f'names it, except "self" if the site is served at {page}: say so with --site {page}'
        return Answer(False, f"no entry of WSGUARD_ALLOWED_ORIGINS {why}")
    if rule is None:
        return Answer(False, "no entry of WSGUARD_ALLOWED_ORIGINS names it", advice)
    # The page that "self" allows, and so the handshake, has the site's own scheme.
    insecure = _insecure(state, origin, own) if rule == "self" else None
    return insecure or _allowed(rule, mark, own)


def _allowed(rule: str, mark: Mark | None, own: Origin | None) -> Answer:
    """Say which entry allows the origin, and where the ticket will not follow it."""
    why = f"by {rule!r} in WSGUARD_ALLOWED_ORIGINS"
    if rule == "self" or isinstance(mark, Public):
        return Answer(True, why)
    if own is None:
        return Answer(True, why, (f"of the same site only: {_NEVER} (--site says where yours is)",))
    if may_be_same_site(rule, own):
        return Answer(True, why)
    if isinstance(mark, Protected):
        return Answer(False, f"{rule!r} lists it, but it can open public sockets only: {_NEVER}")
    return Answer(True, why, (f"public sockets only: {_NEVER}",))


def _meant(origin: str) -> str:
    """Say how to write what was meant, where that is plain."""
    scheme, separator, rest = origin.rpartition("://")
    host, _, path = rest.partition("/")
    near = (
        Origin.parse(f"{_SCHEMES.get(scheme, scheme)}://{host}") if scheme else likely_origin(host)
    )
    if near is None or origin == "null":
        return ""
    if not separator:
        return f": add the scheme, {near}"
    if scheme in _SCHEMES:
        return f": write the scheme of the page, {near}"
    return f": drop the {'path' if path else 'slash'}, {near}"


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


def _advice(
    settings: Settings, page: Origin, mark: Mark | None, own: Origin | None
) -> Iterator[str]:
    """Say how to allow an origin that no entry names, and where that would be of no use."""
    entries = [entry for entry in settings.allowed_origins if entry != "self"]
    if near := get_close_matches(str(page), entries, n=1, cutoff=0.5):
        yield f"nearest rule: {near[0]!r}"
    if _is_useless(page, mark, own):
        yield f"listing it would be of no use here: {_NEVER}"
        return
    line = f"WSGUARD_ALLOWED_ORIGINS = {json.dumps([*settings.allowed_origins, str(page)])}"
    yield f"to allow it: {line}"
    if _is_foreign(page, own) and mark is None:
        yield f"public sockets only: {_NEVER}"


def _is_useless(page: Origin, mark: Mark | None, own: Origin | None) -> bool:
    """Tell whether listing a page would open nothing to it on this route."""
    return _is_foreign(page, own) and isinstance(mark, Protected)


def _is_foreign(page: Origin, own: Origin | None) -> bool:
    return own is not None and not may_be_same_site(str(page), own)
