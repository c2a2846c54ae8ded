"""``flask wsguard probe``: what is a hole, what the site wants so, and what proves nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask

from tests.ops.commands import run
from tests.ops.probing import probe, serving, telling
from tests.sites import make_site

pytestmark = pytest.mark.slow

NONE = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
OPENED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
REPLAY = "replay on another path"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, str]]:
    """Serve the tests' site; the URL of /echo, and alice's session."""
    with serving(lambda port: make_site()) as served:
        yield served


# the other path, exit status, verdict, status, what is said
OTHERS: list[tuple[str, int, str, int, str]] = [
    ("/any", 0, "refused", 403, ""),
    ("/ticker", 0, "note", 200, "  /ticker is public: there is nothing to replay"),
    ("/forgotten", 0, "refused", 403, ""),
    (
        "/nosuch",
        2,
        "not proved",
        404,
        "  is a socket at /nosuch? preauth says unknown_path",
    ),
    ("/a b", 2, "not proved", 400, "  is a socket at /a b? preauth says unknown_path"),
]


@pytest.mark.parametrize(
    ("path", "code", "verdict", "status", "what"), OTHERS, ids=[row[0] for row in OTHERS]
)
def test_only_the_guards_own_refusal_of_a_replay_counts(
    served: tuple[str, str], path: str, code: int, verdict: str, status: int, what: str
) -> None:
    """Neither that no token is wanted there, nor that nothing is there, is told as an attack."""
    url, cookie = served
    words = ["probe", url, "--cookie", cookie, "--other-path", path]
    found, said = run(Flask("nobody"), *words)
    rows = [line for line in said.splitlines() if line.startswith(REPLAY)]
    kinds = max(len("refused"), len(verdict))
    assert (found, rows) == (code, [f"{REPLAY:<29}  {verdict:<{kinds}}  {status}{what}"])
    counted = "32 attacks, 0 holes; 1 not proved" if code else "33 attacks, 0 holes"
    assert said.splitlines()[-1] == counted


@pytest.mark.parametrize("path", ["/echo", "/%65cho", "/echo?room=7"])
def test_the_same_path_is_no_other_path(served: tuple[str, str], path: str) -> None:
    """There the token is good, and would look like a hole."""
    code, said = run(Flask("nobody"), "probe", served[0], "--other-path", path)
    assert (code, "is the socket that is probed: name another" in said) == (2, True)


@pytest.mark.parametrize("option", ["--other-path", "--prefix"])
def test_a_path_without_a_slash_is_a_usage_error(served: tuple[str, str], option: str) -> None:
    """A server answers it with a 400 that is no refusal of an attack."""
    code, said = run(Flask("nobody"), "probe", served[0], option, "any")
    assert (code, "a path begins with a slash: /any" in said) == (2, True)


# what of the list is said, status and verdict of the sibling's row, what is said there, exit status
LISTED: list[tuple[list[str], str, str, int]] = [
    ([], "HOLE", "http://sibling.localhost:{port}", 1),
    (["https://partner.example"], "HOLE", "http://sibling.localhost:{port}", 1),
    (
        ["https://partner.example", "http://*.localhost:{port}"],
        "note",
        "http://sibling.localhost:{port} is let in by --allowed",
        0,
    ),
    (
        ["http://sibling.localhost:{port}"],
        "note",
        "http://sibling.localhost:{port} is let in by --allowed",
        0,
    ),
]


@pytest.mark.parametrize(("allowed", "verdict", "what", "code"), LISTED)
def test_an_origin_that_the_site_lists_is_no_hole(
    allowed: list[str], verdict: str, what: str, code: int
) -> None:
    """The row of a hole says which origin got in, for it may be one of the list."""

    def make(port: int) -> Flask:
        return make_site(WSGUARD_ALLOWED_ORIGINS=["self", f"http://*.localhost:{port}"])

    with serving(make) as (url, cookie):
        port = urlsplit(url).port
        words = [word.format(port=port) for entry in allowed for word in ("--allowed", entry)]
        found, said = run(Flask("nobody"), "probe", url, "--cookie", cookie, "--json", *words)
    (row,) = [one for one in json.loads(said) if one["attack"] == "Origin sibling"]
    assert row == {
        "attack": "Origin sibling",
        "verdict": verdict,
        "status": 101,
        "what": what.format(port=port),
    }
    assert found == code
    assert {one["verdict"] for one in json.loads(said)} == {"open", "refused", "note", verdict}


def test_what_is_allowed_is_still_refused_where_more_is_wrong_than_its_origin() -> None:
    """Two Origins are nobody's, and fetch metadata betrays a foreign page: both stay holes."""
    allowed = ["--allowed", "https://evil.example"]
    told = [NONE, *[OPENED] * 23, b""]
    with telling(*told) as port:
        own = f"http://127.0.0.1:{port}"
        code, rows = probe(f"{own}/x", *allowed, "--allowed", own)
    verdicts = {attack: verdict for attack, verdict, _ in rows}
    assert code == 1
    assert verdicts["Origin foreign"] == "note"
    assert verdicts["two Origin headers"] == "HOLE"
    assert verdicts["cross-site by fetch metadata"] == "HOLE"


def test_what_no_list_may_hold_is_a_usage_error(served: tuple[str, str]) -> None:
    """In the sentence of the setting."""
    code, said = run(Flask("nobody"), "probe", served[0], "--allowed", "sibling.localhost")
    assert code == 2
    assert "--allowed: 'sibling.localhost' has no scheme: write https://sibling.localhost" in said
