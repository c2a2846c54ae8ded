"""Random lives of a site, step by step, against a model of what must be accepted.

The model knows logins, grants, the clock and the keys; it never looks at a signature.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from flask_wsguard import Refusal
from flask_wsguard.core.tickets import Keys
from tests.sites import SCOPES, SECRET, make_site
from tests.visitor import Clock, Visitor

TTL, SKEW = 30, 5
DEMANDS = {"/echo": {"chat:read"}, "/any": set(), "/write": {"chat:read", "chat:write"}}
USERS = st.sampled_from(sorted(SCOPES))
PATHS = st.sampled_from(sorted(DEMANDS))


@dataclass
class Life:
    """One login session, from login to its end, with the cookie that a thief may have kept."""

    user: str
    cookie: str = ""
    ended: bool = False


@dataclass
class Holder:
    """A browser, and the life that its session cookie names now."""

    visitor: Visitor
    life: Life | None = None


@dataclass
class Grant:
    """What a preauth gave, and under which circumstances."""

    life: Life
    path: str
    token: str
    cookie: str
    issued: float
    key: int
    spent: bool = field(default=False)


class Site(RuleBasedStateMachine):
    """Two apps with one secret: one lets a token be replayed, the other spends it."""

    holders = Bundle("holders")
    grants = Bundle("grants")
    single_use = False
    config: ClassVar[dict[str, Any]] = {}

    @initialize(target=holders)
    def open(self) -> Any:
        """Start the site, and three browsers."""
        self.app = make_site(WSGUARD_SINGLE_USE=self.single_use, **self.config)
        self.clock = Clock(self.app)
        self.secrets = [SECRET]
        self.newest = self.oldest = 0
        return multiple(*(Holder(Visitor(self.app)) for _ in range(3)))

    @rule(holder=holders, user=USERS)
    def log_in(self, holder: Holder, user: str) -> None:
        """Log in, or over: what an earlier login could do ends."""
        holder.visitor.log_in(user)
        if holder.life:
            holder.life.ended = True
        holder.life = Life(user, holder.visitor.cookie_header("session"))

    @rule(holder=holders)
    def log_out(self, holder: Holder) -> None:
        """Log out, and lose the unspent tickets."""
        if holder.life:
            holder.visitor.log_out()
            holder.life.ended = True
            holder.life = None

    @rule(holder=holders)
    def steal_back(self, holder: Holder) -> None:
        """Send the cookie of an ended session again: preauth says that it has ended."""
        if holder.life and holder.life.ended:
            answer = holder.visitor.preauth("/any", cookies=holder.life.cookie)
            assert answer.json["reason"] == "session_ended"

    @rule(target=grants, holder=holders, path=PATHS)
    def preauth(self, holder: Holder, path: str) -> Any:
        """Ask for a ticket: granted to whoever is logged in and may, and to nobody else."""
        answer = holder.visitor.preauth(path)
        if holder.life is None:
            assert (answer.status_code, answer.json["reason"]) == (401, "login_required")
            return multiple()
        if not DEMANDS[path] <= SCOPES[holder.life.user]:
            assert (answer.status_code, answer.json["reason"]) == (403, "scope_missing")
            return multiple()
        assert answer.status_code == 200
        lines = answer.headers.getlist("Set-Cookie")
        new = next(line for line in lines if "Max-Age=0" not in line)
        return Grant(
            holder.life,
            path,
            answer.json["token"],
            new.partition(";")[0],
            self.clock.now,
            self.newest,
        )

    @rule(grant=grants, other=grants, holder=holders, path=PATHS, foreign=st.booleans())
    def connect(self, grant: Grant, other: Grant, holder: Holder, path: str, foreign: bool) -> None:
        """Connect with any mixture of what is lying about."""
        ticket = other.cookie if path != grant.path else grant.cookie
        self._connect(grant, ticket, holder, path, foreign=foreign)

    @rule(grant=grants, holder=holders)
    def connect_well(self, grant: Grant, holder: Holder) -> None:
        """Connect as the page would; again, if it was done before."""
        self._connect(grant, grant.cookie, holder, grant.path, foreign=False)

    @rule(seconds=st.sampled_from([1, 10, 29, 34, 35, 40]))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.clock.now += seconds

    @rule()
    def rotate(self) -> None:
        """Sign with a new key; the two before it still verify."""
        self.newest += 1
        self.secrets = [f"secret number {self.newest} of this site", *self.secrets][:3]
        self.oldest = self.newest - len(self.secrets) + 1
        state = self.app.extensions["wsguard"]
        expected = replace(state.expected, keys=Keys(self.secrets))
        self.app.extensions["wsguard"] = replace(state, expected=expected)

    @invariant()
    def nobody_else_is_counted(self) -> None:
        """Without a socket nothing stays open: every slot is given back."""
        if hasattr(self, "app"):
            assert len(self.app.extensions["wsguard"].sockets.registry) == 0

    def _connect(
        self, grant: Grant, ticket: str, holder: Holder, path: str, *, foreign: bool
    ) -> None:
        session = holder.life.cookie if holder.life else ""
        outcome = holder.visitor.connect(
            path,
            grant.token,
            cookies="; ".join(filter(None, [session, ticket])),
            headers={"Origin": "https://evil.example.net"} if foreign else None,
        )
        expected = self._reason(grant, ticket, holder.life, path, foreign=foreign)
        assert outcome.reason == expected
        if expected is None:
            assert outcome.ticket.user_id == grant.life.user
            grant.spent = True

    def _reason(
        self, grant: Grant, ticket: str, life: Life | None, path: str, *, foreign: bool
    ) -> Refusal | None:
        """Return what the contract says, check by check."""
        age = self.clock.now - grant.issued
        checks = [
            (foreign, Refusal.ORIGIN_NOT_ALLOWED),
            (grant.key < self.oldest, Refusal.TOKEN_INVALID),
            (age >= TTL + SKEW, Refusal.TOKEN_EXPIRED),
            (ticket != grant.cookie, Refusal.TICKET_MISSING),
            (path != grant.path, Refusal.PATH_MISMATCH),
            (life is None, Refusal.SESSION_ENDED),
            (life is not None and life.ended, Refusal.SESSION_ENDED),
            (life is not None and life.user != grant.life.user, Refusal.USER_CHANGED),
            (life is not grant.life, Refusal.SESSION_ENDED),
            (self.single_use and grant.spent, Refusal.TOKEN_USED),
        ]
        return next((reason for holds, reason in checks if holds), None)


class SpendingSite(Site):
    """The same with single use."""

    single_use = True


class ForgetfulSite(Site):
    """The control: a site that never compares sessions."""

    config: ClassVar[dict[str, Any]] = {"WSGUARD_RECHECK_SESSION": False}


_SETTINGS = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestReplayed = Site.TestCase
TestReplayed.settings = _SETTINGS
TestSpent = SpendingSite.TestCase
TestSpent.settings = _SETTINGS


def test_model_sees_a_check_that_is_missing() -> None:
    """Where the session is not compared, some life of the site differs from the model's."""
    generating = settings(_SETTINGS, max_examples=200, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(ForgetfulSite, settings=generating)
