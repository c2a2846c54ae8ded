"""Every attack in every engine: it works on the control, and the guard refuses it in a word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.attack import Attack
from tests.browser.attacks import ATTACKS
from tests.browser.engines import ENGINES
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

Verdict = Callable[[str, str, str], None]
each_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)


@each_attack
def test_it_succeeds_on_the_control(visitor: Visitor, attack: Attack, verdict: Verdict) -> None:
    got = attack.run(visitor, attack.control)
    expected = None if visitor.name in attack.stopped_by else attack.gain
    assert got == expected, visitor.decisions()
    seen = attack.stopped_by.get(visitor.name, f"succeeds ({attack.control[1:]})")
    verdict(attack.name, f"{visitor.name}, control", seen)


@each_attack
def test_it_fails_on_the_guarded_site(visitor: Visitor, attack: Attack, verdict: Verdict) -> None:
    assert attack.run(visitor, attack.guarded) is None
    refused = [one["reason"] for one in visitor.decisions() if one["reason"]]
    refused = refused or [visitor.page_reason]
    assert refused == [attack.elsewhere.get(visitor.name, attack.reason)]
    site = f" ({attack.guarded[1:]})" if attack.guarded else ""
    verdict(attack.name, f"{visitor.name}, guarded", refused[0] + site)


@each_attack
def test_an_attack_that_no_engine_lets_through_proves_nothing(attack: Attack) -> None:
    assert set(attack.stopped_by) < set(ENGINES)
