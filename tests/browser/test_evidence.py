"""docs/evidence.md says what this suite sees, and a run that sees anything else fails."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.browser import evidence
from tests.browser.attacks import ATTACKS

pytest_plugins = ["pytester"]

ROW = "PhantomJS 2.1.1"
MARKED = f"""
import pytest

@pytest.mark.evidence({ROW!r})
def test_that_needs_no_browser():
    pass
"""
# Hypothesis has nothing to do here, and takes seconds to load where no bytecode is kept.
OPTIONS = [
    f"-p{name}" for name in ("tests.browser.conftest", "no:cacheprovider", "no:hypothesispytest")
]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> Path:
    """Return a file in the place of docs/evidence.md, and a test of one of its rows."""
    copy = tmp_path / "evidence.md"
    copy.write_bytes(evidence.FILE.read_bytes())
    monkeypatch.setattr(evidence, "FILE", copy)
    pytester.makepyfile(MARKED)
    return copy


def test_the_file_is_what_its_own_verdicts_make(request: pytest.FixtureRequest) -> None:
    """A row or a site that was added, renamed or removed shows without a browser."""
    if request.config.getoption("--write-evidence", default=False):
        pytest.skip("it is being written")
    seen = evidence.read()
    assert evidence.gaps(seen) == []
    assert evidence.FILE.read_text("utf-8") == evidence.text_of(seen, evidence.run_of_file())


def test_every_row_has_a_name_of_its_own() -> None:
    names = Counter([*(attack.name for attack in ATTACKS), *evidence.marked()])
    assert [name for name, times in names.items() if times > 1] == []


def test_a_test_passes_whose_verdict_is_in_the_file(file: Path, pytester: pytest.Pytester) -> None:
    pytester.runpytest_inprocess(*OPTIONS).assert_outcomes(passed=1)


def test_a_test_fails_whose_verdict_is_stale(file: Path, pytester: pytest.Pytester) -> None:
    text = file.read_text("utf-8")
    file.write_text(text.replace(f"| {ROW} | passes |", f"| {ROW} | fails |"), "utf-8")
    ran = pytester.runpytest_inprocess(*OPTIONS)
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines([f"*stale: {ROW}, verdict is 'passes' now, not 'fails'"])


def test_a_part_of_the_suite_writes_nothing(file: Path, pytester: pytest.Pytester) -> None:
    before = file.read_bytes()
    ran = pytester.runpytest_inprocess(*OPTIONS, "--write-evidence")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(
        ["*only a run of the whole suite*, the first: cross-site page, chromium, control"]
    )
    assert file.read_bytes() == before


def test_a_whole_run_writes_what_it_saw(
    file: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same part, were it the whole suite."""
    monkeypatch.setattr(evidence, "ATTACKS", ())
    monkeypatch.setattr(evidence, "marked", lambda: [ROW])
    assert pytester.runpytest_inprocess(*OPTIONS, "--write-evidence").ret == pytest.ExitCode.OK
    assert evidence.read() == {ROW: {"verdict": "passes"}}
