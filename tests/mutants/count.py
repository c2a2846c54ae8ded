"""Count what became of the mutants, module by module: ``python -m tests.mutants.count``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

MUTANTS = Path(__file__).parents[2] / "mutants"
# mutmut's exit codes; whatever else ended a test run killed the mutant.
NAMES = {0: "survived", 33: "untested", **dict.fromkeys((36, 24, -24, 152, 255), "timeout")}


def main() -> None:
    """Print a table in Markdown; an untested mutant counts as survived."""
    total: Counter[str] = Counter()
    print("| module | mutants | killed | survived | timeout |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for path in sorted(MUTANTS.rglob("*.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"].values()
        if not codes:
            continue
        counts = Counter(NAMES.get(code, "killed") for code in codes if code is not None)
        module = path.relative_to(MUTANTS).with_suffix("")
        _row(module.as_posix(), counts)
        total += counts
    _row("all", total)


def _row(name: str, counts: Counter[str]) -> None:
    survived = counts["survived"] + counts["untested"]
    judged = counts["killed"] + survived
    share = f"{100 * counts['killed'] / judged:.1f} %" if judged else ""
    cells = (name, counts.total(), f"{counts['killed']} ({share})", survived, counts["timeout"])
    print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
