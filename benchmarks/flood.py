"""Hostile handshakes: what a refusal costs, and what the others feel while they rain."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from flask_wsguard.core.tickets import Keys

from . import sites
from .blocks import Scale, in_process, interleave
from .figures import Figure, Table, compared, micros
from .memory import SITE, whole_request
from .servers import ROOT, Server, gunicorn
from .traffic import BROWSER, Request, grant, handshake
from .wire import Wire, over_servers, requests

REFUSED = "403 FORBIDDEN"
RATE = 1500
LATENCY = ("while", "foreign ones a second", "GET: median ms", "99th %", "handshake: median ms",
           "99th %")  # fmt: skip


def attacks(origin: str) -> dict[str, Request]:
    """Return handshakes that are refused, by reason; most carry the victim's cookies."""
    good, forged = handshake(origin), grant(origin, keys=Keys(["another secret"]))
    return {
        "origin_not_allowed": good.but(Origin="https://evil.example.net"),
        "token_missing": replace(good, query=""),
        "ticket_missing": good.but(Cookie=good.headers["Cookie"].rpartition("; ")[0]),
        "token_missing, no cookie at all": replace(good.but(Cookie=""), query=""),
        "token_invalid": replace(good, query=f"wsguard_token={forged.token}"),
    }


def run(scale: Scale) -> Iterator[Table]:
    """Measure refusals in memory and on the wire, then the latency of everybody else."""
    yield in_memory(scale)
    yield on_the_wire(scale)
    with gunicorn("plain_403()") as plain, gunicorn("guarded()") as guarded:
        yield latency(scale, plain, guarded)


def in_memory(scale: Scale) -> Table:
    """Measure whole WSGI requests, with the early gate and through Flask."""
    table = Table(
        "refusal in memory",
        "The base is a route whose view returns a new `Response` with the same bytes and status; "
        "both get the same handshake. The early gate answers a hopeless handshake before Flask "
        "opens a session; where it is not installed, and where it cannot know, the hook does.",
        ("what", "us", "us of a plain 403"),
    )
    plain, gated, hooked = sites.plain_403(), sites.guarded(), sites.without_early_gate()
    for reason, request in attacks(SITE).items():
        sides = {
            "plain": in_process(whole_request(plain, request, REFUSED)),
            "gated": in_process(whole_request(gated, request, REFUSED)),
            "hooked": in_process(whole_request(hooked, request, REFUSED)),
        }
        samples = interleave(sides, rounds=scale.rounds, calls=scale.calls)
        early = None if reason == "token_invalid" else 0.7
        table.figures.append(compared(samples, "gated", "plain", early, reason))
        table.figures.append(
            compared(
                samples, "hooked", "plain", 1.10 if early else None, f"{reason}, through Flask"
            )
        )
    return table


def on_the_wire(scale: Scale) -> Table:
    """Measure refusals under gthread."""
    table = Table(
        "refusal under gthread",
        "Handshakes on one connection that is kept alive.",
        ("reason", "us", "us of a plain 403", "refusals a CPU second"),
    )
    starts = {"plain": partial(gunicorn, "plain_403()"), "guarded": partial(gunicorn, "guarded()")}
    for reason in attacks(SITE):
        samples = over_servers(
            starts,
            lambda _, server: requests(server, attacks(server.origin)[reason], b"403"),  # noqa: B023
            scale,
        )
        row = compared(samples, "guarded", "plain", name=reason, sets=scale.sets)
        rate = f"{1e6 / micros(samples, 'guarded'):,.0f}"
        table.figures.append(replace(row, values=(*row.values, rate)))
    return table


def latency(scale: Scale, plain: Server, guarded: Server) -> Table:
    """Measure ordinary requests and good handshakes on a calm, and on a flooded site."""
    table = Table(
        "latency under a flood",
        f"Wall time at a client, {scale.flood_seconds:.0f} s each: ordinary requests and good "
        "handshakes (of which the plain view refuses each) in turn, each on a new connection, "
        f"while eight connections send {RATE:,} foreign handshakes a second, as far as they are "
        "answered in time.",
        LATENCY,
    )
    for name, server, answer in (
        ("the plain 403 view", plain, b"403"),
        ("the guard", guarded, b"101"),
    ):
        table.figures.append(_felt(f"{name}, calm", scale, server, answer, 0))
        table.figures.append(_felt(f"{name}, flooded", scale, server, answer, RATE))
    return table


def _felt(name: str, scale: Scale, server: Server, status: bytes, rate: int) -> Figure:
    get = replace(handshake(server.origin), path="/", query="", headers=_ordinary()).wire()
    good = handshake(server.origin).wire()
    pages, sockets = list[float](), list[float]()
    with _flood(server, rate) as reached:
        end = time.monotonic() + scale.flood_seconds
        while time.monotonic() < end or not pages:
            pages.append(_timed(server, lambda wire: wire.answer(get, b"200")))
            sockets.append(_timed(server, lambda wire: wire.answer(good, status)))
        sent = reached()
    handshakes = _spread(sockets) if status == b"101" else ("", "")
    return Figure(name, (f"{sent:,.0f}", *_spread(pages), *handshakes))


def _ordinary() -> dict[str, str]:
    return {"User-Agent": BROWSER["User-Agent"], "Accept": "text/html"}


def _timed(server: Server, call: Callable[[Wire], object]) -> float:
    start = time.perf_counter()
    with Wire(server.port) as wire:
        call(wire)
        return (time.perf_counter() - start) * 1000


def _spread(values: list[float]) -> tuple[str, str]:
    values.sort()
    return (f"{statistics.median(values):.2f}", f"{values[int(len(values) * 0.99)]:.2f}")


@contextmanager
def _flood(server: Server, rate: int) -> Iterator[Callable[[], float]]:
    """Send hostile handshakes from a process of their own; yield what tells how many a second."""
    if not rate:
        yield lambda: 0.0
        return
    command = [sys.executable, "-m", "benchmarks.flood", str(server.port), server.origin, str(rate)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "flooding\n"

    def reached() -> float:
        process.terminate()
        return float(process.communicate()[0])

    try:
        yield reached
    finally:
        process.kill()
        process.wait()


def _hit(port: int, origin: str, rate: int) -> None:
    """Send so many handshakes a second over eight connections until told to end; say how many.

    What is not answered in time is not sent: an attacker with more connections would wait less.
    """
    data = attacks(origin)["origin_not_allowed"].wire()
    wires, ended, sent = [Wire(port) for _ in range(8)], list[int](), 0
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    print("flooding", flush=True)
    start = time.monotonic()
    while not ended:
        for wire in wires:
            wire.socket.sendall(data)
        for wire in wires:
            wire.answer(b"", b"403")
        sent += len(wires)
        time.sleep(max(0.0, start + sent / rate - time.monotonic()))
    print(sent / (time.monotonic() - start), flush=True)


if __name__ == "__main__":
    _hit(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
