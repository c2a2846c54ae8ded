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
    stopped = attack.stopped_by.get(visitor.name, "")
    got = attack.run(visitor, attack.control)
    assert got == (None if stopped else attack.gain), visitor.decisions()
    assert visitor.stopped == stopped
    seen = stopped or f"succeeds ({attack.control[1:]})"
    verdict(attack.name, f"{visitor.name}, control", seen)


@each_attack
def test_it_fails_on_the_guarded_site(visitor: Visitor, attack: Attack, verdict: Verdict) -> None:
    words = []
    for site, reason in attack.refusals(visitor.name).items():
        if words:
            visitor.begin()
        assert attack.run(visitor, site) is None, site
        refused = [one for one in visitor.decisions() if one["reason"]]
        assert ([one["reason"] for one in refused] or [visitor.page_reason]) == [reason], site
        if attack.origin:
            assert refused[0]["origin"] == attack.origin
        assert visitor.stopped == attack.stopped_by.get(visitor.name, "")
        words.append(f"{reason} ({site[1:]})" if site else reason)
    seen = ": ".join(filter(None, [visitor.stopped, ", ".join(words)]))
    verdict(attack.name, f"{visitor.name}, guarded", seen)


@each_attack
def test_an_attack_that_no_engine_lets_through_proves_nothing(attack: Attack) -> None:
    assert set(attack.stopped_by) < set(ENGINES)
