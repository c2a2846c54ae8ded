"""Origins: the table borrowed from eleven projects, and our own lookalikes and spellings."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_wsguard.core.case import Protected
from flask_wsguard.core.handshake import judge as judge_handshake
from flask_wsguard.core.origins import Origin, OriginPolicy, parse_entry
from flask_wsguard.core.preauth import PreauthRequest
from flask_wsguard.core.preauth import judge as judge_preauth
from flask_wsguard.core.refusals import Refusal, Refused
from flask_wsguard.core.source import Source, SourceRules
from flask_wsguard.errors import ConfigError
from flask_wsguard.settings import Settings

from .handshakes import EXPECTED, NOW, UPGRADE, Handshake, bind, cookie, ticket, token

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "origin_cases.json").read_text()
)


def case_id(number: int, case: dict[str, Any]) -> str:
    project = case["source"].partition("/")[0]
    note = re.sub(r"[^A-Za-z0-9]+", "-", case["note"]).strip("-")[:40].lower()
    origin = re.sub(r"[^A-Za-z0-9.]+", "-", str(case["origin"]))[:40]
    word = "allowed" if case["expect"] else "refused"
    return "-".join(part for part in (f"{number:03}", project, origin, word, note) if part)


IDS = [case_id(number, case) for number, case in enumerate(CASES)]


def entries_of(case: dict[str, Any]) -> tuple[str, ...]:
    return (*case["allowed"], *(["self"] if case["self"] else []))


def header_of(case: dict[str, Any]) -> str | None:
    """Return Origin as WSGI hands it over: a repeated header is joined by commas."""
    origin = case["origin"]
    return ", ".join(origin) if isinstance(origin, list) else origin


def source_of(case: dict[str, Any], origin: str | None) -> Source:
    own = None
    if case["request_host"] is not None:
        own = Origin.of_request(case["request_scheme"], case["request_host"])
        assert own is not None
    page = None if origin is None else Origin.parse(origin)
    return Source(own, origin, page, None, False)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_borrowed_case(case: dict[str, Any]) -> None:
    """What other projects learned the hard way holds for the policy."""
    policy = OriginPolicy(entries_of(case))
    source = source_of(case, header_of(case))
    allowed = source.page is not None and policy.rule_for(source.page, source.own) is not None
    assert allowed is case["expect"]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_borrowed_case_as_a_setting(case: dict[str, Any]) -> None:
    """Every list is a good setting, but the empty one without self."""
    config = {"SECRET_KEY": "k" * 32, "WSGUARD_ALLOWED_ORIGINS": list(entries_of(case))}
    if entries_of(case):
        assert Settings.from_config(config).allowed_origins == entries_of(case)
    else:
        with pytest.raises(ConfigError, match="WSGUARD_ALLOWED_ORIGINS is empty"):
            Settings.from_config(config)


END_TO_END = [
    (case, name) for case, name in zip(CASES, IDS, strict=True) if case["request_host"] is not None
]


@pytest.mark.parametrize("case", [row[0] for row in END_TO_END], ids=[row[1] for row in END_TO_END])
def test_borrowed_case_end_to_end(case: dict[str, Any]) -> None:
    """Preauth and handshake give the same verdict as the policy, with nothing else wrong."""
    rules = SourceRules(OriginPolicy(entries_of(case)), allow_insecure_transport=True)
    source = source_of(case, header_of(case))
    reason = None
    if not case["expect"]:
        reason = Refusal.ORIGIN_NOT_ALLOWED if source.origin else Refusal.ORIGIN_MISSING
    asked = PreauthRequest("POST", "application/json", 17, source)
    assert reason_of(judge_preauth(asked, rules)) == reason
    assert source.own is not None
    binding = bind(source.own.netloc, "/echo")
    secure = source.own.scheme == "https"
    text = ticket(binding=binding)
    handshake = Handshake(
        mark=Protected(),
        upgrade=UPGRADE,
        source=source,
        path="/echo",
        tokens=(token(binding=binding),),
        cookies=cookie(text) if secure else cookie(text).replace("__Host-Http-", ""),
    )
    outcome = judge_handshake(handshake, expected=replace(EXPECTED, rules=rules), now=NOW)
    assert reason_of(outcome) == reason


def reason_of(outcome: object) -> Refusal | None:
    return outcome.reason if isinstance(outcome, Refused) else None


# Spellings.

CANONICAL: list[tuple[str, str]] = [
    ("https://example.org", "https://example.org"),
    ("HTTPS://EXAMPLE.ORG", "https://example.org"),
    ("https://example.org:443", "https://example.org"),
    ("http://example.org:80", "http://example.org"),
    ("http://example.org:443", "http://example.org:443"),
    ("https://example.org:80", "https://example.org:80"),
    ("https://example.org:65535", "https://example.org:65535"),
    ("https://example.org.", "https://example.org."),
    ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ("https://under_score.example.org", "https://under_score.example.org"),
    ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ("http://[::1]:5000", "http://[::1]:5000"),
    ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
    ("http://[2001:DB8::00A1]", "http://[2001:db8::a1]"),
    ("http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]"),
    ("http://localhost:3000", "http://localhost:3000"),
]


@pytest.mark.parametrize(("text", "canonical"), CANONICAL, ids=[row[0] for row in CANONICAL])
def test_origin_is_canonicalised(text: str, canonical: str) -> None:
    """Case, default port and IPv6 spelling do not matter."""
    origin = Origin.parse(text)
    assert origin is not None
    # ipaddress writes mapped addresses with dots since Python 3.13.
    assert str(origin).replace("127.0.0.1]", "7f00:1]") == canonical
    assert Origin.parse(str(origin)) == origin


NO_ORIGIN: dict[str, str] = {
    "null": "null",
    "empty": "",
    "no-scheme": "example.org",
    "ws-scheme": "wss://example.org",
    "file": "file://",
    "extension": "chrome-extension://abcdefghijklmnop",
    "path": "https://example.org/",
    "query": "https://example.org?x",
    "fragment": "https://example.org#x",
    "userinfo": "https://example.org@evil.net",
    "userinfo-and-bracket": "https://[example.org@evil.net",
    "backslash": "https://example.org\\.evil.net",
    "space-inside": "https://example.org evil.net",
    "space-in-front": " https://example.org",
    "space-behind": "https://example.org ",
    "tab-behind": "https://example.org\t",
    "newline-behind": "https://example.org\n",
    "nul-inside": "https://example.org\x00.evil.net",
    "comma": "https://example.org,https://evil.net",
    "port-0": "https://example.org:0",
    "port-99999": "https://example.org:99999",
    "port-65536": "https://example.org:65536",
    "port-abc": "https://example.org:abc",
    "port-empty": "https://example.org:",
    "port-leading-zero": "https://example.org:0443",
    "port-arabic-digits": "https://example.org:\u0664\u0664\u0663",
    "two-ports": "https://example.org:443:443",
    "non-ascii": "https://b\u00fccher.example",
    "kelvin-sign": "https://\u212aelvin.example",
    "long-s": "http\u017f://example.org",
    "empty-host": "https://",
    "dot": "https://.",
    "leading-dot": "https://.example.org",
    "two-dots": "https://example..org",
    "two-trailing-dots": "https://example.org..",
    "label-of-64": f"https://{'a' * 64}.org",
    "host-of-255": f"https://{'.'.join(['a' * 63] * 4)}",
    "ipv6-unclosed": "https://[::1",
    "ipv6-unbracketed": "https://::1",
    "ipv6-empty": "https://[]",
    "ipv6-rubbish": "https://[:::]",
    "ipv6-zone": "https://[fe80::1%25eth0]",
    "ipv6-with-suffix": "https://[::1].evil.net",
    "ipv4-short": "http://127.1",
    "ipv4-hex": "http://0x7f.0.0.1",
    "ipv4-hex-last": "http://127.0.0.0x1",
    "ipv4-octal": "http://0177.0.0.1",
    "ipv4-one-number": "http://2130706433",
    "ipv4-hex-number": "http://0x7f000001",
    "ipv4-over": "http://256.0.0.1",
    "ipv4-five": "http://1.2.3.4.5",
    "ipv4-trailing-dot": "http://127.0.0.1.",
    "numeric-top-level": "http://example.1",
    "percent": "https://example%2eorg",
    "asterisk": "https://*.example.org",
    "scheme-only": "https:",
    "one-slash": "https:/example.org",
    "three-slashes": "https:///example.org",
}


@pytest.mark.parametrize("text", NO_ORIGIN.values(), ids=NO_ORIGIN)
def test_what_no_browser_sends_is_no_origin(text: str) -> None:
    """Anything that is not exactly one serialised origin is none, and never an exception."""
    assert Origin.parse(text) is None


def test_longest_label_and_longest_host() -> None:
    """63 letters a label, 254 a host (RFC 1035, with the dot at its end); not one more."""
    label = "a" * 63
    longest = f"{label}.{label}.{label}.{'b' * 62}"
    for host in (label, f"{label}.example.org", longest):
        assert str(Origin.parse(f"https://{host}:65535")) == f"https://{host}:65535"
        assert Origin.of_request("https", f"{host}:65535") is not None
    for host in (f"{label}a", f"{label}a.example.org", f"{longest}b", f"a.{longest}"):
        assert Origin.parse(f"https://{host}") is None
        assert Origin.of_request("https", host) is None


@given(st.text(max_size=80))
def test_no_text_raises(text: str) -> None:
    """A malformed Origin once threw and took a server down (CVE-2026-14631)."""
    for candidate in (text, f"https://{text}", f"http://[{text}]", f"https://a:{text}"):
        origin = Origin.parse(candidate)
        assert origin is None or Origin.parse(str(origin)) == origin


@pytest.mark.parametrize("scheme", ["ws", "wss", "ftp", "", "HTTPS"])
def test_request_of_another_scheme_has_no_origin(scheme: str) -> None:
    """WSGI's scheme is http or https."""
    assert Origin.of_request(scheme, "example.org") is None


LOOPBACK = [
    ("http://localhost", True),
    ("http://localhost.", True),
    ("http://LOCALHOST:3000", True),
    ("http://evil.localhost", True),
    ("http://127.0.0.1", True),
    ("http://127.255.255.254", True),
    ("http://[::1]", True),
    ("http://[0:0:0:0:0:0:0:1]", True),
    ("http://localhost.evil.net", False),
    ("http://notlocalhost", False),
    ("http://128.0.0.1", False),
    ("http://127.0.0.1.evil.net", False),
    ("http://10.0.0.1", False),
    ("http://0.0.0.0", False),
    ("http://[::]", False),
    ("http://[::ffff:7f00:1]", False),
    ("http://example.org", False),
]


@pytest.mark.parametrize(("text", "loopback"), LOOPBACK, ids=[row[0] for row in LOOPBACK])
def test_loopback_is_this_machine(text: str, loopback: bool) -> None:
    """``localhost`` and below, 127/8 and ``[::1]``, canonicalised first; no lookalike."""
    origin = Origin.parse(text)
    assert origin is not None
    assert origin.is_loopback is loopback


# Lookalikes against entries.

OWN = "https://example.org"
LOOKALIKES: list[tuple[str, tuple[str, ...], str, str | None]] = [
    ("exact", ("https://example.org",), "https://example.org", "https://example.org"),
    ("exact-default-port", ("https://example.org:443",), "https://example.org",
     "https://example.org:443"),
    ("exact-case", ("https://EXAMPLE.org",), "https://example.org", "https://EXAMPLE.org"),
    ("exact-ipv6", ("http://[0::1]:5000",), "http://[::1]:5000", "http://[0::1]:5000"),
    ("suffix", ("https://example.org",), "https://example.org.evil.net", None),
    ("prefix", ("https://example.org",), "https://evilexample.org", None),
    ("subdomain-of-exact", ("https://example.org",), "https://a.example.org", None),
    ("trailing-dot", ("https://example.org",), "https://example.org.", None),
    ("wildcard-one-label", ("https://*.example.org",), "https://a.example.org",
     "https://*.example.org"),
    ("wildcard-two-labels", ("https://*.example.org",), "https://a.b.example.org",
     "https://*.example.org"),
    ("wildcard-apex", ("https://*.example.org",), "https://example.org", None),
    ("wildcard-without-dot", ("https://*.example.org",), "https://evilexample.org", None),
    ("wildcard-suffix", ("https://*.example.org",), "https://a.example.org.evil.net", None),
    ("wildcard-other-port", ("https://*.example.org",), "https://a.example.org:8443", None),
    ("wildcard-other-scheme", ("https://*.example.org",), "http://a.example.org", None),
    ("wildcard-with-port", ("https://*.example.org:8443",), "https://a.example.org:8443",
     "https://*.example.org:8443"),
    ("wildcard-case", ("https://*.Example.ORG",), "https://a.example.org",
     "https://*.Example.ORG"),
    ("wildcard-localhost", ("http://*.localhost:5000",), "http://a.localhost:5000",
     "http://*.localhost:5000"),
    ("wildcard-against-ipv6", ("https://*.example.org",), "https://[::1]", None),
    ("wildcard-against-single-label", ("https://*.example.org",), "https://example", None),
    ("self", ("self",), "https://example.org", "self"),
    ("self-other-port", ("self",), "https://example.org:444", None),
    ("self-other-scheme", ("self",), "http://example.org", None),
    ("self-before-list", ("https://example.org", "self"), "https://example.org", "self"),
    ("exact-before-wildcard", ("https://*.example.org", "https://a.example.org"),
     "https://a.example.org", "https://a.example.org"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("entries", "origin", "rule"),
    [row[1:] for row in LOOKALIKES],
    ids=[row[0] for row in LOOKALIKES],
)
def test_rule_for_origin(entries: tuple[str, ...], origin: str, rule: str | None) -> None:
    """Labels decide, never characters; the entry that allowed is named."""
    page, own = Origin.parse(origin), Origin.parse(OWN)
    assert page is not None
    assert OriginPolicy(entries).rule_for(page, own) == rule


def test_self_is_not_listed() -> None:
    """The request's own origin is allowed without standing on the list."""
    own = Origin.parse(OWN)
    assert own is not None
    policy = OriginPolicy(("self",))
    assert policy.allows_self
    assert policy.listed(own) is None
    assert policy.rule_for(own, None) is None
    assert not OriginPolicy(("https://example.org",)).allows_self


def test_matching_ten_thousand_entries_is_a_lookup() -> None:
    """A long list costs what a short one costs: one dictionary, label by label."""
    policy = OriginPolicy(tuple(f"https://*.site{number}.example" for number in range(10_000)))
    for host, rule in (
        ("a.b.site9999.example", "https://*.site9999.example"),
        ("site1.example", None),
    ):
        page = Origin.parse(f"https://{host}")
        assert page is not None
        assert policy.listed(page) == rule


# The settings' grammar.

GOOD_ENTRIES = [
    ("https://example.org", "https://example.org", False),
    ("http://localhost:5173", "http://localhost:5173", False),
    ("https://*.example.org", "https://example.org", True),
    ("https://*.example.org:8443", "https://example.org:8443", True),
    ("http://*.localhost", "http://localhost", True),
    ("http://*.localhost:5000", "http://localhost:5000", True),
    ("https://*.xn--bcher-kva.example", "https://xn--bcher-kva.example", True),
    ("https://[::1]", "https://[::1]", False),
    ("HTTPS://Example.ORG:443", "https://example.org", False),
    ("https://localhost", "https://localhost", False),
]


@pytest.mark.parametrize(
    ("entry", "origin", "wildcard"), GOOD_ENTRIES, ids=[row[0] for row in GOOD_ENTRIES]
)
def test_good_entry(entry: str, origin: str, wildcard: bool) -> None:
    """An exact origin, or everything below one."""
    assert parse_entry(entry) == (Origin.parse(origin), wildcard)


BAD_ENTRIES: dict[str, tuple[str, str]] = {
    "star": ("*", "would let any page in"),
    "null": ("null", "would let any page in"),
    "empty": ("", "an entry is empty"),
    "blank": ("  ", "an entry is empty"),
    "no-scheme": ("example.org", "has no scheme: write https://example.org"),
    "no-scheme-wildcard": ("*.example.org", "has no scheme"),
    "wss": ("wss://example.org", "an origin's scheme is http or https, also for wss sockets"),
    "ftp": ("ftp://example.org", "scheme is http or https"),
    "slash": ("https://example.org/", "without path or slash"),
    "path": ("https://example.org/chat", "without path or slash"),
    "userinfo": ("https://me@example.org", "is not an origin"),
    "port": ("https://example.org:99999", "is not an origin"),
    "two": ("https://a.example https://b.example", "is not an origin"),
    "umlaut": ("https://b\u00fccher.example", "write the punycode form (xn--...)"),
    "wildcard-com": ("https://*.com", "covers a whole top-level domain"),
    "wildcard-com-dot": ("https://*.com.", "covers a whole top-level domain"),
    "wildcard-alone": ("https://*", "is not an origin"),
    "wildcard-twice": ("https://*.*.example.org", "is not an origin"),
    "wildcard-inside": ("https://a.*.example.org", "is not an origin"),
    "wildcard-glued": ("https://*example.org", "is not an origin"),
    "wildcard-ipv4": ("https://*.127.0.0.1", "an address has no subdomains"),
    "wildcard-ipv6": ("https://*.[::1]", "an address has no subdomains"),
    "wildcard-port-star": ("https://example.org:*", "is not an origin"),
    "self-upper": ("SELF", "has no scheme"),
    "scheme-only": ("https://", "is not an origin"),
}


@pytest.mark.parametrize(("entry", "says"), BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_bad_entry_says_how_to_write_it(entry: str, says: str) -> None:
    """A setting that would open the door, or never match, is refused with a sentence."""
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_entry(entry)
    with pytest.raises(ValueError, match=re.escape(says)):
        OriginPolicy(("self", entry))


def test_wildcard_over_localhost_with_a_dot_is_refused() -> None:
    """``localhost.`` is a single label too; only ``localhost`` itself is on the loopback."""
    with pytest.raises(ValueError, match="covers a whole top-level domain"):
        parse_entry("http://*.localhost.")
