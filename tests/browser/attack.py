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
    """One attack. ``stopped_by`` are the engines that stop it themselves, on the control too.

    ``elsewhere`` are the reasons in engines where the guard has another.
    """

    name: str
    run: Callable[[Visitor, str], str | None]
    gain: str
    reason: str
    control: str = "/control"
    guarded: str = ""
    stopped_by: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
