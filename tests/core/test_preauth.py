"""The preauth request as plain facts: order of the checks, Referer, body, path."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_wsguard.core import preauth
from flask_wsguard.core.preauth import (
    CHECKS,
    PreauthRequest,
    SocketPath,
    origin_or_referer,
    read_body,
    read_path,
)
from flask_wsguard.core.refusals import Refusal, Refused

from .handshakes import RULES, source

GOOD = PreauthRequest("POST", "application/json", 17, source())


def reason(request: PreauthRequest, leaving_out: str = "") -> str:
    for check in CHECKS:
        if check.__name__ != leaving_out and (refused := check(request, RULES)):
            return refused.reason.value
    return "accepted"


REFUSED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("method_is_post", "bad_request", "accepted", {"method": "GET"}),
    ("content_is_json", "not_json", "accepted", {"content_type": "text/plain"}),
    ("content_is_json", "not_json", "accepted", {"content_type": "\xa0application/json"}),
    ("body_is_short", "bad_request", "accepted", {"length": 4097}),
    ("transport_is_secure", "insecure_transport", "accepted",
     {"source": source(own="http://example.org", origin="http://example.org")}),
    ("origin_is_present", "origin_missing", "accepted", {"source": source(origin=None)}),
    ("origin_is_present", "origin_missing", "origin_not_allowed", {"source": source(origin="")}),
    ("origin_is_allowed", "origin_not_allowed", "accepted",
     {"source": source(origin="https://evil.example.net")}),
    ("fetch_is_plausible", "cross_site_fetch", "accepted",
     {"source": source(fetch_site="cross-site")}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "refusal", "without", "changes"),
    REFUSED,
    ids=[f"{row[0]}-without-it-{row[2]}" for row in REFUSED],
)
def test_check_carries_its_refusal(
    check: str, refusal: str, without: str, changes: dict[str, Any]
) -> None:
    """The attack succeeds, or meets the second lock, as soon as this check is left out."""
    request = GOOD._replace(**changes)
    outcome = preauth.judge(request, RULES)
    assert outcome is not None
    assert outcome.reason == refusal
    assert reason(request, leaving_out=check) == without


def test_every_check_carries_something() -> None:
    """No check is untested."""
    assert {row[0] for row in REFUSED} == {check.__name__ for check in CHECKS}


def test_good_request_may_have_its_body_read() -> None:
    """The honest case, at the limit of the length."""
    assert preauth.judge(GOOD, RULES) is None
    assert preauth.judge(GOOD._replace(length=4096), RULES) is None


def test_first_fault_wins_all_the_way_down() -> None:
    """With everything wrong the first reason of the order shows; mended one by one, each next."""
    http = source(own="http://example.org", origin=None, fetch_site="cross-site")
    steps: list[tuple[str, int, dict[str, Any]]] = [
        ("bad_request", 405, {"method": "PUT", "content_type": "", "length": 9999, "source": http}),
        ("not_json", 415, {"method": "POST"}),
        ("bad_request", 400, {"content_type": "application/json"}),
        ("insecure_transport", 403, {"length": 17}),
        ("origin_missing", 403, {"source": source(origin=None, fetch_site="cross-site")}),
        ("origin_not_allowed", 403, {"source": source(origin="null", fetch_site="cross-site")}),
        ("cross_site_fetch", 403, {"source": source(fetch_site="cross-site")}),
    ]
    request = GOOD
    for expected, status, mended in steps:
        request = request._replace(**mended)
        outcome = preauth.judge(request, RULES)
        assert outcome is not None
        assert (outcome.reason.value, outcome.http_status) == (expected, status)


def test_listed_cross_site_page_is_for_public_paths_only() -> None:
    """The first look lets it by, for the path stands in the body; the second does not."""
    listed = source("https://partner.example", fetch_site="cross-site")
    request = GOOD._replace(source=listed)
    assert preauth.judge(request, RULES) is None
    refused = preauth.refuse_for_protected(request, RULES)
    assert refused is not None
    assert refused.reason is Refusal.CROSS_SITE_FETCH
    assert preauth.refuse_for_protected(GOOD, RULES) is None


REFERERS: list[tuple[str, str | None, str | None, str | None]] = [
    ("both-absent", None, None, None),
    ("origin-wins", "https://a.example", "https://b.example/", "https://a.example"),
    ("empty-origin-stays", "", "https://example.org/", ""),
    ("null-stays", "null", "https://example.org/", "null"),
    ("malformed-stays", "https://[", "https://example.org/", "https://["),
    ("referer", None, "https://example.org/chat?a=b#c", "https://example.org"),
    ("referer-port", None, "http://localhost:5000/", "http://localhost:5000"),
    ("referer-bare", None, "https://example.org", "https://example.org"),
    ("referer-query-only", None, "https://example.org?x", "https://example.org"),
    ("referer-upper-case", None, "HTTPS://EXAMPLE.ORG/A", "HTTPS://EXAMPLE.ORG"),
    ("referer-userinfo", None, "https://a@evil.net/", "https://a@evil.net"),
    ("referer-at-in-path", None, "https://example.org/@evil.net", "https://example.org"),
    ("referer-newline", None, "https://example.org/\nx", "https://example.org"),
    ("referer-newline-in-host", None, "https://example.org\n.evil.net/",
     "https://example.org\n.evil.net"),
    ("referer-other-scheme", None, "ftp://example.org/", "(malformed Referer)"),
    ("referer-text", None, "example.org", "(malformed Referer)"),
    ("referer-empty", None, "", "(malformed Referer)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "referer", "stands"), [r[1:] for r in REFERERS], ids=[r[0] for r in REFERERS]
)
def test_referer_rule(origin: str | None, referer: str | None, stands: str | None) -> None:
    """Only an absent Origin lets the origin of Referer stand in, and a bad Referer is no origin."""
    assert origin_or_referer(origin, referer) == stands


def test_body_is_an_object_with_a_path() -> None:
    """The one shape that is read."""
    assert read_body(b'{"path": "/echo"}') == "/echo"
    assert read_body(b' {"x": [1], "path": "/\\u00e9\\ud83d\\ude00"} ') == "/\u00e9\U0001f600"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "not JSON: JSONDecodeError"),
        (b"[" * 4000, "not JSON: RecursionError"),
        (b"\xff", "not JSON: UnicodeDecodeError"),
        (b'{"a": 1, "a": 1, "path": "/"}', "not JSON: ValueError"),
        (b"x" * 4097, "a body of 4097 bytes, the limit is 4096"),
        (b"[]", 'not an object with "path", a str that starts with /'),
        (b'{"path": "echo"}', 'not an object with "path", a str that starts with /'),
        (b'{"path": "/\\udc00"}', 'not an object with "path", a str that starts with /'),
    ],
    ids=["empty", "nesting", "utf-8", "duplicate", "long", "list", "relative", "surrogate"],
)
def test_body_fault_is_named(body: bytes, detail: str) -> None:
    """The page's author reads what is wrong with the request."""
    assert read_body(body) == Refused(Refusal.BAD_REQUEST, detail)


@given(st.binary(max_size=300))
def test_no_body_raises(body: bytes) -> None:
    """Hostile input is a refusal, never an exception."""
    assert isinstance(read_body(body), (str, Refused))


PATHS: list[tuple[str, str, str, SocketPath | str]] = [
    ("plain", "/echo", "", SocketPath("/echo", "/echo")),
    ("encoded", "/ech%6F", "", SocketPath("/echo", "/echo")),
    ("encoded-slash", "/a%2Fb", "", SocketPath("/a/b", "/a/b")),
    ("double-encoded-once", "/ech%256F", "", SocketPath("/ech%6F", "/ech%6F")),
    ("utf-8-as-wsgi-spells-it", "/caf%C3%A9", "", SocketPath("/caf\xc3\xa9", "/caf\xe9")),
    ("utf-8-unencoded", "/caf\xe9", "", SocketPath("/caf\xc3\xa9", "/caf\xe9")),
    ("plus-is-a-plus", "/a+b", "", SocketPath("/a+b", "/a+b")),
    ("bad-percent-stays", "/a%zz%", "", SocketPath("/a%zz%", "/a%zz%")),
    ("prefix", "/app/echo", "/app", SocketPath("/app/echo", "/echo")),
    ("prefix-root", "/app/", "/app", SocketPath("/app/", "/")),
    ("prefix-encoded", "/%61pp/echo", "/app", SocketPath("/app/echo", "/echo")),
    ("prefix-utf-8", "/caf%C3%A9/x", "/caf\xc3\xa9", SocketPath("/caf\xc3\xa9/x", "/x")),
    ("prefix-missing", "/echo", "/app", "the app is mounted under '/app'"),
    ("prefix-lookalike", "/application", "/app", "the app is mounted under '/app'"),
    ("prefix-alone", "/app", "/app", "the app is mounted under '/app'"),
    ("latin-1", "/caf%E9", "", "the path is not UTF-8"),
    ("surrogate-bytes", "/%ED%A0%80", "", "the path is not UTF-8"),
    ("overlong", "/%C0%AF", "", "the path is not UTF-8"),
]


@pytest.mark.parametrize(
    ("pathname", "prefix", "expected"), [r[1:] for r in PATHS], ids=[r[0] for r in PATHS]
)
def test_path_is_decoded_once_and_stripped(
    pathname: str, prefix: str, expected: SocketPath | str
) -> None:
    """As the server will decode the socket's own path, and no further."""
    outcome = read_path(pathname, prefix)
    if isinstance(expected, SocketPath):
        assert outcome == expected
    else:
        assert isinstance(outcome, Refused)
        assert outcome.reason is Refusal.UNKNOWN_PATH
        assert outcome.detail.startswith(expected)
