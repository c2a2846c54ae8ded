"""What preauth counts: whose the tickets in a browser are, and how long."""

from __future__ import annotations

from typing import Any

import pytest

from flask_wsguard import Identity, grants
from flask_wsguard.core.pending import Held
from flask_wsguard.core.tickets import Ticket
from flask_wsguard.identity import Found

from .sites import make_site
from .visitor import Clock, Visitor

STATE = make_site().extensions["wsguard"]
NONCE = STATE.expected.keys.fingerprint("alice", "her nonce")
NO_NONCE = STATE.expected.keys.fingerprint("alice", None)
TICKETS: dict[str, tuple[str, str, bool, str | None, bool]] = {
    "this login": ("alice", NONCE, True, "her nonce", True),
    "another login": ("alice", NONCE, True, "another nonce", False),
    "a login, now remembered": ("alice", NONCE, True, None, False),
    "remembered": ("alice", NO_NONCE, True, None, True),
    "remembered, now a login": ("alice", NO_NONCE, True, "her nonce", False),
    "another user": ("bob", NO_NONCE, True, None, False),
    "bearer": ("alice", "", False, None, True),
    "bearer, now remembered": ("alice", "", True, None, False),
    "remembered, now bearer": ("alice", NO_NONCE, False, None, False),
    "bearer of another user": ("bob", "", False, None, False),
}


@pytest.mark.parametrize(
    ("user_id", "session", "ambient", "nonce", "counts"), TICKETS.values(), ids=TICKETS
)
def test_ticket_counts_for_the_login_that_asks_alone(
    user_id: str, session: str, ambient: bool, nonce: str | None, counts: bool
) -> None:
    """The same user, the same nonce or none, and the same kind of credential."""
    ticket = Ticket("i" * 22, user_id, frozenset(), "b", session, 0, 30)
    found = Found(Identity("alice", object(), nonce), ambient)
    assert grants.is_of_session(STATE, ticket, found) is counts


def test_tickets_are_as_long_as_they_make_the_cookie_header(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Name, value, and the three characters that stand around them."""
    asked: list[tuple[list[Held], int]] = []

    def surplus(held: list[Held], *, new_size: int, most: int) -> list[str]:
        asked.append((held, new_size))
        return []

    monkeypatch.setattr(grants, "surplus", surplus)
    visitor = Visitor(make_site())
    clock = Clock(visitor.app)
    visitor.log_in("alice")
    sizes: list[int] = []
    for _ in range(2):
        before = len(visitor.cookie_header())
        visitor.token()
        sizes.append(len(visitor.cookie_header()) - before)
    (none, first), ((held,), second) = asked
    assert (none, [first, second]) == ([], sizes)
    assert (held.size, held.issued_at) == (sizes[0], clock.now)


def test_preauth_says_that_session_cookies_disagree() -> None:
    """In the answer, before the remedy: the page of a victim of planted cookies can show it."""
    site = make_site()
    alice, mallory = Visitor(site), Visitor(site)
    alice.log_in("alice")
    mallory.log_in("bob")
    both = f"{mallory.cookie_header('session')}; {alice.cookie_header('session')}"
    told: dict[str, Any] = alice.preauth("/any", cookies=both).json
    assert told["reason"] == "user_changed"
    assert told["detail"] == "(several session cookies disagree) Reload the page."
