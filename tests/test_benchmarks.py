"""The benchmarks still run; what they measure is `make bench`'s business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.blocks import Block, interleave, ratio_of

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_runs(name: str, tmp_path: Path) -> None:
    """With tiny counts, every figure is measured and written in all three forms."""
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--into", str(tmp_path), name]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    found = json.loads((tmp_path / "performance.json").read_text())
    assert found["tables"]
    for table in found["tables"]:
        assert table["figures"], table["title"]
        assert f"## {table['title']}" in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "performance.svg").read_text().startswith("<svg")
    for _, *values in rows_of(found, "peers"):
        assert not values[-1].startswith("not measured") or "ImportError" in values[-1]


def rows_of(found: Any, title: str) -> list[list[str]]:
    """Return a table's figures; none where it was not measured."""
    tables = [table for table in found["tables"] if table["title"] == title]
    return [[each["name"], *each["values"]] for table in tables for each in table["figures"]]


def test_a_side_that_takes_twice_as_long_is_twice_the_base() -> None:
    """Ratios are taken within a round: a round slowed for both sides changes nothing."""
    samples = {"base": [3.0, 3.0, 15.0], "twice": [6.0, 6.0, 30.0]}
    ratio = ratio_of(samples, "twice", "base")
    assert (ratio.median, ratio.low, ratio.high) == (2.0, 2.0, 2.0)


def test_what_differs_between_sets_of_servers_is_in_the_interval() -> None:
    """Two sets that agree within themselves and not with each other are no tight result."""
    samples = {"base": [1.0] * 20, "side": [1.0] * 10 + [2.0] * 10}
    ratio = ratio_of(samples, "side", "base", sets=2)
    assert (ratio.median, ratio.low, ratio.high) == (1.5, 1.0, 2.0)


def test_blocks_of_all_sides_alternate() -> None:
    """Each round runs each side once, and neither is always the first."""
    ran = list[str]()

    def block(name: str) -> Block:
        def run(calls: int) -> float:
            ran.append(name)
            return float(calls)

        return run

    samples = interleave({"a": block("a"), "b": block("b")}, rounds=20, calls=8)
    assert samples == {"a": [8.0] * 20, "b": [8.0] * 20}
    rounds = [ran[at : at + 2] for at in range(2, 42, 2)]
    assert {"".join(pair) for pair in rounds} == {"ab", "ba"}
