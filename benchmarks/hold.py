"""Sockets that are held open: what the guard keeps for each, and what it does with them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

from .blocks import Scale
from .figures import Figure, Table
from .servers import Server, gunicorn
from .traffic import handshake
from .wire import Wire

SITES = {"unguarded": "unguarded()", "guarded": "many_sockets()"}


def run(scale: Scale) -> Iterator[Table]:
    """Hold sockets under gthread and under gevent."""
    table = Table(
        "hold",
        "The private memory and the threads of a worker, less those before the first socket, "
        "divided by the sockets it holds. The allocator hands out memory in steps, so that a "
        "difference of a few KiB is within what two runs of one site differ by. Times are wall "
        "times at a client: a new handshake while the sockets are open, and `disconnect` of all "
        "of them until the last one has its close frame.",
        ("worker, sockets", "KiB a socket", "of the base", "threads", "of the base",
         "handshake ms", "of the base", "disconnect of all ms"),
    )  # fmt: skip
    for kind, counts in (("gthread", scale.sockets), ("gevent", scale.green)):
        for number in counts:
            held = {name: _hold(kind, number, maker) for name, maker in SITES.items()}
            ours, base = held["guarded"], held["unguarded"]
            values = (
                *(f"{ours[0]:.1f}", f"{base[0]:.1f}", f"{ours[1]:.0f}", f"{base[1]:.0f}"),
                *(f"{ours[2]:.2f}", f"{base[2]:.2f}", f"{ours[3]:.0f}"),
            )
            table.figures.append(Figure(f"{kind}, {number:,}", values))
    yield table


def _hold(kind: str, number: int, maker: str) -> tuple[float, int, float, float]:
    """Return KiB a socket, threads, the median ms of a handshake, and the ms of `disconnect`."""
    with gunicorn(maker, kind, threads=number + 16) as server, ExitStack() as stack:
        request = handshake(server.origin).wire()
        with Wire(server.port) as first:
            first.open(request)
            first.shut()
        memory, threads = server.memory(), server.threads()
        wires = [stack.enter_context(Wire(server.port)) for _ in range(number)]
        for wire in wires:
            wire.open(request)
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
