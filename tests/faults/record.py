"""What a soak measured, as a plot and a table in docs/."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
PLOT = ROOT / "docs" / "images" / "soak.svg"

WIDTH, HEIGHT, LEFT = 720, 110, 60


@dataclass(frozen=True)
class Series:
    """One quantity over time: what it is, and (seconds, value) pairs."""

    name: str
    points: list[tuple[float, float]]

    def mean(self, begin: float, end: float) -> float:
        """Return the mean between two fractions of the run."""
        last = self.points[-1][0]
        values = [value for at, value in self.points if begin * last <= at <= end * last]
        return sum(values) / len(values)


def plot(series: list[Series]) -> str:
    """Return an SVG with one panel a series, each from zero."""
    height = HEIGHT * len(series) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, each in enumerate(series):
        parts += panel(each, HEIGHT * number + 10)
    minutes = series[0].points[-1][0] / 60
    parts.append(f'<text x="{WIDTH - 90}" y="{height - 8}">{minutes:.1f} minutes</text></svg>')
    return "\n".join(parts) + "\n"


def panel(series: Series, top: float) -> list[str]:
    """Return the lines of one panel."""
    last, most = series.points[-1][0], max(value for _, value in series.points) or 1
    floor, room = top + HEIGHT - 20, HEIGHT - 45
    dots = " ".join(
        f"{LEFT + (WIDTH - LEFT - 20) * at / last:.1f},{floor - room * value / most:.1f}"
        for at, value in series.points
    )
    return [
        f'<text x="{LEFT}" y="{top + 12}">{series.name}</text>',
        f'<text x="{LEFT - 6}" y="{floor - room + 4}" text-anchor="end">{most:g}</text>',
        f'<text x="{LEFT - 6}" y="{floor + 4}" text-anchor="end">0</text>',
        f'<path d="M{LEFT} {floor}H{WIDTH - 20}" stroke="#bbb"/>',
        f'<polyline points="{dots}" fill="none" stroke="#0b62a4" stroke-width="1.5"/>',
    ]


def where() -> str:
    """Return on what this ran."""
    names = ("flask", "flask-sock", "simple-websocket", "gunicorn", "redis")
    libraries = ", ".join(f"{name} {version(name)}" for name in names)
    day = datetime.now(timezone.utc).date()
    return (
        f"{day}, Python {platform.python_version()}, {libraries}, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} processors"
    )


def put(chapter: str, text: str) -> None:
    """Replace what stands between a chapter's marks in the page."""
    begin, end = f"<!-- {chapter}: written by the run -->", f"<!-- end of {chapter} -->"
    page = PAGE.read_text(encoding="utf-8")
    found = re.compile(f"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", re.DOTALL)
    assert len(found.findall(page)) == 1, f"no place for {chapter} in {PAGE}"
    PAGE.write_text(found.sub(lambda _: text, page), encoding="utf-8")
