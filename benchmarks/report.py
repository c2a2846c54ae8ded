"""The results as JSON, as a page of Markdown, and as a plot of every ratio that has a goal."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.sax.saxutils import escape

from .blocks import Scale
from .figures import Figure, Table
from .servers import CLIENT_CORES, SERVER_CORES

PACKAGES = (
    *("flask", "werkzeug", "flask-login", "flask-sock", "simple-websocket", "itsdangerous"),
    *("gunicorn", "gevent", "flask-wtf", "pyjwt", "django", "channels", "daphne"),
    *("flask-socketio", "fastapi", "uvicorn", "tornado", "aiohttp"),
)
WIDTH, LEFT, ROW, TOP = 920, 430, 26, 46


def write(tables: Sequence[Table], scale: Scale, folder: Path) -> None:
    """Write ``performance.json``, ``performance.svg`` and ``performance.md`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"machine": machine(), "scale": asdict(scale), "tables": [asdict(t) for t in tables]}
    text = json.dumps(found, indent=1)
    (folder / "performance.json").write_text(f"{text}\n", encoding="utf-8")
    (folder / "performance.svg").write_text(plot(tables), encoding="utf-8")
    (folder / "performance.md").write_text(page(tables), encoding="utf-8")


def machine() -> dict[str, str]:
    """Return what the numbers depend on."""
    found = {
        "cpu": _cpu(),
        "cores": f"server on {sorted(SERVER_CORES)}, client on {sorted(CLIENT_CORES)}",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[1]:.1f} at the end",
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def page(tables: Sequence[Table]) -> str:
    """Return the page: how to repeat it, the plot, the tables."""
    parts = [
        (Path(__file__).parent / "performance.md").read_text(encoding="utf-8"),
        *[section(table) for table in tables],
        "## The machine\n",
        "\n".join(f"- {name}: {value}" for name, value in machine().items()),
    ]
    return "\n".join(parts) + "\n"


def section(table: Table) -> str:
    compares = any(figure.ratio for figure in table.figures)
    aims = any(figure.goal for figure in table.figures)
    columns = [*table.columns]
    columns += ["ratio (95 % interval)"] if compares else []
    columns += ["goal", ""] if aims else []
    lines = [f"## {table.title}\n", f"{table.note}\n"]
    lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for figure in table.figures:
        cells = [figure.name, *figure.values]
        cells += [str(figure.ratio or "")] if compares else []
        cells += [_goal(figure), "reached" if figure.is_reached else "not reached"] * bool(
            figure.goal and aims
        )
        cells += [""] * (len(columns) - len(cells))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _goal(figure: Figure) -> str:
    limit = f", its interval at most {figure.limit}" if figure.limit else ""
    return f"at most {figure.goal}{limit}"


def plot(tables: Sequence[Table]) -> str:
    """Return an SVG: a dot and its interval for every ratio with a goal, a line for the goal.

    The horizontal axis is the ratio divided by its goal, so that all of them share one: left of
    the line is reached.
    """
    rows = [(t.title, f) for t in tables for f in t.figures if f.ratio and f.goal]
    height = TOP + ROW * len(rows) + 30
    most = max([1.5, *[f.ratio.high / f.goal for _, f in rows if f.ratio and f.goal]]) * 1.05

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - 90) * value / most

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="12" role="img" '
        'aria-label="Each measured ratio divided by its goal">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{across(1):.0f}" y="20" text-anchor="middle" fill="#555">goal</text>',
        f'<line x1="{across(1):.1f}" x2="{across(1):.1f}" y1="28" y2="{height - 10}" '
        'stroke="#999" stroke-dasharray="4 3"/>',
    ]
    for number, (title, figure) in enumerate(rows):
        assert figure.ratio
        assert figure.goal
        y = TOP + ROW * number
        low, middle, high = (
            across(value / figure.goal)
            for value in (figure.ratio.low, figure.ratio.median, figure.ratio.high)
        )
        colour = "#176f3d" if figure.is_reached else "#a33c00"
        label = escape(f"{title}: {figure.name}")
        parts += [
            f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{label}</text>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
            'stroke-width="2"/>',
            f'<circle cx="{middle:.1f}" cy="{y}" r="4" fill="{colour}"/>',
            f'<text x="{WIDTH - 80}" y="{y + 4}" fill="#333">'
            f"{figure.ratio.median:.2f} / {figure.goal:g}</text>",
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
