"""Fuzz both targets side by side: ``python -m tests.fuzz.run MINUTES``, or ``make fuzz``."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGETS = ("core", "wsgi")


@dataclass(frozen=True)
class Run:
    """How the fuzzing of one target ended; ``executions`` is 0 where it broke off at once."""

    target: str
    status: int
    executions: int
    output: str


def fuzz(seconds: int, folder: Path) -> list[Run]:
    """Fuzz each target for so many seconds; what it finds goes below ``folder``."""
    started = []
    for target in TARGETS:
        found = folder / target
        found.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.fuzz", target]
        options = [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/{target}-", str(found)]
        log = (folder / f"{target}.log").open("wb")
        started.append(
            subprocess.Popen([*command, *options], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        )
        log.close()
    return [_end(target, process, folder) for target, process in zip(TARGETS, started, strict=True)]


def _end(target: str, process: subprocess.Popen[bytes], folder: Path) -> Run:
    try:
        status = process.wait()
    finally:
        process.kill()
    output = (folder / f"{target}.log").read_text(encoding="utf-8", errors="replace")
    counted = re.search(r"number_of_executed_units: *([0-9]+)", output)
    return Run(target, status, int(counted[1]) if counted else 0, output)


def main(minutes: str) -> int:
    """Fuzz, say how much was run, and return 1 when the contract broke."""
    runs = fuzz(round(float(minutes) * 60), ROOT / "build" / "fuzz")
    for run in runs:
        print(f"{run.target}: {run.executions:,} executions, ", end="")
        print("nothing found" if run.status == 0 else f"BROKEN:\n{run.output[-4000:]}")
    return int(any(run.status for run in runs))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
