"""Random lives of a site against the model: every verdict and its reason are the same."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from flask_wsguard import gate
from flask_wsguard.ended import EndedSessions

from .lives import Site

# Each must decide somewhere, or the lives are too poor to tell anything.
LINES = {
    "accepted",
    "replayed",
    "spent",
    "foreign page",
    "key forgotten",
    "too old",
    "another ticket",
    "another path",
    "nobody",
    "ended",
    "another user",
    "another session",
    "preauth: login_required",
    "preauth: scope_missing",
    "preauth: session_ended",
}
LIVES = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
UNTIL_TOLD = settings(
    LIVES, max_examples=200, phases=[Phase.generate], database=None, report_multiple_bugs=False
)


class SpendingSite(Site):
    """The same with single use."""

    config: ClassVar[dict[str, Any]] = {"WSGUARD_SINGLE_USE": True}


class ForgetfulSite(Site):
    """A site that never compares sessions."""

    config: ClassVar[dict[str, Any]] = {"WSGUARD_RECHECK_SESSION": False}


def lead(site: type[Site], how: settings) -> set[str]:
    """Lead lives of a site; return which lines of the model decided in them."""
    site.reached = set()
    run_state_machine_as_test(site, settings=how)
    return site.reached


def test_sites_and_model_agree() -> None:
    """On every verdict and its reason; and no line of the model is out of reach."""
    replaying, spending = lead(Site, LIVES), lead(SpendingSite, LIVES)
    assert replaying | spending == LINES
    assert "spent" not in replaying
    assert "replayed" not in spending


def test_model_sees_sessions_that_are_not_compared() -> None:
    """The control: some life of such a site differs from the model's."""
    with pytest.raises(AssertionError, match=r"nobody|ended|another (user|session)"):
        lead(ForgetfulSite, UNTIL_TOLD)


def test_model_sees_ended_sessions_that_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: an old cookie would get in again."""
    monkeypatch.setattr(EndedSessions, "holds", lambda *_: False)
    with pytest.raises(AssertionError, match=r"(preauth: session_)?ended"):
        lead(Site, UNTIL_TOLD)


def test_model_sees_tokens_that_are_not_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a token would open a second socket."""
    monkeypatch.setattr(gate, "spend", lambda *_: None)
    with pytest.raises(AssertionError, match="spent"):
        lead(SpendingSite, UNTIL_TOLD)
