"""Sockets that are held open: what the guard keeps for each, and what it does with them."""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack

from flask import Flask

from . import sites
from .blocks import Scale
from .figures import Figure, Table
from .memory import SITE, held_handshake
from .servers import Server, gunicorn
from .traffic import handshake
from .wire import Wire

SITES = {"unguarded": "unguarded()", "guarded": "many_sockets()", "again": "unguarded()"}
GOAL_KIB = 1.0
ROUNDS = 3


def run(scale: Scale) -> Iterator[Table]:
    """Hold sockets under gthread and under gevent."""
    table = Table(
        "hold",
        "The private memory and the threads of a worker, less those before the first socket, "
        "divided by the sockets it holds, each of another user. The allocator hands out memory in "
        "steps: the unguarded site is measured twice, and `by chance` is what it differs from "
        "itself. Times are wall times at a client: a new handshake while the sockets are open, and "
        "`disconnect` of all of them until the last one has its close frame.",
        ("worker, sockets", "KiB a socket", "of the base", "more", "by chance", "threads",
         "of the base", "handshake ms", "of the base", "disconnect of all ms"),
    )  # fmt: skip
    for kind, counts in (("gthread", scale.sockets), ("gevent", scale.green)):
        for number in counts:
            held = {name: _hold(kind, number, maker) for name, maker in SITES.items()}
            ours, base, again = held["guarded"], held["unguarded"], held["again"]
            values = (
                *(f"{ours[0]:.1f}", f"{base[0]:.1f}", f"{ours[0] - base[0]:.1f}"),
                *(f"{again[0] - base[0]:.1f}", f"{ours[1]:.0f}", f"{base[1]:.0f}"),
                *(f"{ours[2]:.2f}", f"{base[2]:.2f}", f"{ours[3]:.0f}"),
            )
            table.figures.append(Figure(f"{kind}, {number:,}", values))
    yield table
    yield kept(scale)


def kept(scale: Scale) -> Table:
    """Count what the guard itself allocates for a socket and keeps while it is open."""
    table = Table(
        "kept for a socket",
        "Bytes that Python allocates in a whole guarded handshake and has not freed while the "
        "handler runs, less the same of an unguarded one (tracemalloc, in one process, each "
        f"socket of another user; the median of {ROUNDS} rounds). The goal is {GOAL_KIB:g} KiB.",
        ("sockets", "bytes a socket", "of the base", "more", "goal", ""),
    )
    number = scale.sockets[-1]
    pairs = [
        (_allocated(sites.many_sockets(), number), _allocated(sites.unguarded(), number))
        for _ in range(ROUNDS)
    ]
    guarded, base = (statistics.median(side) for side in zip(*pairs, strict=True))
    more = statistics.median(ours - other for ours, other in pairs)
    reached = "reached" if more <= GOAL_KIB * 1024 else "not reached"
    values = (f"{guarded:,.0f}", f"{base:,.0f}", f"{more:,.0f}", "at most 1,024", reached)
    table.figures.append(Figure(f"{number:,}", values))
    return table


def _allocated(app: Flask, number: int) -> float:
    """Return the bytes a socket while ``number`` handlers run, each on a thread of its own."""
    asked = [handshake(SITE, user=f"user {each}") for each in range(number + 1)]
    calls = [held_handshake(app, request) for request in asked]
    # A worker that has served as many before: caches with a limit are full, of nobody's socket.
    for call in calls:
        with call():
            pass
    with calls.pop()():
        gc.collect()
        tracemalloc.start()
        with ExitStack() as stack:
            for call in calls:
                stack.enter_context(call())
            gc.collect()
            size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / number


def _hold(kind: str, number: int, maker: str) -> tuple[float, int, float, float]:
    """Return KiB a socket, threads, the median ms of a handshake, and the ms of `disconnect`."""
    with gunicorn(maker, kind, threads=number + 16) as server, ExitStack() as stack:
        request = handshake(server.origin).wire()
        others = [handshake(server.origin, user=f"user {each}").wire() for each in range(number)]
        with Wire(server.port) as first:
            first.open(request)
            first.shut()
        memory, threads = server.memory(), server.threads()
        wires = [stack.enter_context(Wire(server.port)) for _ in range(number)]
        for wire, other in zip(wires, others, strict=True):
            wire.open(other)
        kib = (server.memory() - memory) / 1024 / number
        threads = server.threads() - threads
        return kib, threads, _handshake_ms(server, request), _disconnect_ms(server, wires, maker)


def _handshake_ms(server: Server, request: bytes) -> float:
    times = []
    for _ in range(20):
        start = time.perf_counter()
        with Wire(server.port) as wire:
            wire.open(request)
            times.append((time.perf_counter() - start) * 1000)
            wire.shut()
    return statistics.median(times)


def _disconnect_ms(server: Server, wires: list[Wire], maker: str) -> float:
    if maker == SITES["unguarded"]:
        return 0.0
    ask = f"POST /disconnect HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode()
    with Wire(server.port) as wire:
        start = time.perf_counter()
        wire.answer(ask, b"200")
    for wire in wires:
        wire.frame()
    return (time.perf_counter() - start) * 1000
