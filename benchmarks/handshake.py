"""Whole handshakes: guarded against unguarded, and against what people write today."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from . import sites
from .blocks import Block, Samples, Scale, in_process, interleave
from .figures import Table, compared
from .memory import SITE, whole_handshake
from .servers import gunicorn
from .traffic import handshake
from .wire import handshakes, over_servers

MAKERS = {
    "unguarded": "unguarded()",
    "guarded": "guarded()",
    "current_user, users in a dict": "today()",
    "current_user, users in SQLite": "today_with_database()",
}
AGAIN = "unguarded again"
WIRE_MAKERS = {**MAKERS, AGAIN: MAKERS["unguarded"]}
WIRE_GOAL, LIMIT = 1.05, 1.07
"""For the median, and for the upper end of its interval."""
COLUMNS = ("what", "us", "us of the base")


def run(scale: Scale) -> Iterator[Table]:
    """Measure in memory, under gthread and under gevent."""
    yield in_memory(scale)
    yield on_the_wire(scale, "gthread")
    yield on_the_wire(scale, "gevent")


def in_memory(scale: Scale) -> Table:
    """Measure the whole WSGI request."""
    request = handshake(SITE)
    sides: dict[str, Block] = {
        name: in_process(whole_handshake(eval(f"sites.{maker}", {"sites": sites}), request))
        for name, maker in MAKERS.items()
    }
    samples = interleave(sides, rounds=scale.rounds, calls=scale.calls)
    return _table("handshake in memory", samples, 1.25, None)


def on_the_wire(scale: Scale, kind: str) -> Table:
    """Measure connect, upgrade, handler and close under a gunicorn."""
    starts = {name: partial(gunicorn, maker, kind) for name, maker in WIRE_MAKERS.items()}
    samples = over_servers(
        starts, lambda _, server: handshakes(server, handshake(server.origin).wire()), scale
    )
    aims = (WIRE_GOAL, 0.95) if kind == "gthread" else (None, None)
    table = _table(f"handshake under {kind}", samples, *aims, sets=scale.sets)
    same = compared(samples, AGAIN, "unguarded", None, "control: unguarded / itself", scale.sets)
    table.figures.append(same)
    return table


def _table(
    title: str, samples: Samples, plain: float | None, auth: float | None, sets: int = 1
) -> Table:
    note = (
        "Session compare and registry are on. What people do today is to ask `current_user` in "
        "the handler, after the upgrade, without a word on Origin."
    )
    table = Table(title, note, COLUMNS)
    base, guarded, *today = MAKERS
    limit = LIMIT if plain == WIRE_GOAL else None
    table.figures.append(
        compared(samples, guarded, base, plain, "guarded / unguarded", sets, limit)
    )
    for name in today:
        table.figures.append(compared(samples, name, base, None, f"{name} / unguarded", sets))
        table.figures.append(compared(samples, guarded, name, auth, f"guarded / {name}", sets))
    return table
