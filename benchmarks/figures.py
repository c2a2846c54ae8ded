"""What a benchmark finds: tables of figures, which become JSON, Markdown and a plot."""

from __future__ import annotations

from dataclasses import dataclass, field

from .blocks import Ratio, Samples, micros, ratio_of


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: ``values`` for the columns of its table.

    ``ratio`` is what is compared, ``goal`` the most that it should be, ``limit`` the most for
    the upper end of its interval; None where nothing is.
    """

    name: str
    values: tuple[str, ...]
    ratio: Ratio | None = None
    goal: float | None = None
    limit: float | None = None

    @property
    def is_reached(self) -> bool:
        """Tell whether the median, and where it matters the interval, is as low as it should be."""
        if not (self.ratio and self.goal) or self.ratio.median > self.goal:
            return False
        return self.limit is None or self.ratio.high <= self.limit


@dataclass(frozen=True, slots=True)
class Table:
    """Figures that are read together; ``note`` says what they mean and how they were measured."""

    title: str
    note: str
    columns: tuple[str, ...]
    figures: list[Figure] = field(default_factory=list)


def compared(
    samples: Samples,
    side: str,
    base: str,
    goal: float | None = None,
    name: str = "",
    sets: int = 1,
    limit: float | None = None,
) -> Figure:
    """Return a row for a side against the base: its microseconds, the base's, their ratio."""
    values = (f"{micros(samples, side):.1f}", f"{micros(samples, base):.1f}")
    return Figure(name or side, values, ratio_of(samples, side, base, sets=sets), goal, limit)
