"""The queries of docs/grafana.json, answered by a real Prometheus that watches a real site.

``python -m tests.dashboard`` lets people and attackers come for twelve minutes and draws the last
six into docs/images/dashboard.svg.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import pytest

from tests.wire import Browser, HungUp, browsers

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "dashboard.svg"
SECONDS, SHOWN = 720, 360
COLOURS = ("#2563eb", "#d97706", "#0f766e", "#b91c1c", "#7c3aed", "#57534e", "#be185d", "#15803d")
PANELS = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))["panels"]
UNITS = {"reqps": " (a second)", "short": "", "s": " (seconds)"}
WIDTH, HEIGHT, MARGIN = 560, 250, 46

CONFIG = """
scrape_configs:
  - job_name: site
    scrape_interval: 1s
    static_configs:
      - targets: ["localhost:{port}"]
"""


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    port: int

    def ask(self, query: str, begin: float, end: float, step: float = 1.0) -> list[dict[str, Any]]:
        """Return the series of a query: each a ``metric`` with labels and ``values``."""
        asked = urlencode({"query": query, "start": begin, "end": end, "step": step})
        address = f"http://127.0.0.1:{self.port}/api/v1/query_range?{asked}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


@contextmanager
def prometheus(site: int, folder: Path) -> Iterator[Prometheus]:
    """Let Debian's Prometheus watch /metrics at a port until the block ends."""
    program = shutil.which("prometheus")
    if program is None:
        why = "needs prometheus (apt-get install)"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(port=site), encoding="utf-8")
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield Prometheus(port)
    finally:
        process.kill()
        process.wait()


def visit(browser: Browser, dice: random.Random) -> None:
    """Come as one of many: most stay for a while, some are attackers, some have logged out."""
    what = dice.choices(
        ("stays", "leaves", "logs out", "foreign", "no token", "replayed elsewhere", "nobody"),
        (10, 14, 2, 5, 3, 1, 4),
    )[0]
    if what == "nobody":
        Browser(browser.port).ask("/any")
        return
    browser.log_in("alice")
    if what in {"stays", "leaves", "logs out"}:
        wire = browser.open("/any")
        if what == "leaves":
            wire.close()
        elif what == "logs out":
            browser.log_out()
        return
    attempt = browser.attempt("/any", browser.preauth("/any"))
    if what == "foreign":
        attempt.put(b"Origin", b"https://evil.example")
    elif what == "no token":
        attempt.query = b""
    else:
        attempt.path = b"/write"
    browser.send(attempt).answer()


def live(port: int, seconds: float, dice: random.Random) -> None:
    """Let visitors come, more of them in the middle, and go when they have stayed for a while."""
    begin = time.monotonic()
    with browsers(port) as make:
        present: list[tuple[float, Browser]] = []
        while (passed := time.monotonic() - begin) < seconds:
            # Two processes of eight threads each can hold twelve sockets and still answer.
            if len(present) < 12:
                browser = make()
                with suppress(HungUp, AssertionError):
                    visit(browser, dice)
                present.append((passed + dice.uniform(1, 4), browser))
            for each in [one for one in present if one[0] < passed]:
                each[1].close()
                present.remove(each)
            time.sleep(dice.uniform(0.02, 0.3 + abs(seconds / 2 - passed) / seconds))


def main() -> None:
    """Draw the picture."""
    from tests.test_metrics import gunicorn

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with gunicorn(folder) as port, prometheus(port, folder) as watcher:
            live(port, SECONDS, random.Random(7))
            end = time.time()
            begin = end - SHOWN
            found = [watcher.ask(one["targets"][0]["expr"], begin, end, 2.0) for one in PANELS]
    PICTURE.write_text(draw(found, begin, end), encoding="utf-8")


def draw(found: list[list[dict[str, Any]]], begin: float, end: float) -> str:
    """Return the panels as an SVG, two in a row as the dashboard has them."""
    rows = (len(found) + 1) // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {rows * HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="12" role="img" '
        'aria-label="The panels of the dashboard over six minutes">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for number, (panel, series) in enumerate(zip(PANELS, found, strict=True)):
        left, top = number % 2 * WIDTH, number // 2 * HEIGHT
        parts.append(f'<g transform="translate({left} {top})">')
        unit = UNITS[panel["fieldConfig"]["defaults"]["unit"]]
        parts += _panel(panel["title"], unit, series, begin, end)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(
    title: str, unit: str, series: list[dict[str, Any]], begin: float, end: float
) -> list[str]:
    lines = [
        (
            ", ".join(label for label in each["metric"].values() if label) or "all",
            [(float(at), float(value)) for at, value in each["values"] if value != "NaN"],
        )
        for each in series
    ]
    lines = [line for line in lines if any(value for _, value in line[1])]
    most = max([value for _, points in lines for _, value in points], default=1.0) * 1.1
    floor, room = HEIGHT - 76, HEIGHT - 112
    across = WIDTH - 2 * MARGIN
    parts = [
        f'<text x="{MARGIN}" y="24" font-size="14" font-weight="600">{escape(title)}'
        f'<tspan font-weight="400" fill="#57534e">{unit}</tspan></text>',
        f'<path d="M{MARGIN} {floor}h{across}" stroke="#a8a29e"/>',
        f'<text x="{MARGIN - 6}" y="{floor + 4}" text-anchor="end" fill="#57534e">0</text>',
        f'<text x="{MARGIN - 6}" y="{floor - room + 4}" text-anchor="end" fill="#57534e">'
        f"{most:.2g}</text>",
    ]
    for number, (name, points) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        dots = " ".join(
            f"{MARGIN + across * (at - begin) / (end - begin):.1f},"
            f"{floor - room * value / most:.1f}"
            for at, value in points
        )
        x, y = MARGIN + number % 2 * across // 2, floor + 20 + number // 2 * 16
        parts += [
            f'<polyline points="{dots}" fill="none" stroke="{colour}" stroke-width="1.8"/>',
            f'<rect x="{x}" y="{y - 9}" width="10" height="10" rx="2" fill="{colour}"/>',
            f'<text x="{x + 15}" y="{y}" fill="#292524">{escape(name)}</text>',
        ]
    return parts


if __name__ == "__main__":
    main()
