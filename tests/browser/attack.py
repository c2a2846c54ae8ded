"""What an attack is: what the attacker's page does, where it works, and why it fails here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.browser.visitor import Visitor

VICTIM = "ticket -, session alice"
TICKET = "ticket alice, session alice"
FORCED = "user_changed, by the client"


@dataclass(frozen=True)
class Attack:
    """One attack. The whole guard, at ``guarded``, refuses it for ``reason``.

    ``behind`` are sites without the checks that come first, and the reason which the attack meets
    there. ``stopped_by`` are the engines that stop the attack themselves, on the control too;
    ``elsewhere`` are the sites where one of them leaves another reason. ``origin`` is what every
    engine must say of the attacker's page, where that is the point.
    """

    name: str
    run: Callable[[Visitor, str], str | None]
    gain: str
    reason: str
    control: str = "/control"
    guarded: str = ""
    behind: dict[str, str] = field(default_factory=dict)
    stopped_by: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, dict[str, str]] = field(default_factory=dict)
    origin: str = ""

    def refusals(self, engine: str) -> dict[str, str]:
        """Return every guarded site to the reason it must give; the whole guard comes last."""
        return {**self.behind, self.guarded: self.reason, **self.elsewhere.get(engine, {})}
