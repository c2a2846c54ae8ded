"""Whole handshakes: guarded against unguarded, and against what people write today."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from . import sites
from .blocks import Block, Scale, in_process, interleave
from .figures import Table, compared
from .memory import SITE, whole_handshake
from .servers import gunicorn
from .traffic import handshake
from .wire import handshakes

MAKERS = {
    "unguarded": "unguarded()",
    "guarded": "guarded()",
    "current_user, users in a dict": "today()",
    "current_user, users in SQLite": "today_with_database()",
}
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
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(gunicorn(maker, kind)) for name, maker in MAKERS.items()
        }
        sides = {
            name: handshakes(server, handshake(server.origin).wire())
            for name, server in servers.items()
        }
        samples = interleave(sides, rounds=scale.wire_rounds, calls=scale.wire_calls)
    aims = (1.05, 0.95) if kind == "gthread" else (None, None)
    return _table(f"handshake under {kind}", samples, *aims)


def _table(title: str, samples: dict[str, list[float]], plain: float | None, auth: float | None
) -> Table:  # fmt: skip
    note = (
        "Session compare and registry are on. What people do today is to ask `current_user` in "
        "the handler, after the upgrade, without a word on Origin."
    )
    table = Table(title, note, COLUMNS)
    base, guarded, *today = MAKERS
    table.figures.append(compared(samples, guarded, base, plain, "guarded / unguarded"))
    for name in today:
        goal = auth if name.endswith("SQLite") else None
        table.figures.append(compared(samples, name, base, None, f"{name} / unguarded"))
        table.figures.append(compared(samples, guarded, name, goal, f"guarded / {name}"))
    return table
