"""``flask wsguard explain``: the rule that lets an origin in, or why none does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ops.commands import run, shell
from tests.sites import make_site

LISTED = {"WSGUARD_ALLOWED_ORIGINS": ["self", "https://app.example.org", "https://*.shop.example"]}
SITE = ["--site", "https://example.org"]

# words, settings, exit status, what is said
ROWS: list[tuple[str, list[str], dict[str, Any], int, str]] = [
    ("self", ["https://example.org", *SITE], {}, 0, "allowed: by 'self' in"),
    ("slash", ["https://example.org", "--site", "https://example.org/"], {}, 0, "by 'self'"),
    (
        "server-name",
        ["https://a.example"],
        {"SERVER_NAME": "a.example", "PREFERRED_URL_SCHEME": "https"},
        0,
        "by 'self'",
    ),
    (
        "self-unknown",
        ["https://example.org"],
        {},
        1,
        "unless the site is served at https://example.org",
    ),
    ("listed", ["https://app.example.org"], LISTED, 0, "by 'https://app.example.org'"),
    ("wildcard", ["https://a.b.shop.example"], LISTED, 0, "by 'https://*.shop.example'"),
    (
        "not-listed",
        ["https://x.example"],
        {"WSGUARD_ALLOWED_ORIGINS": ["https://y.example"]},
        1,
        "no entry of",
    ),
    ("apex", ["https://shop.example", *SITE], LISTED, 1, "nearest rule: 'https://*.shop.example'"),
    ("other-scheme", ["http://example.org", *SITE], {}, 1, "ProxyFix(x_proto=1, x_host=1)"),
    ("other-port", ["https://example.org:8443", *SITE], {}, 1, "the ports differ"),
    (
        "insecure",
        ["http://example.org", "--site", "http://example.org"],
        {},
        1,
        "insecure_transport",
    ),
    ("null", ["null"], {}, 1, "'null' is not an origin that a page of the web has"),
    (
        "how-to-allow",
        ["https://evil.example", *SITE],
        {},
        1,
        'to allow it: WSGUARD_ALLOWED_ORIGINS = ["self", "https://evil.example"]',
    ),
    (
        "any-origin",
        ["https://evil.example", "--path", "/anyone"],
        {},
        0,
        "@ws_public(any_origin=True)",
    ),
    ("public", ["https://evil.example", "--path", "/ticker", *SITE], {}, 1, "origin_not_allowed"),
    ("protected", ["https://example.org", "--path", "/room/7", *SITE], {}, 0, "by 'self'"),
    ("declared", ["https://example.org", "--path", "/socket.io/", *SITE], {}, 0, "by 'self'"),
    ("unmarked", ["https://example.org", "--path", "/forgotten"], {}, 1, "carries no mark"),
    ("unknown", ["https://example.org", "--path", "/nowhere"], {}, 2, "no WebSocket route serves"),
    ("redirect", ["https://example.org", "--path", "/slash"], {}, 2, "no WebSocket route serves"),
    ("bad-site", ["https://example.org", "--site", "example.org"], {}, 2, "is not scheme://host"),
]


@pytest.mark.parametrize(
    ("words", "config", "code", "says"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_explain(words: list[str], config: dict[str, Any], code: int, says: str) -> None:
    """Exit status and sentence agree with what the handshake would do."""
    app = make_site(**config)
    app.extensions["test_guard"].protect_path("/socket.io/")
    status, said = run(app, "explain", *words)
    assert status == code, said
    assert says in said


@pytest.mark.slow
def test_explain_as_its_users_run_it() -> None:
    """In a process of its own."""
    assert shell("explain", "https://example.org", *SITE) == (
        0,
        "allowed: by 'self' in WSGUARD_ALLOWED_ORIGINS\n",
    )
