"""The fuzzed contract: no exception, no 5xx, and nothing accepted that the model refuses."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from flask_wsguard.core.handshake import CHECKS

from . import on_core, on_wsgi
from .run import fuzz

CORPUS = Path(__file__).parent / "corpus"
INPUTS = {target: sorted((CORPUS / target).iterdir()) for target in ("core", "wsgi")}
SECONDS = 30


@pytest.fixture(autouse=True)
def _tidy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_core, "LEFT_OUT", set())


@pytest.mark.parametrize("path", INPUTS["core"], ids=lambda path: path.name)
def test_core_keeps_the_contract_on_its_corpus(path: Path) -> None:
    """Whatever fuzzing once found interesting is judged as the model judges it."""
    on_core.one_input(path.read_bytes())


@pytest.mark.parametrize("path", INPUTS["wsgi"], ids=lambda path: path.name)
def test_app_keeps_the_contract_on_its_corpus(path: Path) -> None:
    """The same for hook, blueprint, session and socket together."""
    with on_wsgi.quiet():
        on_wsgi.one_input(path.read_bytes())


def test_corpus_opens_sockets() -> None:
    """The fuzzers start from handshakes that succeed: refusing all would be no contract kept."""
    opened = {path.name for path in INPUTS["core"] if on_core.one_input(path.read_bytes())}
    assert {
        "alice-connects",
        "bob-connects",
        "older-key",
        "bearer",
        "localhost",
        "subprotocol",
    } <= opened
    with on_wsgi.quiet():
        granted = {path.name for path in INPUTS["wsgi"] if on_wsgi.one_input(path.read_bytes())}
    assert {"alice-connects", "public", "preauth", "preauth-referer", "ie-11"} <= granted


# Checks that stand in for each other are left out together.
LOCKS = [
    {"route_is_marked"},
    {"upgrade_is_well_formed"},
    {"transport_is_secure"},
    {"origin_is_present"},
    {"origin_is_allowed"},
    {"fetch_is_same_site"},
    {"token_is_authentic", "ticket_is_authentic"},
    {"token_is_fresh", "ticket_is_fresh"},
    {"token_is_authentic", "token_names_ticket"},
    {"ticket_is_present", "ticket_is_authentic", "token_names_ticket", "path_is_bound"},
    {"path_is_bound"},
    {"scopes_are_held"},
    {"session_is_alive"},
    {"session_is_of_user", "session_is_same"},
]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: "-and-".join(sorted(lock)))
def test_fuzzer_sees_a_check_that_is_missing(
    lock: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with a lock left out, the corpus breaks the contract."""
    assert lock <= {check.__name__ for check in CHECKS}
    monkeypatch.setattr(on_core, "LEFT_OUT", lock)
    broken = []
    for path in INPUTS["core"]:
        try:
            on_core.one_input(path.read_bytes())
        except on_core.Broken:
            broken.append(path.name)
    assert broken


@pytest.mark.slow
def test_half_a_minute_of_fuzzing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guided by coverage, from the committed corpus, both targets side by side."""
    if find_spec("atheris") is None:
        why = "atheris is not installed; it has wheels for Linux and Python 3.11 and later"
        unavailable = sys.version_info < (3, 11) or sys.platform != "linux"
        pytest.fail(why) if os.environ.get("CI") and not unavailable else pytest.skip(why)
    runs = fuzz(SECONDS, tmp_path)
    with capsys.disabled():
        print("\nfuzzed: " + ", ".join(f"{run.target} {run.executions:,}" for run in runs))
    assert [run.output[-3000:] for run in runs if run.status] == []
    # Far below what an idle machine does (10,000 and 5,000 a second).
    assert all(run.executions > 3000 for run in runs), runs
