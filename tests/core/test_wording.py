"""What a refusal says it saw: the operator's log line, word for word."""

from __future__ import annotations

from typing import Any

import pytest

from flask_wsguard.core import preauth
from flask_wsguard.core.case import Protected, Public, Session, cookie_pairs
from flask_wsguard.core.handshake import Accepted, judge
from flask_wsguard.core.origins import Origin, parse_entry
from flask_wsguard.core.pending import Held, surplus
from flask_wsguard.core.preauth import PreauthRequest, SocketPath, read_body, read_path
from flask_wsguard.core.refusals import Refusal, Refused
from flask_wsguard.core.tickets import read_ticket

from .handshakes import (
    ALICES,
    EXPECTED,
    FORGERS,
    GOOD_COOKIE,
    KEYS,
    NOW,
    RULES,
    TICKET,
    cookie,
    handshake,
    source,
    ticket,
    token,
    upgrade,
)


def refusal(**facts: Any) -> Refused:
    """Return how a handshake with these facts is refused."""
    outcome = judge(handshake(**facts), expected=EXPECTED, now=NOW)
    assert isinstance(outcome, Refused)
    return outcome


AHEAD = "issued 90 s in the future: compare clocks"
BEHIND = "issued 90 s ago: the page waited, or workers' clocks differ"
OVER = {"issued_at": NOW - 90, "expires_at": NOW - 60}


@pytest.mark.parametrize(
    ("facts", "reason", "detail"),
    [
        ({"tokens": ("a", "b")}, Refusal.TOKEN_INVALID, "2 tokens"),
        ({"tokens": (token(FORGERS),)}, Refusal.TOKEN_INVALID, "not signed here"),
        ({"tokens": (token(issued_at=NOW + 90),)}, Refusal.TOKEN_INVALID, AHEAD),
        ({"tokens": (token(**OVER),)}, Refusal.TOKEN_EXPIRED, BEHIND),
        (
            {"cookies": f"{GOOD_COOKIE}; {GOOD_COOKIE}"},
            Refusal.TICKET_INVALID,
            "2 cookies of one name",
        ),
        ({"cookies": cookie(ticket(FORGERS))}, Refusal.TICKET_INVALID, "not signed here"),
        ({"cookies": cookie(ticket(issued_at=NOW + 90))}, Refusal.TICKET_INVALID, AHEAD),
        ({"cookies": cookie(ticket(**OVER))}, Refusal.TICKET_EXPIRED, BEHIND),
        (
            {"cookies": cookie(ticket(scopes=frozenset()))},
            Refusal.SCOPE_MISSING,
            "chat:read",
        ),
        (
            {"session": ALICES._replace(disputed=True)},
            Refusal.USER_CHANGED,
            "several session cookies disagree",
        ),
        (
            {"session": Session(None, None)},
            Refusal.SESSION_ENDED,
            "the handshake names nobody: logged out, or logged in by a header that cannot travel",
        ),
        ({"session": ALICES._replace(ended=True)}, Refusal.SESSION_ENDED, "logged out"),
        ({"session": Session("bob", "x")}, Refusal.USER_CHANGED, ""),
        (
            {"session": ALICES._replace(nonce="another")},
            Refusal.SESSION_ENDED,
            "another login of the same user",
        ),
    ],
)
def test_handshake(facts: dict[str, Any], reason: Refusal, detail: str) -> None:
    """Each check names what came, and nothing that is secret."""
    seen = refusal(**facts)
    assert (seen.reason, seen.detail, seen.status) == (reason, detail, 0)


def test_malformed_upgrade_keeps_fault_and_status() -> None:
    """The status of a malformed upgrade is the fault's own."""
    refused = refusal(upgrade=upgrade(version="8"))
    assert refused == Refused(Refusal.MALFORMED_UPGRADE, "Sec-WebSocket-Version is not 13", 426)


def test_unusable_host_is_an_insecure_transport() -> None:
    """Without a host there is no origin of one's own to compare with."""
    where = source()._replace(own=None)
    assert preauth.transport_is_secure(PreauthRequest("POST", "", 0, where), RULES) == Refused(
        Refusal.INSECURE_TRANSPORT, "the request's Host is not a host"
    )


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"method": "PUT"}, Refused(Refusal.BAD_REQUEST, "PUT is not POST", 405)),
        ({"content_type": "text/x"}, Refused(Refusal.NOT_JSON, "Content-Type 'text/x'")),
        (
            {"length": 4097},
            Refused(Refusal.BAD_REQUEST, "a body of 4097 bytes, the limit is 4096"),
        ),
    ],
)
def test_preauth(changes: dict[str, Any], refused: Refused) -> None:
    """A page's developer reads what was wrong with the request."""
    asked = PreauthRequest("POST", "application/json", 17, source())._replace(**changes)
    assert preauth.judge(asked, RULES) == refused


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "\t Application/JSON ;x", "application/json"],
)
def test_json_in_other_spellings(content_type: str) -> None:
    """Parameters, case and space around do not matter."""
    asked = PreauthRequest("POST", content_type, 17, source())
    assert preauth.judge(asked, RULES) is None


@pytest.mark.parametrize("content_type", ["Xapplication/json", "application/jsonX", "application"])
def test_what_is_not_json(content_type: str) -> None:
    """Nothing else is stripped from a content type."""
    asked = PreauthRequest("POST", content_type, 17, source())
    assert preauth.judge(asked, RULES) == Refused(
        Refusal.NOT_JSON, f"Content-Type {content_type!r}"
    )


def test_bodies() -> None:
    """4,096 bytes are read; what is wrong with others is said."""
    assert read_body(b'{"path": "/echo"}'.ljust(4096)) == "/echo"
    assert read_body(b" " * 4097) == Refused(
        Refusal.BAD_REQUEST, "a body of 4097 bytes, the limit is 4096"
    )
    assert read_body(b"{") == Refused(Refusal.BAD_REQUEST, "not JSON: JSONDecodeError")
    assert read_body(b'{"a": 1, "a": 1}') == Refused(Refusal.BAD_REQUEST, "not JSON: ValueError")
    assert read_body(b'{"path": "echo"}') == Refused(
        Refusal.BAD_REQUEST, 'not an object with "path", a str that starts with /'
    )


def test_paths() -> None:
    """The bound path has the prefix and WSGI's spelling, the routed one is text below it."""
    assert read_path("/m/caf%C3%A9", "/m") == SocketPath("/m/caf\xc3\xa9", "/caf\u00e9")
    assert read_path("/other", "/m") == Refused(
        Refusal.UNKNOWN_PATH,
        "the app is mounted under '/m'; a proxy that adds a prefix needs ProxyFix(x_prefix=1)",
    )
    assert read_path("/%FF", "") == Refused(Refusal.UNKNOWN_PATH, "the path is not UTF-8")


@pytest.mark.parametrize("odd", ["X", "\xa0", "\x1f", "\x0b"])
def test_cookies_lose_space_and_tab_and_nothing_else(odd: str) -> None:
    """Any other letter around a name or a value is part of it."""
    assert cookie_pairs(f" \t{odd}a{odd}\t =\t {odd}b{odd} ;c") == [
        (f"{odd}a{odd}", f"{odd}b{odd}"),
        ("c", ""),
    ]


def test_longest_ticket_is_read() -> None:
    """1,024 letters are a ticket, more are none, whoever signed them."""
    longest = TICKET._replace(user_id="a" * 650)
    text = KEYS.mint_ticket(longest)
    assert len(text) == 1024
    assert KEYS.verifies_ticket(text)
    assert read_ticket(text) == longest
    longer = KEYS._tickets.sign(text.rpartition(".")[0] + "AAAA").decode()
    assert len(longer) == 1028
    assert not KEYS.verifies_ticket(longer)
    assert read_ticket(longer) is None


def test_missing_scopes_are_listed() -> None:
    """All that are missing, in order; a comma in one makes it no two."""
    mark = Protected(frozenset({"b", "a, c", "chat:read"}))
    assert refusal(mark=mark) == Refused(Refusal.SCOPE_MISSING, "a, c, b", required=("a, c", "b"))


def test_public_route_shows_no_ticket() -> None:
    """Good credentials that nobody asked for are not handed on."""
    outcome = judge(handshake(mark=Public()), expected=EXPECTED, now=NOW)
    assert outcome == Accepted(None, None)


def test_listed_sibling_may_ask_for_a_protected_path() -> None:
    """Its fetch is same-site, and the rules are asked."""
    where = source(origin="https://app.example.org", fetch_site="same-site")
    asked = PreauthRequest("POST", "application/json", 17, where)
    assert preauth.refuse_for_protected(asked, RULES) is None


def test_tickets_that_just_fit_are_kept() -> None:
    """4,096 bytes together, the new one counted; one more and the oldest goes."""
    held = [Held("old", 1000, 1), Held("new", 2000, 2)]
    assert surplus(held, new_size=1096, most=16) == []
    assert surplus(held, new_size=1097, most=16) == ["old"]
    assert surplus(held, new_size=1, most=3) == []
    assert surplus(held, new_size=1, most=2) == ["old"]


def test_longest_label_and_host() -> None:
    """63 letters a label, 254 a host with its last dot (RFC 1035 section 2.3.4)."""
    label = "a" * 63
    assert Origin.parse(f"https://{label}.example") is not None
    assert Origin.parse(f"https://{label}a.example") is None
    longest = ".".join([label] * 3 + ["b" * 61]) + "."
    assert len(longest) == 254
    assert Origin.parse(f"https://{longest}") is not None
    assert Origin.parse(f"https://{longest}c") is None


@pytest.mark.parametrize("entry", ["", " ", "\t"])
def test_empty_entry(entry: str) -> None:
    """The message is what a ConfigError repeats."""
    with pytest.raises(ValueError, match=r"^an entry is empty$"):
        parse_entry(entry)
