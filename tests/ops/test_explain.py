"""``flask wsguard explain``: the rule that lets an origin in, or why none does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ops.commands import run, shell
from tests.sites import make_site

LISTED = {"WSGUARD_ALLOWED_ORIGINS": ["self", "https://app.example.org", "https://*.shop.example"]}
SITE = ["--site", "https://example.org"]
NEVER = "the ticket, a Strict cookie, never travels from another site"
ORIGINS = " in WSGUARD_ALLOWED_ORIGINS\n"

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
    ("server-name-alone", ["https://a.example"], {"SERVER_NAME": "a.example"}, 0, "by 'self'"),
    (
        "server-name-and-plain-http",
        ["http://a.example"],
        {"SERVER_NAME": "a.example"},
        1,
        "refused: insecure_transport: ",
    ),
    (
        "server-name-and-a-page-in-plain-http",
        ["http://b.a.example"],
        {"SERVER_NAME": "a.example", "WSGUARD_ALLOWED_ORIGINS": ["self", "http://b.a.example"]},
        0,
        "by 'http://b.a.example'",
    ),
    (
        "server-name-and-any-origin",
        ["http://evil.example", "--path", "/anyone"],
        {"SERVER_NAME": "a.example"},
        0,
        "@ws_public(any_origin=True)",
    ),
    ("server-name-and-null", ["null"], {"SERVER_NAME": "a.example"}, 1, "'null' is not an origin"),
    (
        "self-unknown",
        ["https://example.org"],
        {},
        1,
        'names it, except "self" if the site is served at https://example.org: '
        "say so with --site https://example.org\n",
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
    ("null", ["null"], {}, 1, "'null' is not an origin that a page of the web has\n"),
    ("no-scheme", ["example.org:8443"], {}, 1, ": add the scheme, https://example.org:8443\n"),
    ("no-scheme-here", ["localhost:5173"], {}, 1, ": add the scheme, http://localhost:5173\n"),
    ("no-scheme-at-::1", ["[::1]:5173"], {}, 1, ": add the scheme, http://[::1]:5173\n"),
    ("slash-too-many", ["https://example.org/"], {}, 1, ": drop the slash, https://example.org\n"),
    ("path", ["http://example.org/a/"], {}, 1, ": drop the path, http://example.org\n"),
    ("wss", ["wss://example.org"], {}, 1, ": write the scheme of the page, https://example.org\n"),
    ("nothing-plain", ["http://[::1"], {}, 1, "an origin that a page of the web has\n"),
    (
        "how-to-allow",
        ["https://new.example.org", *SITE],
        LISTED,
        1,
        'to allow it: WSGUARD_ALLOWED_ORIGINS = ["self", "https://app.example.org", '
        '"https://*.shop.example", "https://new.example.org"]\n',
    ),
    (
        "how-to-allow-another-site",
        ["https://evil.example", *SITE],
        {},
        1,
        'to allow it: WSGUARD_ALLOWED_ORIGINS = ["self", "https://evil.example"]\n'
        f"public sockets only: {NEVER}\n",
    ),
    (
        "how-to-allow-another-site-there",
        ["https://evil.example", "--path", "/ticker", *SITE],
        {},
        1,
        '"https://evil.example"]\n',
    ),
    (
        "of-no-use",
        ["https://evil.example", "--path", "/echo", *SITE],
        {},
        1,
        "refused: origin_not_allowed: Pages of this Origin may not connect. (Origin "
        "'https://evil.example', request to https://example.org)\n"
        f"listing it would be of no use here: {NEVER}\n",
    ),
    (
        "listed-site-unknown",
        ["https://app.example.org"],
        LISTED,
        0,
        f"of the same site only: {NEVER} (--site says where yours is)\n",
    ),
    (
        "listed-another-site",
        ["https://a.shop.example", *SITE],
        LISTED,
        0,
        f"'https://*.shop.example' in WSGUARD_ALLOWED_ORIGINS\npublic sockets only: {NEVER}\n",
    ),
    (
        "listed-another-site-protected",
        ["https://a.shop.example", "--path", "/echo", *SITE],
        LISTED,
        1,
        f"refused: 'https://*.shop.example' lists it, but it can open public sockets only: {NEVER}",
    ),
    ("listed-sibling", ["https://app.example.org", "--path", "/echo", *SITE], LISTED, 0, ORIGINS),
    ("listed-public", ["https://a.shop.example", "--path", "/ticker", *SITE], LISTED, 0, ORIGINS),
    ("listed-public-unknown", ["https://a.shop.example", "--path", "/ticker"], LISTED, 0, ORIGINS),
    (
        "any-origin",
        ["https://evil.example", "--path", "/anyone"],
        {},
        0,
        "@ws_public(any_origin=True)",
    ),
    (
        "any-origin-in-plain-http",
        ["https://evil.example", "--path", "/anyone", "--site", "http://example.org"],
        {},
        1,
        "refused: insecure_transport",
    ),
    ("public", ["https://evil.example", "--path", "/ticker", *SITE], {}, 1, "origin_not_allowed"),
    ("protected", ["https://example.org", "--path", "/room/7", *SITE], {}, 0, "by 'self'"),
    ("declared", ["https://example.org", "--path", "/socket.io/", *SITE], {}, 0, "by 'self'"),
    ("unmarked", ["https://example.org", "--path", "/forgotten"], {}, 1, "carries no mark"),
    ("unknown", ["https://example.org", "--path", "/nowhere"], {}, 2, "no WebSocket route serves"),
    (
        "relative",
        ["https://example.org", "--path", "echo"],
        {},
        2,
        "a path begins with a slash: /echo",
    ),
    (
        "rule",
        ["https://example.org", "--path", "/room/<int:number>"],
        {},
        2,
        "/room/<int:number> is a rule: write a path that it serves",
    ),
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
    assert said.endswith(says) if says.endswith("\n") else says in said


@pytest.mark.parametrize(
    "words",
    [
        ["http://example.org", "--site", "http://example.org"],
        ["null", *SITE],
        ["https://example.org"],
        ["https://example.org", "--path", "/forgotten", *SITE],
    ],
    ids=["transport", "null", "self-unknown", "unmarked"],
)
def test_listing_an_origin_is_advised_only_where_it_helps(words: list[str]) -> None:
    """What is refused for another reason would be refused all the same."""
    code, said = run(make_site(), "explain", *words)
    assert (code, "WSGUARD_ALLOWED_ORIGINS =" in said) == (1, False)


@pytest.mark.slow
def test_explain_as_its_users_run_it() -> None:
    """In a process of its own."""
    assert shell("explain", "https://example.org", *SITE) == (
        0,
        "allowed: by 'self' in WSGUARD_ALLOWED_ORIGINS\n",
    )
