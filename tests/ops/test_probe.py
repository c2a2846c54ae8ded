"""``flask wsguard probe``: it finds the hole where there is one, and none where there is none."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from flask import Flask, request

from tests.ops.commands import run, shell
from tests.ops.probing import limited, open_to_all, probe, serving, telling
from tests.servers.conftest import Server, running
from tests.sites import make_site
from tests.wire import Browser

pytestmark = pytest.mark.slow

ATTACKS = [
    "Origin foreign",
    "Origin look-alike, suffix",
    "Origin look-alike, prefix",
    "Origin sibling",
    "Origin user info",
    "Origin user info, reversed",
    "Origin other port",
    "Origin other scheme",
    "Origin no scheme",
    "Origin with a path",
    "Origin trailing dot",
    "Origin two in one",
    "Origin sandboxed frame",
    "Origin file",
    "Origin extension",
    "Origin star",
    "Origin malformed",
    "Origin empty",
    "Origin missing",
    "two Origin headers",
    "cross-site by fetch metadata",
    "no token",
    "two tokens",
    "spoilt token",
    "token without its ticket",
    "ticket of another token",
    "nobody's session",
]
FORCED = [
    "preauth from a foreign origin",
    "preauth from origin null",
    "preauth without an origin",
    "preauth by a form",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running("gthread", tmp_path_factory.mktemp("probe")) as server:
        yield server


@pytest.fixture(scope="module")
def cookie(server: Server) -> str:
    """Return alice's session, as one would copy it from a browser."""
    browser = Browser(server.port).log_in("alice")
    return "; ".join(f"{name}={value}" for name, value in browser.jar.items())


def test_a_guarded_site_has_no_hole(server: Server, cookie: str) -> None:
    """Its own page gets in, then every attack is refused, on its own ground.

    A query of the other path is left out: behind it the token would be missing, and refused for it.
    """
    server.verdicts()
    url = f"http://localhost:{server.port}/echo"
    code, rows = probe(url, "--cookie", cookie, "--other-path", "/any?room=7")
    assert code == 0
    assert rows == [
        ("the site's own page", "open", 101),
        *((attack, "refused", 403) for attack in ATTACKS),
        ("replay at once", "note", 101),
        ("replay on another path", "refused", 403),
        *((attack, "refused", 403) for attack in FORCED[:3]),
        ("preauth by a form", "refused", 415),
    ]
    assert server.verdicts() == [
        *["origin_not_allowed"] * 17,
        *["origin_missing"] * 2,
        "origin_not_allowed",
        "cross_site_fetch",
        "token_missing",
        *["token_invalid"] * 2,
        *["ticket_missing"] * 2,
        "session_ended",
        "path_mismatch",
    ]


def test_a_token_beside_the_subprotocols(server: Server, cookie: str) -> None:
    """The same table there; in the URL the site takes none, and the way out is said."""
    url = f"http://localhost:{server.port}/carried/echo"
    words = [url, "--prefix", "/carried/wsguard", "--cookie", cookie]
    server.verdicts()
    code, said = run(Flask("nobody"), "probe", *words)
    assert (code, said.splitlines()[0]) == (
        2,
        "the site's own page  refused  403  preauth gave a token, so try --carrier subprotocol",
    )
    assert server.verdicts() == ["token_missing"]
    code, rows = probe(*words, "--carrier", "subprotocol")
    assert code == 0
    assert rows[: 1 + len(ATTACKS)] == [
        ("the site's own page", "open", 101),
        *((attack, "refused", 403) for attack in ATTACKS),
    ]
    assert server.verdicts()[21:] == [
        "token_missing",
        *["token_invalid"] * 2,
        *["ticket_missing"] * 2,
        "session_ended",
    ]
    words = [f"http://localhost:{server.port}/echo", "--cookie", cookie]
    code, said = run(Flask("nobody"), "probe", *words, "--carrier", "subprotocol")
    assert (code, "so try --carrier query\n" in said) == (2, True)


def test_an_unguarded_site_is_one_hole(server: Server, cookie: str) -> None:
    """The control: the same site without the extension lets every attack in."""
    url = f"ws://localhost:{server.port}/control/echo"
    code, rows = probe(url, "--prefix", "/control/wsguard", "--cookie", cookie)
    assert code == 1
    assert rows == [
        ("the site's own page", "open", 101),
        *((attack, "HOLE", 101) for attack in ATTACKS),
    ]


def test_a_replay_on_a_path_that_preauth_does_not_know_is_a_hole_where_it_opens(
    server: Server, cookie: str
) -> None:
    """A socket beside the guarded app takes the token for one of its own."""
    words = ["--cookie", cookie, "--other-path", "/control/echo"]
    code, rows = probe(f"http://localhost:{server.port}/echo", *words)
    assert (code, rows[29]) == (1, ("replay on another path", "HOLE", 101))


def test_a_public_socket_is_asked_for_its_origin_alone(server: Server) -> None:
    """No token is given and none is missed; any_origin is the hole that its mark says."""
    code, rows = probe(f"http://localhost:{server.port}/ticker")
    assert code == 0
    assert rows[1:] == [(attack, "refused", 403) for attack in ATTACKS[:21]]
    code, rows = probe(f"http://localhost:{server.port}/anyone")
    assert (code, rows[1]) == (1, ("Origin foreign", "HOLE", 101))


def test_nothing_is_proved_where_the_own_page_is_refused(server: Server) -> None:
    """Without a login, or where another thing answers no, every refusal would look good."""
    url = f"http://localhost:{server.port}/echo"
    assert probe(url) == (2, [("the site's own page", "refused", 401)])
    code, rows = probe(f"http://localhost:{server.port}/control/nowhere", "--prefix", "/x")
    assert (code, rows) == (2, [("the site's own page", "refused", 404)])
    code, said = run(Flask("nobody"), "probe", url)
    assert (code, said.splitlines()) == (
        2,
        [
            "the site's own page  refused  401  preauth says login_required",
            "the site's own page did not get in, so nothing is proved: log in, with --cookie or "
            "--login",
        ],
    )


def test_a_site_whose_preauth_is_elsewhere_says_what_to_add(cookie: str, server: Server) -> None:
    """Its own 404, without a reason of the guard's; the refusal alone would say nothing."""
    url = f"http://localhost:{server.port}/once/echo"
    code, said = run(Flask("nobody"), "probe", url, "--cookie", cookie, "--prefix", "/once/guard")
    assert (code, said.splitlines()[0]) == (
        2,
        "the site's own page  refused  403  no preauth at /once/guard: --prefix",
    )


def test_the_query_of_the_url_is_sent_along() -> None:
    """A site may ask for it; a token that stands in a URL that was copied is none of this visit."""

    def make(port: int) -> Flask:
        app = make_site()

        @app.before_request
        def ask_for_a_room() -> tuple[str, int] | None:
            room = request.path != "/echo" or request.args.get("room") == "7"
            return None if room else ("which room?", 400)

        return app

    with serving(make) as (url, cookie):
        code, said = run(Flask("nobody"), "probe", url, "--cookie", cookie)
        assert (code, said.splitlines()[0]) == (2, "the site's own page  refused  400")
        for query in ("room=7", "wsguard_token=spent&room=7&"):
            code, rows = probe(f"{url}?{query}", "--cookie", cookie)
            assert (code, rows[0][1:], len(rows)) == (0, ("open", 101), 33)


def test_probe_as_its_users_run_it(server: Server, cookie: str) -> None:
    """Through a command that logs in; the app need not load."""
    login = f"{sys.executable} -c \"print('{cookie}')\""
    url = f"http://localhost:{server.port}/echo"
    code, said = shell("probe", url, "--login", login)
    assert code == 0
    assert said.splitlines()[0] == "the site's own page            open     101"
    assert said.splitlines()[-1] == "32 attacks, 0 holes"


def test_a_login_that_fails_is_said() -> None:
    """No cookie, no probe, and no proof."""
    code, said = run(Flask("nobody"), "probe", "http://localhost:1/echo", "--login", "exit 3")
    assert code == 2
    assert "the login command printed no cookie" in said


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--login", "printf 'session=a\\nsession=b\\n'"], "--login"),
        (["--login", "printf 'session=\\377'"], "--login"),
        (["--cookie", "session=\u2026"], "--cookie"),
        (["--cookie", "session=a\r\nOrigin: http://localhost:1"], "--cookie"),
    ],
    ids=["two-lines", "no-text", "ellipsis", "a-header-more"],
)
def test_cookies_that_no_header_carries_are_a_usage_error(words: list[str], option: str) -> None:
    """Before anything is sent, and not with the exit status of a hole."""
    code, said = run(Flask("nobody"), "probe", "http://localhost:1/echo", *words)
    assert (code, f"{option} gives no Cookie header: one line" in said) == (2, True)


def test_a_preauth_that_cannot_be_asked_proves_nothing() -> None:
    """A prefix of letters that no request line carries."""
    with telling() as port:
        code, rows = probe(f"http://127.0.0.1:{port}/x", "--prefix", "/caf\u00e9")
    assert (code, rows) == (2, [("the site's own page", "not proved", 0)])


@pytest.mark.parametrize("url", ["https://example.org/echo", "http://10.0.0.1/", "ws://[::2]/"])
def test_only_this_machine_unless_it_is_yours(url: str) -> None:
    """Nothing is sent before somebody says so."""
    code, said = run(Flask("nobody"), "probe", url)
    assert code == 2
    assert "say --i-own-this-host" in said


def test_an_address_that_is_none_is_said() -> None:
    """A usage error; at a dead port nothing is proved."""
    for url in ["localhost:5000/echo", "http://[::1/echo"]:
        code, said = run(Flask("nobody"), "probe", url)
        assert (code, f"{url!r} is not http(s)://host[:port]/path" in said) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, said = run(Flask("nobody"), "probe", f"http://localhost:{port}/", "--i-own-this-host")
    assert code == 2
    assert f"the site's own page  not proved  -    http://localhost:{port}: " in said
    assert said.splitlines()[-1] == "the site's own page did not get in, so nothing is proved"


@pytest.mark.parametrize(
    ("host", "netloc", "family"),
    [("localhost", "localhost", socket.AF_INET), ("::1", "[::1]", socket.AF_INET6)],
    ids=["name", "ipv6"],
)
def test_behind_tls(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    netloc: str,
    family: socket.AddressFamily,
) -> None:
    """With a certificate of the machine's own CA; a server that opens everything is one hole."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with open_to_all(authority, host, family) as port:
        code, rows = probe(f"wss://{netloc}:{port}/echo")
    assert code == 1
    assert rows[0] == ("the site's own page", "open", 101)
    assert rows[1:] == [(attack, "HOLE", 101) for attack in ATTACKS]


def test_a_token_that_works_once(server: Server, cookie: str) -> None:
    """The replay that is a note elsewhere is refused with WSGUARD_SINGLE_USE."""
    url = f"http://localhost:{server.port}/once/echo"
    login = f"printf %s '{cookie}'"
    code, said = run(Flask("nobody"), "probe", url, "--prefix", "/once/wsguard", "--login", login)
    assert code == 0
    assert "replay at once                 refused  403\n" in said
    assert said.splitlines()[-1] == "32 attacks, 0 holes"


GONE = b"HTTP/1.1 404 No\r\nContent-Length: 2\r\nSet-Cookie: \x01\r\n\r\n[]"
OPENED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
CLOSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
AWAY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

# what a site without preauth answers, exit status, the rows, the last line
STOPS: list[tuple[str, list[bytes], int, list[tuple[str, str, int]], str]] = [
    (
        "at-once",
        [GONE, b""],
        2,
        [("the site's own page", "not proved", 0)],
        "the site's own page did not get in, so nothing is proved",
    ),
    (
        "after-a-hole",
        [GONE, OPENED, OPENED, b""],
        1,
        [
            ("the site's own page", "open", 101),
            ("Origin foreign", "HOLE", 101),
            ("Origin look-alike, suffix", "not proved", 0),
        ],
        "1 attack, 1 hole; the rest is not proved",
    ),
    (
        "by-503",
        [GONE, OPENED, CLOSED, CLOSED, AWAY],
        2,
        [
            ("the site's own page", "open", 101),
            ("Origin foreign", "refused", 403),
            ("Origin look-alike, suffix", "refused", 403),
            ("Origin look-alike, prefix", "not proved", 503),
        ],
        "2 attacks, 0 holes; the rest is not proved",
    ),
    (
        "by-locking-the-visitor-out",
        [GONE, OPENED, *[CLOSED] * 28],
        2,
        [
            ("the site's own page", "open", 101),
            *((attack, "refused", 403) for attack in ATTACKS),
            ("the site's own page, again", "not proved", 403),
        ],
        "27 attacks, 0 holes; the rest is not proved",
    ),
]


@pytest.mark.parametrize(
    ("told", "code", "rows", "last"), [row[1:] for row in STOPS], ids=[row[0] for row in STOPS]
)
def test_a_site_that_stops_answering_proves_no_more(
    told: list[bytes], code: int, rows: list[tuple[str, str, int]], last: str
) -> None:
    """What was seen before is told all the same, and a hole stays a hole."""
    with telling(*told) as port:
        assert probe(f"http://127.0.0.1:{port}/x") == (code, rows)
    with telling(*told) as port:
        _, said = run(Flask("nobody"), "probe", f"http://127.0.0.1:{port}/x")
    assert said.splitlines()[-1] == last


@pytest.mark.parametrize(
    ("retry_after", "says"),
    [
        ("99", "preauth says 429, to come back in 99 s"),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "preauth says 429"),
    ],
)
def test_a_limit_that_is_reached_at_once_is_said(retry_after: str, says: str) -> None:
    """No handshake is sent without a token, because its refusal would look like one."""
    limit = f"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nRetry-After: {retry_after}\r\n\r\n"
    with telling(limit.encode()) as port:
        code, said = run(Flask("nobody"), "probe", f"http://127.0.0.1:{port}/x")
    assert code == 2
    assert said.splitlines()[0] == f"the site's own page  refused  429  {says}"


def test_a_limit_on_preauth_is_waited_out_and_the_hole_behind_it_found() -> None:
    """Ten tickets a second are fewer than the attacks need; each wait is said."""
    with limited("10 per second", WSGUARD_ALLOW_MISSING_ORIGIN=True) as (url, cookie):
        code, said = run(Flask("nobody"), "probe", url, "--cookie", cookie)
    assert code == 1
    assert re.search(r"^preauth says to come back later: waiting [12] s$", said, re.MULTILINE)
    assert re.search(r"^Origin missing +HOLE +101$", said, re.MULTILINE)
    assert said.splitlines()[-1] == "32 attacks, 2 holes"


@pytest.mark.parametrize(
    ("limit", "code", "attack"),
    [
        ("10 per minute", 2, "Origin with a path"),
        ("30 per minute", 1, "preauth from a foreign origin"),
    ],
    ids=["before-the-hole", "behind-it"],
)
def test_a_limit_that_lasts_stops_the_proof(limit: str, code: int, attack: str) -> None:
    """Neither a handshake without a token nor a 429 of preauth counts as an attack refused."""
    with limited(limit, WSGUARD_ALLOW_MISSING_ORIGIN=True) as (url, cookie):
        status, rows = probe(url, "--cookie", cookie, "--wait", "0")
    assert (status, rows[-1]) == (code, (attack, "not proved", 429))
