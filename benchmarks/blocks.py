"""Paired, interleaved blocks: what a loaded machine does to one side it does to the other."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

RESAMPLES = 2000

Block = Callable[[int], float]
"""Makes so many calls; returns the CPU seconds of one."""
Samples = dict[str, list[float]]
"""For each side its blocks' CPU seconds a call, one entry a round."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. ``sockets`` are held under gthread, ``green`` under gevent.

    On the wire ``wire_rounds`` are measured on each of ``sets`` sets of servers, started anew:
    two starts of one site differ by more than two rounds of one start.
    """

    rounds: int = 60
    calls: int = 200
    sets: int = 6
    wire_rounds: int = 10
    wire_calls: int = 50
    sockets: tuple[int, ...] = (100, 500)
    green: tuple[int, ...] = (100, 1000, 5000)
    routes: int = 1000
    origins: int = 10_000
    live: int = 5000
    clients: int = 100_000
    flood_seconds: float = 5.0


SMOKE = Scale(
    rounds=2,
    calls=2,
    sets=1,
    wire_rounds=2,
    wire_calls=2,
    sockets=(3,),
    green=(3,),
    routes=20,
    origins=20,
    live=20,
    clients=200,
    flood_seconds=0.2,
)
"""Enough to see that everything still runs; its numbers mean nothing."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median over rounds of one side by another, and its bootstrap 95 % interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def interleave(sides: Mapping[str, Block], *, rounds: int, calls: int) -> Samples:
    """Run a block of each side in each round, in an order that chance picks."""
    dice = random.Random(1)
    for block in sides.values():
        block(max(1, calls // 4))
    samples: Samples = {name: [] for name in sides}
    for _ in range(rounds):
        for name in dice.sample(list(sides), len(sides)):
            samples[name].append(sides[name](calls))
    return samples


def in_process(call: Callable[[], object]) -> Block:
    """Measure a call by the clock of this process, all of its threads included."""

    def block(calls: int) -> float:
        # One side's garbage must not be collected on the other's time.
        gc.collect()
        start = time.process_time()
        for _ in range(calls):
            call()
        return (time.process_time() - start) / calls

    return block


def ratio_of(samples: Samples, side: str, base: str, units: float = 1.0, sets: int = 1) -> Ratio:
    """Compare two sides round by round; ``units`` of the base make one, ``sets`` equal parts."""
    pairs = [
        one / (two * units) for one, two in zip(samples[side], samples[base], strict=True) if two
    ]
    return _with_interval(pairs, sets)


def added_by(samples: Samples, side: str, base: str, sets: int = 1) -> Ratio:
    """Return the microseconds that a side takes more than the base, round by round."""
    pairs = zip(samples[side], samples[base], strict=True)
    return _with_interval([(one - two) * 1e6 for one, two in pairs], sets)


def micros(samples: Samples, side: str) -> float:
    """Return a side's median, in microseconds a call."""
    return statistics.median(samples[side]) * 1e6


def _with_interval(values: list[float], sets: int) -> Ratio:
    """Resample sets, and rounds within each: what differs between sets widens the interval."""
    if len(values) < sets:
        return Ratio(float("nan"), float("nan"), float("nan"))
    size = len(values) // sets
    parts = [values[at : at + size] for at in range(0, size * sets, size)]
    dice = random.Random(2)
    medians = sorted(
        statistics.median(
            [value for part in dice.choices(parts, k=sets) for value in dice.choices(part, k=size)]
        )
        for _ in range(RESAMPLES)
    )
    return Ratio(
        statistics.median(values),
        medians[int(RESAMPLES * 0.025)],
        medians[int(RESAMPLES * 0.975)],
    )
