from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flask_wsguard.core.case import Public, Session, cookie_pairs, cookie_values
from flask_wsguard.core.handshake import CHECKS, Accepted, judge
from flask_wsguard.core.origins import OriginPolicy
from flask_wsguard.core.refusals import Refused
from flask_wsguard.core.source import SourceRules

from .handshakes import (
    EXPECTED,
    FORGERS,
    GOOD_COOKIE,
    GOOD_TOKEN,
    ID,
    NONCE,
    NOW,
    OTHER_ID,
    TICKET,
    UPGRADE,
    bind,
    cookie,
    handshake,
    ticket,
    token,
    upgrade,
)

HTTP_SITE = {"own": "http://example.org", "origin": "http://example.org"}
BOBS = {"user_id": "bob", "session": ""}
EMPTY_FIELDS = {"tokens": (), "cookies": ""}


def verdict(leaving_out: str = "", now: float = NOW, expected: Any = EXPECTED, **facts: Any) -> str:
    """Return ``accepted`` or the reason of the refusal."""
    checks = tuple(check for check in CHECKS if check.__name__ != leaving_out)
    outcome = judge(handshake(**facts), expected=expected, now=now, checks=checks)
    return outcome.reason.value if isinstance(outcome, Refused) else "accepted"


def test_own_page_with_its_ticket_is_accepted_as_its_user() -> None:
    """The honest case: the ticket that preauth minted comes back, whole."""
    assert judge(handshake(), expected=EXPECTED, now=NOW) == Accepted(
        TICKET, Session("alice", NONCE)
    )


ACCEPTED = {
    "plain-upgrade-judged-elsewhere": {"upgrade": None},
    "listed-origin": {"origin": "https://app.example.org"},
    "listed-origin-same-site": {"origin": "https://app.example.org", "fetch_site": "same-site"},
    "fetch-metadata-same-origin": {"fetch_site": "same-origin"},
    "loopback-http": {
        "own": "http://localhost:5000",
        "origin": "http://localhost:5000",
        "tokens": (token(binding=bind("localhost:5000", "/echo")),),
        "cookies": cookie(ticket(binding=bind("localhost:5000", "/echo")), f"wsguard-{ID}"),
    },
    "other-tickets-beside-it": {
        "cookies": f"{GOOD_COOKIE}; __Host-Http-wsguard-{OTHER_ID}={ticket(id=OTHER_ID)}"
    },
    "planted-unprefixed-name-over-https": {"cookies": f"wsguard-{ID}=planted; {GOOD_COOKIE}"},
    "session-not-asked": {"session": None},
    "bearer-ticket-skips-the-session": {
        "cookies": cookie(ticket(session="")),
        "session": Session(None, None),
    },
    "more-scopes-than-needed": {"cookies": cookie(ticket(scopes=frozenset({"a", "chat:read"})))},
    "clock-of-the-issuer-ahead": {
        "tokens": (token(issued_at=NOW + 5),),
        "cookies": cookie(ticket(issued_at=NOW + 5)),
    },
    "clock-of-the-issuer-behind": {
        "tokens": (token(expires_at=NOW - 4),),
        "cookies": cookie(ticket(expires_at=NOW - 4)),
    },
    "no-nonce-on-either-side": {
        "cookies": cookie(ticket(session=EXPECTED.keys.fingerprint("alice", None))),
        "session": Session("alice", None),
    },
}


@pytest.mark.parametrize("facts", ACCEPTED.values(), ids=ACCEPTED)
def test_honest_handshake_is_accepted(facts: dict[str, Any]) -> None:
    """What an honest browser or an honest second worker can bring about connects."""
    assert verdict(**facts) == "accepted"


# In the order of the design. One row per way to be refused.
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("route-without-mark", "unguarded_route", {"mark": None}),
    ("version-8", "malformed_upgrade", {"upgrade": upgrade(version="8")}),
    ("plain-http", "insecure_transport", HTTP_SITE),
    ("no-origin", "origin_missing", {"origin": None}),
    ("empty-origin", "origin_missing", {"origin": ""}),
    ("null-origin", "origin_not_allowed", {"origin": "null"}),
    ("foreign-origin", "origin_not_allowed", {"origin": "https://evil.example.net"}),
    ("sibling-origin", "origin_not_allowed", {"origin": "https://blog.example.org"}),
    ("other-port", "origin_not_allowed", {"origin": "https://example.org:8443"}),
    ("other-scheme", "origin_not_allowed", {"origin": "http://example.org"}),
    ("lookalike-suffix", "origin_not_allowed", {"origin": "https://example.org.evil.net"}),
    ("lookalike-prefix", "origin_not_allowed", {"origin": "https://evilexample.org"}),
    ("lookalike-userinfo", "origin_not_allowed", {"origin": "https://example.org@evil.net"}),
    ("origin-with-path", "origin_not_allowed", {"origin": "https://example.org/"}),
    ("two-origins-comma", "origin_not_allowed", {"origin": "https://example.org,https://evil.net"}),
    ("own-origin-twice", "origin_not_allowed", {"origin": "https://example.org, https://example.org"}),
    ("cross-site-fetch", "cross_site_fetch", {"fetch_site": "cross-site"}),
    ("cross-site-fetch-listed", "cross_site_fetch",
     {"origin": "https://partner.example", "fetch_site": "cross-site"}),
    ("same-site-fetch-own-origin", "cross_site_fetch", {"fetch_site": "same-site"}),
    ("fetch-site-none", "cross_site_fetch", {"fetch_site": "none"}),
    ("fetch-site-empty", "cross_site_fetch", {"fetch_site": ""}),
    ("fetch-site-rubbish", "cross_site_fetch", {"fetch_site": "same-origin, same-origin"}),
    ("no-token", "token_missing", {"tokens": ()}),
    ("neither-token-nor-ticket", "token_missing", EMPTY_FIELDS),
    ("empty-token", "token_invalid", {"tokens": ("",)}),
    ("two-tokens", "token_invalid", {"tokens": (GOOD_TOKEN, GOOD_TOKEN)}),
    ("forged-token", "token_invalid", {"tokens": (token(FORGERS),)}),
    ("ticket-as-token", "token_invalid", {"tokens": (ticket(),)}),
    ("token-of-8-kilobytes", "token_invalid", {"tokens": ("t" * 8192,)}),
    ("token-not-ascii", "token_invalid", {"tokens": (GOOD_TOKEN[:-1] + "\xe9",)}),
    ("token-with-newline", "token_invalid", {"tokens": (GOOD_TOKEN + "\n",)}),
    ("token-from-the-future", "token_invalid", {"tokens": (token(issued_at=NOW + 6),)}),
    ("token-over-since-the-skew", "token_expired", {"tokens": (token(expires_at=NOW - 5),)}),
    ("token-of-last-year", "token_expired", {"tokens": (token(expires_at=NOW - 31_536_000),)}),
    ("no-ticket", "ticket_missing", {"cookies": ""}),
    ("no-ticket-but-cookies", "ticket_missing", {"cookies": "theme=dark; session=abc"}),
    ("ticket-under-the-unprefixed-name", "ticket_missing",
     {"cookies": cookie(ticket(), f"wsguard-{ID}")}),
    ("ticket-planted-behind-a-no-break-space", "ticket_missing",
     {"cookies": cookie(ticket(), f"\xa0__Host-Http-wsguard-{ID}")}),
    ("ticket-under-the-secure-name", "ticket_missing",
     {"cookies": cookie(ticket(), f"__Secure-wsguard-{ID}")}),
    ("token-of-the-other-ticket", "ticket_missing", {"tokens": (token(sub=OTHER_ID),)}),
    ("two-cookies-of-one-name", "ticket_invalid", {"cookies": f"{GOOD_COOKIE}; {GOOD_COOKIE}"}),
    ("planted-rubbish-in-front", "ticket_invalid",
     {"cookies": f"__Host-Http-wsguard-{ID}=x; {GOOD_COOKIE}"}),
    ("forged-ticket", "ticket_invalid", {"cookies": cookie(ticket(FORGERS))}),
    ("quoted-ticket", "ticket_invalid", {"cookies": cookie(f'"{ticket()}"')}),
    ("token-as-ticket", "ticket_invalid", {"cookies": cookie(GOOD_TOKEN)}),
    ("empty-ticket", "ticket_invalid", {"cookies": cookie("")}),
    ("ticket-of-8-kilobytes", "ticket_invalid", {"cookies": cookie("k1." + "A" * 8192)}),
    ("ticket-not-ascii", "ticket_invalid", {"cookies": cookie(ticket()[:-1] + "\xe9")}),
    ("ticket-from-the-future", "ticket_invalid", {"cookies": cookie(ticket(issued_at=NOW + 6))}),
    ("ticket-over-since-the-skew", "ticket_expired",
     {"cookies": cookie(ticket(expires_at=NOW - 5))}),
    ("renamed-cookie", "ticket_mismatch", {"cookies": cookie(ticket(id=OTHER_ID))}),
    ("planted-ticket-of-the-attacker", "ticket_mismatch",
     {"cookies": cookie(ticket(id=OTHER_ID, **BOBS))}),
    ("other-path", "path_mismatch", {"path": "/admin"}),
    ("trailing-slash", "path_mismatch", {"path": "/echo/"}),
    ("upper-case-path", "path_mismatch", {"path": "/Echo"}),
    ("encoded-path", "path_mismatch", {"path": "/ech%6F"}),
    ("prefix-moved", "path_mismatch", {"path": "/app/echo"}),
    ("other-host", "path_mismatch",
     {"own": "https://two.example.org", "origin": "https://two.example.org"}),
    ("other-port-of-the-host", "path_mismatch",
     {"own": "https://example.org:444", "origin": "https://example.org:444"}),
    ("token-of-another-path", "path_mismatch",
     {"tokens": (token(binding=bind("example.org", "/admin")),)}),
    ("ticket-of-another-path", "path_mismatch",
     {"cookies": cookie(ticket(binding=bind("example.org", "/admin")))}),
    ("no-scopes", "scope_missing", {"cookies": cookie(ticket(scopes=frozenset()))}),
    ("another-scope", "scope_missing",
     {"cookies": cookie(ticket(scopes=frozenset({"chat:read:all"})))}),
    ("several-sessions-disagree", "user_changed",
     {"session": Session("alice", NONCE, disputed=True)}),
    ("logged-out", "session_ended", {"session": Session(None, None)}),
    ("old-cookie-of-a-recorded-logout", "session_ended",
     {"session": Session("alice", NONCE, ended=True)}),
    ("another-user", "user_changed", {"session": Session("bob", "nonce of bob's login")}),
    ("another-user-with-the-nonce", "user_changed", {"session": Session("bob", NONCE)}),
    ("another-login-of-the-user", "session_ended", {"session": Session("alice", "a new nonce")}),
    ("session-lost-its-nonce", "session_ended", {"session": Session("alice", None)}),
    ("ticket-without-nonce", "session_ended",
     {"cookies": cookie(ticket(session=EXPECTED.keys.fingerprint("alice", None)))}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "facts"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_handshake_is_refused(reason: str, facts: dict[str, Any]) -> None:
    """One fault in an otherwise good handshake gives exactly its reason."""
    assert verdict(**facts) == reason


# What each check carries: one attack that it alone stops (accepted without it), or, where a
# second lock stands behind it, the reason that the second lock gives.
CARRIED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("route_is_marked", "unguarded_route", "accepted", {"mark": None}),
    ("upgrade_is_well_formed", "malformed_upgrade", "accepted",
     {"upgrade": upgrade(key=None)}),
    ("transport_is_secure", "insecure_transport", "accepted",
     {**HTTP_SITE, "cookies": cookie(ticket(), f"wsguard-{ID}")}),
    ("origin_is_present", "origin_missing", "accepted", {"origin": None}),
    ("origin_is_present", "origin_missing", "origin_not_allowed", {"origin": ""}),
    ("origin_is_allowed", "origin_not_allowed", "accepted", {"origin": "https://evil.example.net"}),
    ("fetch_is_same_site", "cross_site_fetch", "accepted", {"fetch_site": "cross-site"}),
    ("token_is_present", "token_missing", "token_invalid", {"tokens": ()}),
    ("token_is_authentic", "token_invalid", "accepted", {"tokens": (token(FORGERS),)}),
    ("token_is_authentic", "token_invalid", "accepted", {"tokens": (token(issued_at=NOW + 6),)}),
    ("token_is_authentic", "token_invalid", "ticket_missing",
     {"tokens": (GOOD_TOKEN, GOOD_TOKEN)}),
    ("token_is_fresh", "token_expired", "accepted", {"tokens": (token(expires_at=NOW - 5),)}),
    ("ticket_is_present", "ticket_missing", "ticket_invalid", {"cookies": ""}),
    ("ticket_is_authentic", "ticket_invalid", "accepted", {"cookies": cookie(ticket(FORGERS))}),
    ("ticket_is_authentic", "ticket_invalid", "ticket_mismatch",
     {"cookies": f"{GOOD_COOKIE}; {GOOD_COOKIE}"}),
    ("ticket_is_fresh", "ticket_expired", "accepted",
     {"cookies": cookie(ticket(expires_at=NOW - 5))}),
    ("token_names_ticket", "ticket_mismatch", "accepted",
     {"cookies": cookie(ticket(id=OTHER_ID, **BOBS))}),
    ("token_names_ticket", "ticket_mismatch", "user_changed",
     {"cookies": cookie(ticket(id=OTHER_ID, user_id="bob"))}),
    ("path_is_bound", "path_mismatch", "accepted", {"path": "/admin"}),
    ("scopes_are_held", "scope_missing", "accepted",
     {"cookies": cookie(ticket(scopes=frozenset()))}),
    ("session_is_undisputed", "user_changed", "accepted",
     {"session": Session("alice", NONCE, disputed=True)}),
    ("session_is_undisputed", "user_changed", "session_ended",
     {"session": Session(None, None, disputed=True)}),
    ("session_is_alive", "session_ended", "accepted",
     {"session": Session("alice", NONCE, ended=True)}),
    ("session_is_alive", "session_ended", "user_changed", {"session": Session(None, None)}),
    ("session_is_of_user", "user_changed", "accepted", {"session": Session("bob", NONCE)}),
    ("session_is_of_user", "user_changed", "session_ended", {"session": Session("bob", "other")}),
    ("session_is_same", "session_ended", "accepted", {"session": Session("alice", "other")}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "reason", "without", "facts"),
    CARRIED,
    ids=[f"{row[0]}-without-it-{row[2]}-{number}" for number, row in enumerate(CARRIED)],
)
def test_check_carries_its_refusal(
    check: str, reason: str, without: str, facts: dict[str, Any]
) -> None:
    """The attack succeeds, or meets the second lock, as soon as exactly this check is left out."""
    assert verdict(**facts) == reason
    assert verdict(leaving_out=check, **facts) == without


def test_every_check_carries_something() -> None:
    """No check is untested, and none stands in the table that the guard does not make."""
    assert {row[0] for row in CARRIED} == {check.__name__ for check in CHECKS}


def test_forged_ticket_is_any_user_without_its_check() -> None:
    """The control of the ticket's MAC: a raw client would name itself whoever it likes."""
    checks = tuple(check for check in CHECKS if check.__name__ != "ticket_is_authentic")
    forged = handshake(cookies=cookie(ticket(FORGERS, user_id="admin")), session=None)
    outcome = judge(forged, expected=EXPECTED, now=NOW, checks=checks)
    assert isinstance(outcome, Accepted)
    assert outcome.ticket is not None
    assert outcome.ticket.user_id == "admin"


# Everything wrong at once; each step mends one thing and the next reason shows.
PEELED: list[tuple[str, dict[str, Any]]] = [
    ("unguarded_route", {
        "mark": None, "upgrade": upgrade(version=None), "own": "http://example.org",
        "origin": None, "fetch_site": "cross-site", "tokens": (), "cookies": "", "path": "/admin",
        "session": Session(None, None, disputed=True, ended=True)}),
    ("malformed_upgrade", {"mark": handshake().mark}),
    ("insecure_transport", {"upgrade": UPGRADE}),
    ("origin_missing", {"own": "https://example.org"}),
    ("origin_not_allowed", {"origin": "https://evil.example.net"}),
    ("cross_site_fetch", {"origin": "https://example.org"}),
    ("token_missing", {"fetch_site": None}),
    ("token_invalid", {"tokens": (token(FORGERS, expires_at=NOW - 99),)}),
    ("token_expired", {"tokens": (token(expires_at=NOW - 99),)}),
    ("ticket_missing", {"tokens": (GOOD_TOKEN,)}),
    ("ticket_invalid", {"cookies": cookie(ticket(
        FORGERS, id=OTHER_ID, expires_at=NOW - 99, scopes=frozenset(), binding="x" * 22))}),
    ("ticket_expired", {"cookies": cookie(ticket(
        id=OTHER_ID, expires_at=NOW - 99, scopes=frozenset(), binding="x" * 22))}),
    ("ticket_mismatch", {"cookies": cookie(ticket(
        id=OTHER_ID, scopes=frozenset(), binding="x" * 22))}),
    ("path_mismatch", {"cookies": cookie(ticket(scopes=frozenset()))}),
    ("scope_missing", {"path": "/echo"}),
    ("user_changed", {"cookies": GOOD_COOKIE}),
    ("session_ended", {"session": Session("bob", "other", ended=True)}),
    ("user_changed", {"session": Session("bob", "other")}),
    ("session_ended", {"session": Session("alice", "other")}),
    ("accepted", {"session": Session("alice", NONCE)}),
]  # fmt: skip


def test_first_fault_wins_all_the_way_down() -> None:
    """With everything wrong the first reason of the order shows; mended one by one, each next."""
    facts: dict[str, Any] = {}
    seen = []
    for _, mended in PEELED:
        facts.update(mended)
        seen.append(verdict(**facts))
    assert seen == [reason for reason, _ in PEELED]


def test_leaving_out_no_other_check_changes_the_honest_verdict() -> None:
    """An honest handshake needs no check to be accepted: none of them grants anything."""
    assert {verdict(leaving_out=check.__name__) for check in CHECKS} == {"accepted"}


PUBLIC: list[tuple[str, str, bool, dict[str, Any]]] = [
    ("own-page", "accepted", False, {}),
    ("foreign-page", "origin_not_allowed", False, {"origin": "https://evil.example.net"}),
    ("no-origin", "origin_missing", False, {"origin": None}),
    ("listed-cross-site", "accepted", False,
     {"origin": "https://partner.example", "fetch_site": "cross-site"}),
    ("unlisted-cross-site", "cross_site_fetch", False, {"fetch_site": "cross-site"}),
    ("plain-http", "insecure_transport", False, HTTP_SITE),
    ("malformed", "malformed_upgrade", False, {"upgrade": upgrade(version="8")}),
    ("any-origin-foreign-page", "accepted", True, {"origin": "https://evil.example.net"}),
    ("any-origin-null", "accepted", True, {"origin": "null"}),
    ("any-origin-none", "accepted", True, {"origin": None}),
    ("any-origin-cross-site", "accepted", True, {"fetch_site": "cross-site"}),
    ("any-origin-malformed", "malformed_upgrade", True, {"upgrade": upgrade(version="8")}),
    ("any-origin-plain-http", "insecure_transport", True, HTTP_SITE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "any_origin", "facts"), [row[1:] for row in PUBLIC], ids=[row[0] for row in PUBLIC]
)
def test_public_route(expected: str, any_origin: bool, facts: dict[str, Any]) -> None:
    """A public route checks form, transport and, unless any page may come, Origin."""
    facts = {**EMPTY_FIELDS, "session": None, **facts}
    assert verdict(mark=Public(any_origin), **facts) == expected


def test_public_route_reads_no_credentials() -> None:
    """A ticket that happens to come along is no ticket of a public socket."""
    outcome = judge(handshake(mark=Public(), tokens=("junk",)), expected=EXPECTED, now=NOW)
    assert outcome == Accepted(None)


def test_missing_origin_of_a_device_is_accepted_where_allowed() -> None:
    """The switch for devices opens for absence alone: no empty Origin, no browser."""
    rules = SourceRules(OriginPolicy(("self",)), allow_missing_origin=True)
    lenient = replace(EXPECTED, rules=rules)
    assert verdict(expected=lenient, origin=None) == "accepted"
    assert verdict(expected=lenient, origin="") == "origin_missing"
    assert verdict(expected=lenient, origin=None, fetch_metadata=True) == "origin_missing"
    assert verdict(expected=lenient, origin="null") == "origin_not_allowed"


def test_session_is_asked_once_and_last() -> None:
    """The dear question is asked only when all else stands, and its answer is kept."""
    asked: list[int] = []

    def ask() -> Session:
        asked.append(1)
        return Session("alice", NONCE)

    assert judge(
        handshake(path="/admin")._replace(session=ask), expected=EXPECTED, now=NOW
    ) == Refused("path_mismatch")  # type: ignore[arg-type]
    assert asked == []
    outcome = judge(handshake()._replace(session=ask), expected=EXPECTED, now=NOW)
    assert outcome == Accepted(TICKET, Session("alice", NONCE))
    assert asked == [1]


@pytest.mark.parametrize(
    ("issued_at", "now", "expected"),
    [
        (NOW, NOW + 0.999, "accepted"),
        (NOW, NOW - 5, "accepted"),
        (NOW, NOW - 5.01, "token_invalid"),
        (NOW, NOW + 34.9, "accepted"),
        (NOW, NOW + 35, "token_expired"),
    ],
    ids=["same-second", "ahead-by-skew", "ahead-beyond", "last-tenth", "over"],
)
def test_whole_second_clocks_leave_the_leeway_whole(
    issued_at: int, now: float, expected: str
) -> None:
    """Times are whole seconds and the judge's clock is not; skew is granted on both sides."""
    times = {"issued_at": issued_at, "expires_at": issued_at + 30}
    facts = {"tokens": (token(**times),), "cookies": cookie(ticket(**times))}
    assert verdict(now=now, **facts) == expected


def test_skew_of_zero_grants_none() -> None:
    """Without leeway the last good moment is just before the end."""
    strict = replace(EXPECTED, clock_skew=0)
    facts = {
        "tokens": (token(issued_at=NOW, expires_at=NOW + 1),),
        "cookies": cookie(ticket(issued_at=NOW, expires_at=NOW + 1)),
    }
    assert verdict(now=NOW, expected=strict, **facts) == "accepted"
    assert verdict(now=NOW - 0.5, expected=strict, **facts) == "token_invalid"
    assert verdict(now=NOW + 1, expected=strict, **facts) == "token_expired"


def test_details_say_what_was_seen() -> None:
    """A refusal tells the operator what came, in words that lead somewhere."""

    def detail(**facts: Any) -> str:
        outcome = judge(handshake(**facts), expected=EXPECTED, now=NOW)
        assert isinstance(outcome, Refused)
        return outcome.detail

    assert detail(tokens=(token(issued_at=NOW + 90),)) == (
        "issued 90 s in the future: compare clocks"
    )
    assert detail(tokens=(token(issued_at=NOW - 90, expires_at=NOW - 60),)) == (
        "issued 90 s ago: the page waited, or workers' clocks differ"
    )
    assert detail(cookies=f"{GOOD_COOKIE}; {GOOD_COOKIE}") == "2 cookies of one name"
    assert detail(cookies=cookie(ticket(scopes=frozenset()))) == "chat:read"
    assert detail(tokens=("a", "b", "c")) == "3 tokens"


@pytest.mark.parametrize(
    ("header", "pairs"),
    [
        ("", [("", "")]),
        ("a=b", [("a", "b")]),
        (" a = b ;c=d", [("a", "b"), ("c", "d")]),
        ('a="b"', [("a", '"b"')]),
        ("a=b=c", [("a", "b=c")]),
        ("a;b", [("a", ""), ("b", "")]),
        ("a=1; a=2", [("a", "1"), ("a", "2")]),
        ("\xa0a=\xa0b\x85", [("\xa0a", "\xa0b\x85")]),
        ("\ta\t=\tb\t", [("a", "b")]),
    ],
    ids=[
        "empty",
        "one",
        "spaces",
        "quotes-kept",
        "equals-in-value",
        "no-equals",
        "twice",
        "no-break-space-is-a-letter",
        "tabs",
    ],
)
def test_cookie_pairs_are_spelt_as_they_came(header: str, pairs: list[tuple[str, str]]) -> None:
    """No unquoting and no dropping: a ticket has one spelling."""
    assert cookie_pairs(header) == pairs


def test_cookie_values_are_all_of_exactly_this_name() -> None:
    """A name that merely contains another is another cookie."""
    assert cookie_values("xa=0; a=1; ax=2; a=3", "a") == ["1", "3"]
    assert cookie_values("b=1", "a") == []
