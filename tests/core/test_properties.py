"""What must hold of every origin, ticket, token and preauth body, not only of the tables' rows."""

from __future__ import annotations

import json
import string
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from flask_wsguard.core.origins import Origin, OriginPolicy
from flask_wsguard.core.preauth import read_body
from flask_wsguard.core.refusals import Refused
from flask_wsguard.core.tickets import Keys, Ticket, Token, bind, read_ticket, read_token

KEYS = Keys(["a secret of this test"])

# Origins. Few labels, so that equal and nearly equal hosts come up often.

LABELS = st.sampled_from(["example", "evil", "evilexample", "org", "net", "a", "xn--bcher-kva"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
SCHEMES = st.sampled_from(["http", "https"])
PORTS = st.sampled_from([None, 80, 443, 8443])
PARTS = st.tuples(SCHEMES, HOSTS, PORTS)
DEFAULT = {"http": 80, "https": 443}


def written(scheme: str, host: str, port: int | None) -> str:
    return f"{scheme}://{host}" + (f":{port}" if port else "")


def same_place(one: tuple[str, str, int | None], other: tuple[str, str, int | None]) -> bool:
    """Compare schemes and ports, the default port being the one left out."""
    return one[0] == other[0] and (one[2] or DEFAULT[one[0]]) == (other[2] or DEFAULT[other[0]])


@given(PARTS, PARTS)
def test_exact_entry_allows_its_scheme_host_and_port_and_no_other(
    entry: tuple[str, str, int | None], page: tuple[str, str, int | None]
) -> None:
    """Both ways round: what it allows is the same, and the same is allowed."""
    origin = Origin.parse(written(*page))
    assert origin
    allowed = OriginPolicy((written(*entry),)).rule_for(origin, None) is not None
    assert allowed == (same_place(entry, page) and entry[1] == page[1])


@given(PARTS.filter(lambda parts: "." in parts[1]), PARTS)
@example(("https", "example.org", None), ("https", "evilexample.org", None))
@example(("https", "example.org", None), ("https", "a.example.org", 443))
def test_wildcard_allows_whole_labels_below_it_and_no_other(
    entry: tuple[str, str, int | None], page: tuple[str, str, int | None]
) -> None:
    """One label or more in front, never a part of one, never none."""
    scheme, host, port = entry
    origin = Origin.parse(written(*page))
    assert origin
    allowed = OriginPolicy((written(scheme, f"*.{host}", port),)).rule_for(origin, None) is not None
    above, own = page[1].split("."), host.split(".")
    below = len(above) > len(own) and above[-len(own) :] == own
    assert allowed == (same_place(entry, page) and below)


NEAR = st.builds(
    lambda text, at, letter, cut: text[: at % len(text)] + letter + text[at % len(text) + cut :],
    st.sampled_from(["https://example.org", "https://example.org:443", "https://EXAMPLE.ORG"]),
    st.integers(0, 30),
    st.one_of(st.sampled_from(["", ".", ":", "/", "@", "\\", "?", "#", "%", "0"]), st.characters()),
    st.integers(0, 2),
)


@given(NEAR)
def test_nothing_near_an_allowed_origin_is_one(text: str) -> None:
    """A letter put in, left out or changed: only the browser's own spelling stands for it.

    Letters of another case and the default port are the same origin; no browser sends them.
    """
    origin = Origin.parse(text)
    allowed = origin and OriginPolicy(("https://example.org",)).rule_for(origin, None)
    assert bool(allowed) == (text.isascii() and text.lower() in SPELLINGS)


SPELLINGS = {"https://example.org", "https://example.org:443"}

ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.ip_addresses(v=6).map(lambda address: f"[{address.exploded.upper()}]"),
    HOSTS,
    HOSTS.map(str.upper),
)


@given(SCHEMES, ADDRESSES, PORTS)
def test_canonical_form_is_its_own(scheme: str, host: str, port: int | None) -> None:
    """To canonicalise twice is to canonicalise once, and what is written is read again."""
    origin = Origin.parse(written(scheme, host, port))
    assert origin
    assert Origin.parse(str(origin)) == origin
    assert str(Origin.parse(str(origin))) == str(origin) == str(origin).lower()
    assert origin.port == (port or DEFAULT[scheme])


# Tickets and tokens.

IDS = st.text(string.ascii_letters + string.digits + "-_", min_size=22, max_size=22)
SECONDS = st.integers(1, 10**12 - 1)
TOKENS = st.builds(Token, IDS, IDS, SECONDS, SECONDS)
TICKETS = st.builds(
    Ticket,
    id=IDS,
    user_id=st.text(st.characters(), max_size=40),
    scopes=st.frozensets(st.text(st.characters(), max_size=12), max_size=4),
    binding=IDS,
    session=st.one_of(st.just(""), IDS),
    issued_at=SECONDS,
    expires_at=SECONDS,
)


@given(TOKENS)
def test_any_token_comes_back_whole(token: Token) -> None:
    """And is no ticket, by form and by key."""
    text = KEYS.mint_token(token)
    assert KEYS.verifies_token(text)
    assert read_token(text) == token
    assert read_ticket(text) is None
    assert not KEYS.verifies_ticket(text)


@given(TICKETS)
def test_any_ticket_comes_back_whole(ticket: Ticket) -> None:
    """And is no token, by form and by key."""
    text = KEYS.mint_ticket(ticket)
    assert KEYS.verifies_ticket(text)
    assert read_ticket(text) == ticket
    assert read_token(text) is None
    assert not KEYS.verifies_token(text)


@given(TICKETS, TOKENS, st.integers(0, 2**16), st.integers(0, 7))
def test_any_single_bit_that_changes_is_seen(
    ticket: Ticket, token: Token, place: int, bit: int
) -> None:
    """In whatever ticket or token, in whatever byte, whichever bit of it."""
    for text, verifies, read in (
        (KEYS.mint_ticket(ticket), KEYS.verifies_ticket, read_ticket),
        (KEYS.mint_token(token), KEYS.verifies_token, read_token),
    ):
        at = place % len(text)
        changed = text[:at] + chr(ord(text[at]) ^ 1 << bit) + text[at + 1 :]
        assert not (verifies(changed) and read(changed))


@given(HOSTS, st.text(max_size=20), HOSTS, st.text(max_size=20))
def test_binding_is_of_one_host_and_one_path(
    host: str, path: str, other_host: str, other_path: str
) -> None:
    """A line feed stands between them, and no host holds one."""
    same = (host, path) == (other_host, other_path)
    assert (bind(host, path) == bind(other_host, other_path)) == same


# Preauth bodies.

PATHS = st.one_of(st.text(st.characters(), max_size=8), st.text(max_size=8).map(lambda t: f"/{t}"))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), PATHS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["path", "Path", "x", ""]), inner, max_size=3),
    ),
    max_leaves=8,
)


def is_text(value: str) -> bool:
    """Tell whether no lone surrogate is in it."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


@given(VALUES, st.booleans())
@example({"path": "/a"}, True)
@example({"path": "/\ud800"}, True)
@example({"path": ["/a"]}, False)
def test_body_is_read_when_it_is_an_object_with_a_path(value: Any, ascii_only: bool) -> None:
    """Whatever else the object holds, and however it is spelt; and nothing else is read."""
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    path = value.get("path") if isinstance(value, dict) else None
    good = isinstance(path, str) and path.startswith("/") and is_text(path)
    if not ascii_only and not is_text(json.dumps(value, ensure_ascii=False)):
        good = False
    outcome = read_body(body)
    assert outcome == path if good else isinstance(outcome, Refused)


@given(st.lists(st.tuples(st.sampled_from(["path", "x", "y"]), PATHS), min_size=2, max_size=4))
def test_object_that_holds_a_key_twice_is_not_read(pairs: list[tuple[str, str]]) -> None:
    """Two readers of it would not agree on the path."""
    text = ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs)
    if len({key for key, _ in pairs}) < len(pairs):
        assert isinstance(read_body(f"{{{text}}}".encode()), Refused)
