"""A herd comes back: every client of a worker loses its socket at once, in virtual time.

The clients' delays are those of the shipped client, run by node; the worker is as fast as the one
that is measured here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .blocks import Scale, interleave, micros
from .figures import Figure, Table
from .servers import ROOT, gunicorn
from .traffic import handshake, post
from .wire import handshakes, requests

CLIENT = ROOT / "flask_wsguard" / "static" / "wsguard.js"
TIMEOUT, BACKLOG, DOWN = 10, 2048, 3
DRAIN = 10
"""Seconds: the client's timeout, the worker's absence, and WSGUARD_DRAIN_SECONDS."""

DELAYS: list[dict[str, int]] = [
    {},
    {"minDelay": 250},
    {"minDelay": 4000},
    {"maxDelay": 10_000},
    {"maxDelay": 60_000},
    {"maxDelay": 120_000},
]


def run(scale: Scale) -> Iterator[Table]:
    """Measure one worker, then let the clients of many sizes of delay storm it."""
    if shutil.which("node") is None:
        raise SystemExit("the storm runs the browser client: install node")
    rate = _connects_a_second(scale)
    ideal = scale.clients / rate
    table = Table(
        "storm",
        f"{scale.clients:,} clients of one worker, which is gone for {DOWN} s and then answers "
        f"{rate:,.0f} connects (a preauth and a handshake) a second, as measured under gthread: "
        f"at best {ideal:.0f} s for all. Each waits at most {TIMEOUT} s for an answer. "
        "A *crash* drops all at once; a *drain* closes them over "
        f"{DRAIN} s first. Seconds count from the worker's return. The defaults were chosen from "
        "this: a longer minDelay lowers the first peak after a crash, which finds nobody there, "
        "and makes everybody who lost a connection alone wait as much longer; a longer maxDelay "
        "lets the last ones come late for nothing, and a shorter one only adds preauths.",
        ("delays", "end", "most preauths a second", "after its return", "preauths a client",
         "half are back after s", "99 % after s", "all after s"),
    )  # fmt: skip
    for options in DELAYS:
        for end, spread in (("crash", 0), ("drain", DRAIN)):
            found = simulate(scale.clients, rate, spread, options)
            name = ", ".join(f"{key} {value}" for key, value in options.items())
            values = (
                end,
                f"{found['peak']:,}",
                f"{found['peakServed']:,}",
                f"{found['asked'] / scale.clients:.1f}",
                *(f"{found[key]:.0f}" for key in ("half", "most", "all")),
            )
            table.figures.append(Figure(name or "the defaults", values))
    yield table


def simulate(clients: int, rate: float, spread: float, options: dict[str, int]) -> dict[str, Any]:
    """Let node run the storm; return its peaks, and when how many were back."""
    given = {
        "clients": clients,
        "perSecond": rate,
        "down": DOWN,
        "spread": spread,
        "timeout": TIMEOUT,
        "backlog": BACKLOG,
        "options": options,
    }
    script = Path(__file__).with_suffix(".js")
    command = ["node", str(script), str(CLIENT), json.dumps(given)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


def _connects_a_second(scale: Scale) -> float:
    with gunicorn("guarded()") as server:
        sides = {
            "preauth": requests(server, post(server.origin, "/wsguard/preauth"), b"200"),
            "handshake": handshakes(server, handshake(server.origin).wire()),
        }
        samples = interleave(sides, rounds=scale.wire_rounds, calls=scale.wire_calls)
    return 1e6 / (micros(samples, "preauth") + micros(samples, "handshake"))
