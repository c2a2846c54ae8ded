"""Random lives of a site, step by step, and the model of what must be accepted in them.

The model knows logins, grants, the clock and the keys; it never looks at a signature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from flask_wsguard import Refusal
from flask_wsguard.core.tickets import Keys
from tests.sites import SCOPES, SECRET, make_site
from tests.visitor import Clock, Visitor

TTL, SKEW = 30, 5
DEMANDS = {"/echo": {"chat:read"}, "/any": set(), "/write": {"chat:read", "chat:write"}}
USERS = st.sampled_from(sorted(SCOPES))
PATHS = st.sampled_from(sorted(DEMANDS))
RARELY = st.sampled_from([False, False, True])


@dataclass
class Life:
    """One login session, from login to its end, with the cookie that a thief may have kept."""

    user: str
    cookie: str = ""
    ended: bool = False


@dataclass
class Holder:
    """A browser, the life that its session cookie names now, and the one that it named before."""

    visitor: Visitor
    life: Life | None = None
    past: Life | None = None

    def turn_to(self, life: Life | None) -> None:
        """Begin another life, or none; the present one has ended."""
        if self.life:
            self.life.ended, self.past = True, self.life
        self.life = life


@dataclass
class Grant:
    """What a preauth gave, and under which circumstances."""

    life: Life
    path: str
    token: str
    cookie: str
    issued: float
    key: int
    spent: bool = False


class Site(RuleBasedStateMachine):
    """A site where a token may be replayed. ``reached`` notes which line of the model decided."""

    holders = Bundle("holders")
    grants = Bundle("grants")
    config: ClassVar[dict[str, Any]] = {}
    reached: ClassVar[set[str]] = set()

    @initialize(target=holders)
    def open(self) -> Any:
        """Start the site, and three browsers of two users; each has logged in twice."""
        self.app = make_site(**self.config)
        self.clock = Clock(self.app)
        self.secrets = [SECRET]
        self.newest = self.oldest = 0
        holders = [Holder(Visitor(self.app)) for _ in range(3)]
        for holder, user in zip(holders * 2, ("alice", "alice", "carol") * 2, strict=True):
            self.log_in(holder, user)
        return multiple(*holders)

    @rule(holder=holders, user=USERS)
    def log_in(self, holder: Holder, user: str) -> None:
        """Log in, or over: what an earlier login could do ends."""
        holder.visitor.log_in(user)
        holder.turn_to(Life(user, holder.visitor.cookie_header("session")))

    @rule(holder=holders)
    def log_out(self, holder: Holder) -> None:
        """Log out, and lose the unspent tickets."""
        if holder.life:
            holder.visitor.log_out()
            holder.turn_to(None)

    @rule(target=grants, holder=holders, path=PATHS)
    def preauth(self, holder: Holder, path: str) -> Any:
        """Ask for a ticket: granted to whoever is logged in and may, and to nobody else."""
        answer = holder.visitor.preauth(path)
        if holder.life is None:
            return self._denied(answer, 401, "login_required")
        if not DEMANDS[path] <= SCOPES[holder.life.user]:
            return self._denied(answer, 403, "scope_missing")
        assert answer.status_code == 200
        lines = answer.headers.getlist("Set-Cookie")
        cookie = next(line for line in lines if "Max-Age=0" not in line).partition(";")[0]
        token, now = answer.json["token"], self.clock.now
        return Grant(holder.life, path, token, cookie, now, self.newest)

    @rule(target=grants, holder=holders, thief=holders, path=PATHS)
    def visit(self, holder: Holder, thief: Holder, path: str) -> Any:
        """Come, and log in unless it was done; somebody tries the ticket, its owner uses it."""
        if holder.life is None:
            self.log_in(holder, "bob")
        grant = self.preauth(holder, "/any")
        self.connect_well(grant, thief)
        self.connect_at_home(grant, path)
        self.connect_at_home(grant)
        return grant

    @rule(holder=holders, old=st.booleans())
    def ask_after_the_end(self, holder: Holder, old: bool) -> None:
        """Ask with the cookie of a session that has ended, or with none: preauth says which."""
        life = holder.past if old else None
        answer = holder.visitor.preauth("/any", cookies=life.cookie if life else "")
        self._denied(answer, *((403, "session_ended") if life else (401, "login_required")))

    @rule(grant=grants, other=grants, holder=holders, path=PATHS, foreign=st.booleans())
    def connect(self, grant: Grant, other: Grant, holder: Holder, path: str, foreign: bool) -> None:
        """Connect with any mixture of what is lying about."""
        self._connect(grant, other.cookie, holder.life, path, foreign=foreign)

    @rule(grant=grants, holder=holders)
    def connect_well(self, grant: Grant, holder: Holder) -> None:
        """Connect as the page would, in whatever session the browser has now."""
        self._connect(grant, grant.cookie, holder.life, grant.path)

    @rule(grant=grants, holder=holders, old=st.booleans())
    def connect_after_the_end(self, grant: Grant, holder: Holder, old: bool) -> None:
        """Connect with the cookie of a session that has ended, or with none."""
        self._connect(grant, grant.cookie, holder.past if old else None, grant.path)

    @rule(grant=grants, other=grants)
    def connect_with_the_ticket_of_another(self, grant: Grant, other: Grant) -> None:
        """Connect in the session that asked, but the ticket is not the token's."""
        self._connect(grant, other.cookie, grant.life, grant.path)

    @rule(grant=grants, path=st.none() | PATHS, late=RARELY)
    def connect_at_home(self, grant: Grant, path: str | None = None, late: bool = False) -> None:
        """Connect in the session that asked, there or elsewhere; again, if it was done before."""
        self.clock.now += TTL + SKEW if late else 0
        self._connect(grant, grant.cookie, grant.life, path or grant.path)

    @rule(seconds=st.sampled_from([1, 5, 10, 29, 34, 35]))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.clock.now += seconds

    @rule(times=st.integers(1, 3))
    def rotate(self, times: int) -> None:
        """Sign with a new key, once or more; the two before it still verify."""
        for _ in range(times):
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

    def _denied(self, answer: Any, status: int, reason: str) -> Any:
        line = f"preauth: {reason}"
        self.reached.add(line)
        assert (answer.status_code, answer.json.get("reason")) == (status, reason), line
        return multiple()

    def _connect(
        self, grant: Grant, ticket: str, life: Life | None, path: str, *, foreign: bool = False
    ) -> None:
        outcome = Visitor(self.app).connect(
            path,
            grant.token,
            cookies="; ".join(filter(None, [life and life.cookie, ticket])),
            headers={"Origin": "https://evil.example.net"} if foreign else None,
        )
        line, reason = self._expect(grant, ticket, life, path, foreign=foreign)
        self.reached.add(line)
        assert outcome.reason == reason, line
        if reason is None:
            assert outcome.ticket.user_id == grant.life.user
            grant.spent = True

    def _expect(
        self, grant: Grant, ticket: str, life: Life | None, path: str, *, foreign: bool
    ) -> tuple[str, Refusal | None]:
        """Return what the contract says, line by line."""
        age = self.clock.now - grant.issued
        single_use = self.config.get("WSGUARD_SINGLE_USE")
        lines = [
            ("foreign page", foreign, Refusal.ORIGIN_NOT_ALLOWED),
            ("key forgotten", grant.key < self.oldest, Refusal.TOKEN_INVALID),
            ("too old", age >= TTL + SKEW, Refusal.TOKEN_EXPIRED),
            ("another ticket", ticket != grant.cookie, Refusal.TICKET_MISSING),
            ("another path", path != grant.path, Refusal.PATH_MISMATCH),
            ("nobody", life is None, Refusal.SESSION_ENDED),
            ("ended", life is not None and life.ended, Refusal.SESSION_ENDED),
            ("another user", life and life.user != grant.life.user, Refusal.USER_CHANGED),
            ("another session", life is not grant.life, Refusal.SESSION_ENDED),
            ("spent", single_use and grant.spent, Refusal.TOKEN_USED),
            ("replayed", grant.spent, None),
        ]
        return next(((name, reason) for name, holds, reason in lines if holds), ("accepted", None))
