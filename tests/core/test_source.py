"""Where a request comes from: transport, Origin, fetch metadata, and what the operator reads."""

from __future__ import annotations

import pytest

from flask_wsguard.core.origins import OriginPolicy
from flask_wsguard.core.refusals import Refused
from flask_wsguard.core.source import (
    Source,
    SourceRules,
    refuse_cross_site,
    refuse_foreign_origin,
    refuse_missing_origin,
    refuse_transport,
)

from .handshakes import source

RULES = SourceRules(OriginPolicy(("self", "https://app.example.org", "http://lan.example:8000")))

TRANSPORT: list[tuple[str, str, str | None, bool]] = [
    ("https", "https://example.org", "https://example.org", True),
    ("https-no-origin", "https://example.org", None, True),
    ("https-http-page", "https://example.org", "http://example.org", True),
    ("http", "http://example.org", "http://example.org", False),
    ("http-no-origin", "http://example.org", None, False),
    ("http-lan-address", "http://192.168.1.20:5000", "http://192.168.1.20:5000", False),
    ("http-foreign", "http://example.org", "https://evil.net", False),
    ("localhost", "http://localhost:5000", "http://localhost:5000", True),
    ("localhost-no-origin", "http://localhost:5000", None, True),
    ("localhost-rubbish-origin", "http://localhost:5000", "null", True),
    ("localhost-dot", "http://localhost.:5000", "http://localhost.:5000", True),
    ("sub-localhost", "http://a.localhost", "http://a.localhost", True),
    ("127", "http://127.0.0.1:5000", "http://127.0.0.1:5000", True),
    ("127-8", "http://127.8.8.8", "http://127.8.8.8", True),
    ("ipv6", "http://[::1]:5000", "http://[::1]:5000", True),
    ("ipv6-long", "http://[0:0:0:0:0:0:0:1]:5000", "http://[::1]:5000", True),
    ("localhost-from-listed-https", "http://localhost:5000", "https://app.example.org", False),
    ("localhost-from-listed-http", "http://localhost:5000", "http://lan.example:8000", False),
    ("localhost-from-foreign", "http://localhost:5000", "https://evil.net", True),
    ("lookalike", "http://localhost.evil.net", "http://localhost.evil.net", False),
]


@pytest.mark.parametrize(
    ("own", "origin", "passes"), [r[1:] for r in TRANSPORT], ids=[r[0] for r in TRANSPORT]
)
def test_plain_http_is_for_loopback(own: str, origin: str | None, passes: bool) -> None:
    """Plain http passes between loopback and loopback; what Origin refuses is left to Origin."""
    refused = refuse_transport(source(own=own, origin=origin), RULES)
    assert (refused is None) is passes
    if refused:
        assert refused.reason == "insecure_transport"


def test_switch_lets_plain_http_pass() -> None:
    """The switch of the settings opens it for a trusted network."""
    rules = SourceRules(RULES.origins, allow_insecure_transport=True)
    assert refuse_transport(source(own="http://192.168.1.20"), rules) is None


def test_unusable_host_never_passes() -> None:
    """Without a host there is nothing to bind a ticket to, whatever the switch says."""
    nowhere = Source(None, "https://example.org", source().page, None, False)
    for allow in (False, True):
        rules = SourceRules(RULES.origins, allow_insecure_transport=allow)
        outcome = refuse_transport(nowhere, rules) or refuse_foreign_origin(nowhere, rules)
        assert outcome is not None


DETAILS: list[tuple[str, str, str | None, str]] = [
    ("scheme", "http://example.org", "https://example.org",
     "Origin 'https://example.org', request to http://example.org; the page is https, the request "
     "arrived as http: behind a TLS proxy apply werkzeug's ProxyFix(x_proto=1, x_host=1)"),
    ("port", "https://example.org", "https://example.org:8443",
     "Origin 'https://example.org:8443', request to https://example.org; the ports differ: a proxy "
     "that rewrites Host, or another server of this host"),
    ("localhost-and-127", "http://127.0.0.1:5000", "http://localhost:5000",
     "Origin 'http://localhost:5000', request to http://127.0.0.1:5000; localhost and 127.0.0.1 "
     "are two origins: use one name in both places"),
    ("two-names-of-this-machine", "http://localhost:5000", "http://shop.localhost:5000",
     "Origin 'http://shop.localhost:5000', request to http://localhost:5000; shop.localhost and "
     "localhost are two origins: use one name in both places"),
    ("foreign", "https://example.org", "https://evil.net",
     "Origin 'https://evil.net', request to https://example.org"),
    ("null", "https://example.org", "null", "Origin 'null', request to https://example.org"),
    ("two-ipv6-hosts", "http://[::1]:5000", "http://[::2]:8000",
     "Origin 'http://[::2]:8000', request to http://[::1]:5000"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("own", "origin", "detail"), [r[1:] for r in DETAILS], ids=[r[0] for r in DETAILS]
)
def test_foreign_origin_detail_leads_to_the_cause(own: str, origin: str, detail: str) -> None:
    """What came, and where it is a common mistake, which one."""
    refused = refuse_foreign_origin(source(own=own, origin=origin), RULES)
    assert refused == Refused("origin_not_allowed", detail)  # type: ignore[arg-type]


def test_foreign_origin_on_an_unusable_host_says_so() -> None:
    """The refusal names what could not be used."""
    nowhere = Source(None, "https://evil.net", source("https://evil.net").page, None, False)
    refused = refuse_foreign_origin(nowhere, RULES)
    assert refused is not None
    assert refused.detail == "Origin 'https://evil.net', request to an unusable Host"


def test_transport_detail_names_the_proxy_and_both_values() -> None:
    """A page over https and a request over http is a TLS proxy without ProxyFix."""
    refused = refuse_transport(source(own="http://example.org"), RULES)
    assert refused is not None
    assert refused.detail == (
        "request to http://example.org, Origin 'https://example.org'; the page is https and the "
        "request arrived as http: a TLS proxy without ProxyFix"
    )
    plain = refuse_transport(source(own="http://example.org", origin="http://example.org"), RULES)
    assert plain is not None
    assert plain.detail == "request to http://example.org, Origin 'http://example.org'"
    nowhere = refuse_transport(Source(None, None, None, None, False), RULES)
    assert nowhere is not None
    assert nowhere.detail == "the request's Host is not a host"


MISSING: list[tuple[str, str | None, bool, bool, str | None]] = [
    ("there", "https://example.org", False, False, None),
    ("null-is-there", "null", False, False, None),
    ("absent", None, False, False, "absent"),
    ("empty", "", False, False, "empty"),
    ("device-allowed", None, False, True, None),
    ("device-empty", "", False, True, "empty"),
    ("browser-behind-the-switch", None, True, True, "absent"),
]


@pytest.mark.parametrize(
    ("origin", "fetch_metadata", "allow", "detail"),
    [row[1:] for row in MISSING],
    ids=[row[0] for row in MISSING],
)
def test_missing_origin(
    origin: str | None, fetch_metadata: bool, allow: bool, detail: str | None
) -> None:
    """Absence passes for devices where the site allows it, and for nobody with a browser."""
    rules = SourceRules(RULES.origins, allow_missing_origin=allow)
    refused = refuse_missing_origin(source(origin, fetch_metadata=fetch_metadata), rules)
    assert (refused.detail if refused else None) == detail


FETCH: list[tuple[str, str, str | None, bool, bool]] = [
    ("absent", "https://example.org", None, False, True),
    ("same-origin", "https://example.org", "same-origin", False, True),
    ("same-site-listed", "https://app.example.org", "same-site", False, True),
    ("same-site-own", "https://example.org", "same-site", False, False),
    ("same-site-own-public", "https://example.org", "same-site", True, False),
    ("cross-site-listed", "https://app.example.org", "cross-site", False, False),
    ("cross-site-listed-public", "https://app.example.org", "cross-site", True, True),
    ("cross-site-own-public", "https://example.org", "cross-site", True, False),
    ("cross-site-null-public", "null", "cross-site", True, False),
    ("none", "https://example.org", "none", True, False),
    ("empty", "https://example.org", "", True, False),
    ("case", "https://example.org", "Same-Origin", False, False),
]


@pytest.mark.parametrize(
    ("origin", "site", "public", "passes"), [r[1:] for r in FETCH], ids=[r[0] for r in FETCH]
)
def test_fetch_site(origin: str, site: str | None, public: bool, passes: bool) -> None:
    """Same-site needs a listed Origin, cross-site a listed one and a public route."""
    refused = refuse_cross_site(source(origin, fetch_site=site), RULES, public=public)
    assert (refused is None) is passes
    if refused:
        assert refused.detail == f"Sec-Fetch-Site {site!r}, Origin {origin!r}"
