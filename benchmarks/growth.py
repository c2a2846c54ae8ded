"""Does a handshake's cost grow with the site? Each row grows one thing and leaves the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask

from flask_wsguard.core.tickets import Ticket, new_id
from flask_wsguard.live.connection import Connection

from . import sites
from .blocks import Scale, added_by, in_process, interleave
from .figures import Figure, Table
from .memory import SITE, whole_handshake
from .traffic import Request, handshake

Pair = tuple[Flask, Request]


def run(scale: Scale) -> Iterator[Table]:
    """Measure what the guard adds to a whole handshake in memory, at both ends of each scale."""
    table = Table(
        "growth",
        "Whole handshakes in memory, and what the guard adds to each: guarded less unguarded, "
        "median and interval. Cookies grow the Cookie header, which Flask parses too; the guard "
        "reads it once from end to end. More scopes are more bytes under the ticket's signature. "
        "All else is looked up, not searched.",
        ("what grows", "from", "guard adds us", "to", "guard adds us"),
    )
    for name, (few, many, make) in _scales(scale).items():
        added = [_added(scale, *make(number)) for number in (few, many)]
        table.figures.append(
            Figure(name, (f"{few:,}", _shown(added[0]), f"{many:,}", _shown(added[1])))
        )
    yield table


def _scales(scale: Scale) -> dict[str, tuple[int, int, Callable[[int], tuple[Pair, Pair]]]]:
    return {
        "routes": (10, scale.routes, _routes),
        "allowed origins, half of them wildcards": (1, scale.origins, _origins),
        "scopes in the ticket": (0, 30, _scopes),
        "cookies in the jar": (3, 50, _cookies),
        "live sockets": (0, scale.live, _live),
    }


def _added(scale: Scale, guarded: Pair, unguarded: Pair) -> Any:
    sides = {
        "guarded": in_process(whole_handshake(*guarded)),
        "unguarded": in_process(whole_handshake(*unguarded)),
    }
    samples = interleave(sides, rounds=scale.rounds, calls=max(2, scale.calls // 4))
    return added_by(samples, "guarded", "unguarded")


def _shown(added: Any) -> str:
    return f"{added.median:.0f} ({added.low:.0f} to {added.high:.0f})"


def _routes(number: int) -> tuple[Pair, Pair]:
    apps = sites.guarded(), sites.unguarded()
    for app in apps:
        for route in range(number):
            app.add_url_rule(f"/page/{route}/<int:part>", f"page{route}", str)
    return (apps[0], handshake(SITE)), (apps[1], handshake(SITE))


def _origins(number: int) -> tuple[Pair, Pair]:
    half = number // 2
    listed = [f"https://*.w{entry}.example.net" for entry in range(half)]
    listed += [f"https://site{entry}.example.com" for entry in range(half)]
    # The page's own origin is behind all of them, and below a wildcard.
    listed.append("https://*.example.org")
    page = handshake(SITE).but(Origin="https://a.b.example.org")
    return (sites.guarded(WSGUARD_ALLOWED_ORIGINS=listed), page), (sites.unguarded(), page)


def _scopes(number: int) -> tuple[Pair, Pair]:
    request = handshake(SITE, frozenset(f"scope:{entry}" for entry in range(number)))
    return (sites.guarded(), request), (sites.unguarded(), request)


def _cookies(number: int) -> tuple[Pair, Pair]:
    request = handshake(SITE, cookies="".join(f"c{one}=value{one}; " for one in range(number - 3)))
    return (sites.guarded(), request), (sites.unguarded(), request)


def _live(number: int) -> tuple[Pair, Pair]:
    app = sites.guarded(WSGUARD_MAX_CONNECTIONS_PER_USER=1_000_000)
    for each in range(number):
        ticket = Ticket(new_id(), f"user {each}", frozenset(), "", f"session {each}", 0, 0)
        assert app.extensions["wsguard"].sockets.take(Connection(ticket, "/echo"))
    return (app, handshake(SITE)), (sites.unguarded(), handshake(SITE))
