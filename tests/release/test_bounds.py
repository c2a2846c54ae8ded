"""The lower bounds that setup.py promises are those that ``make lowest`` installs."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import metadata, requires

from .conftest import ROOT


def test_lowest_pins_are_the_promised_bounds() -> None:
    """Each requirement and each extra is tested in exactly the version that it begins with."""
    pinned = dict(
        re.findall(r"^([a-z-]+)==([\d.]+)", (ROOT / "tests" / "lowest.txt").read_text(), re.M)
    )
    promised = [re.match(r"([a-z-]+)>=([\d.]+)", line) for line in requires("flask-wsguard") or []]
    assert len(promised) >= 9
    for bound in promised:
        assert bound
        low = pinned[bound[1]].split(".")
        assert low[: bound[2].count(".") + 1] == bound[2].split("."), bound[0]
        assert set(low[bound[2].count(".") + 1 :]) <= {"0"}, bound[0]


# The one module of the package that imports what an extra brings.
DOORS = {
    "redis": "flask_wsguard.stores.redis",
    "metrics": "flask_wsguard.ops.metrics",
    "client": "flask_wsguard.client",
}


def test_lowest_goes_through_every_extras_door() -> None:
    """A bound that no test of ``make lowest`` imports is only a number."""
    said = subprocess.run(
        ["make", "--dry-run", "lowest"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    chosen = re.findall(r"\btests/\S+\.py\b", said)
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in chosen)
    assert set(metadata("flask-wsguard").get_all("Provides-Extra") or []) == set(DOORS)
    assert [door for door in DOORS.values() if f"from {door} import" not in text] == []
