"""The lower bounds that setup.py promises are those that ``make lowest`` installs."""

from __future__ import annotations

import re
from importlib.metadata import requires

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
