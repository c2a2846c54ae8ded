"""Ticket and token: one spelling, one type, one key each; whatever is changed is refused."""

from __future__ import annotations

import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from flask_wsguard.core.tickets import (
    Keys,
    TicketTooLarge,
    bind,
    new_id,
    read_ticket,
    read_token,
    subject,
)

from .handshakes import FORGERS, KEYS, NOW, TICKET, TOKEN, ticket, token

LETTERS = string.ascii_letters + string.digits + "-_"
SITE_SECRET = "the site's own secret, thirty-two letters"


def trusted_token(text: str, keys: Keys = KEYS) -> bool:
    return keys.verifies_token(text) and read_token(text) is not None


def trusted_ticket(text: str, keys: Keys = KEYS) -> bool:
    return keys.verifies_ticket(text) and read_ticket(text) is not None


# Round trips.


def test_token_comes_back_whole() -> None:
    """Mint, verify, read."""
    text = KEYS.mint_token(TOKEN)
    assert KEYS.verifies_token(text)
    assert read_token(text) == TOKEN


def test_ticket_comes_back_whole() -> None:
    """Mint, verify, read."""
    text = KEYS.mint_ticket(TICKET)
    assert KEYS.verifies_ticket(text)
    assert read_ticket(text) == TICKET


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": "7"},
        {"user_id": "Jos\u00e9 \u2603 \U0001f600"},
        {"user_id": 'a"b\\c\n'},
        {"user_id": "\ud800"},
        {"scopes": frozenset()},
        {"scopes": frozenset({"a", "b c", "\u00fc", ""})},
        {"session": ""},
        {"user_id": "a" * 300},
        {"user_id": "abcdefg"},
        {"user_id": "aaW"},
    ],
    ids=[
        *("digits", "unicode", "quotes", "surrogate", "no-scopes", "scopes", "no-session", "long"),
        *("seven-letters", "base64-ends-in-X"),
    ],
)
def test_any_user_and_scopes_come_back_whole(changes: dict[str, Any]) -> None:
    """Ids and scopes are the site's own texts."""
    minted = TICKET._replace(**changes)
    text = KEYS.mint_ticket(minted)
    assert text.isascii()
    assert KEYS.verifies_ticket(text)
    assert read_ticket(text) == minted


def test_token_is_written_as_the_wire_says() -> None:
    """Type and version, the ticket's id, issued, expires, binding, signature."""
    parts = token().split(".")
    assert parts[:5] == [
        "t1",
        "alices-ticket-id-22-xx",
        "1799999990",
        "1800000020",
        TOKEN.binding,
    ]
    assert len(parts[5]) == 43
    assert len(token()) < 120


def test_ticket_is_written_as_the_wire_says() -> None:
    """Type and version, the fields, user and scopes in base64, signature."""
    parts = ticket().split(".")
    assert parts[:8] == [
        "k1",
        "alices-ticket-id-22-xx",
        "1799999990",
        "1800000020",
        TICKET.binding,
        TICKET.session,
        "YWxpY2U",
        "WyJjaGF0OnJlYWQiXQ",
    ]
    assert len(parts[8]) == 43
    assert ticket(scopes=frozenset(), session="").split(".")[5:8] == ["", "YWxpY2U", ""]


# Whatever is changed is refused.


@pytest.mark.parametrize("kind", ["token", "ticket"])
def test_every_single_letter_change_is_refused(kind: str) -> None:
    """Each of the letters, to each other one of the alphabet, and to a dot."""
    text, trusted = (token(), trusted_token) if kind == "token" else (ticket(), trusted_ticket)
    survivors = [
        (position, letter)
        for position, old in enumerate(text)
        for letter in LETTERS + ".="
        if letter != old and trusted(text[:position] + letter + text[position + 1 :])
    ]
    assert survivors == []


@pytest.mark.parametrize("kind", ["token", "ticket"])
def test_every_single_bit_change_is_refused(kind: str) -> None:
    """Each bit of each byte, also where the result is no text a browser would send."""
    text, trusted = (token(), trusted_token) if kind == "token" else (ticket(), trusted_ticket)
    survivors = [
        (position, bit)
        for position, old in enumerate(text)
        for bit in range(8)
        if trusted(text[:position] + chr(ord(old) ^ 1 << bit) + text[position + 1 :])
    ]
    assert survivors == []


@pytest.mark.parametrize("kind", ["token", "ticket"])
def test_every_cut_and_every_addition_is_refused(kind: str) -> None:
    """Shorter, longer, padded, quoted, in other case: there is one spelling."""
    text, trusted = (token(), trusted_token) if kind == "token" else (ticket(), trusted_ticket)
    assert trusted(text)
    others = [text[:end] for end in range(len(text))]
    others += [text[start:] for start in range(1, len(text))]
    others += [text + end for end in ("=", "==", "\n", " ", ".", "A", "\x00", "\xe9", "%3D")]
    others += [start + text for start in (" ", "\n", ".", '"', "\ufeff")]
    others += [f'"{text}"', text.upper(), text.lower(), text.replace(".", "..", 1), ""]
    assert [other for other in others if trusted(other)] == []


def test_spare_bits_of_the_signature_are_no_second_spelling() -> None:
    """43 letters carry two bits too many: a plain base64 decoder ignores them."""
    text = token()
    spellings = [text[:-1] + letter for letter in LETTERS]
    decoded = [urlsafe_b64decode(other.rpartition(".")[2] + "=") for other in spellings]
    assert decoded.count(decoded[spellings.index(text)]) == 4  # the control: it has four spellings
    assert [other for other in spellings if KEYS.verifies_token(other)] == [text]
    assert [other for other in spellings if trusted_token(other)] == [text]


def test_foreign_bytes_in_a_signature_are_no_second_spelling() -> None:
    """A plain base64 decoder skips what is no letter of it."""
    for text, trusted in ((token(), trusted_token), (ticket(), trusted_ticket)):
        for junk in ("!", " ", "\n", "*", "+", "/"):
            assert not trusted(f"{text[:-5]}{junk}{text[-5:]}")


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    """Hostile input is a refusal, never an exception."""
    for candidate in (
        text,
        f"t1.{text}",
        f"k1.{text}",
        f"k1.{text}.{'A' * 43}",
        token() + text[:9],
    ):
        if candidate != token():
            assert not trusted_token(candidate)
            assert not trusted_ticket(candidate)


@pytest.mark.parametrize("text", ["", "A", "caf\xe9.AAAA", "\ud800.AAAA", "a.A", "a.\xe9", "a."])
def test_what_cannot_be_a_signature_verifies_nothing(text: str) -> None:
    """Not only the strict reader stops it: no letters, one letter, letters of no alphabet."""
    assert not KEYS.verifies_token(text)
    assert not KEYS.verifies_ticket(text)


# Types, keys, versions.


def test_types_are_kept_apart() -> None:
    """A ticket is no token and a token no ticket, by form and by key."""
    assert not KEYS.verifies_token(ticket())
    assert read_token(ticket()) is None
    assert not KEYS.verifies_ticket(token())
    assert read_ticket(token()) is None


def test_signature_of_one_type_is_none_of_the_other() -> None:
    """Even the same bytes, signed as the other type, do not verify."""
    body = token().rpartition(".")[0]
    as_ticket = KEYS._tickets.sign(body).decode()
    assert read_token(as_ticket) == TOKEN
    assert KEYS.verifies_ticket(as_ticket)
    assert not KEYS.verifies_token(as_ticket)


def test_foreign_keys_do_not_verify() -> None:
    """What another site, or an attacker, signed is nothing here."""
    assert not KEYS.verifies_token(token(FORGERS))
    assert not KEYS.verifies_ticket(ticket(FORGERS))


def test_site_cookies_signed_with_the_same_secret_do_not_verify() -> None:
    """The site signs other things with its secret: their salts are not ours."""
    body = token().rpartition(".")[0]
    for salt in ("cookie-session", "itsdangerous", "flask-wsguard.session", ""):
        signed = Signer(SITE_SECRET, salt=salt).sign(body).decode()
        assert not KEYS.verifies_token(signed)


def test_newest_key_signs_and_all_verify() -> None:
    """A rolling change of the secret refuses nobody who held a ticket."""
    old, new = Keys(["old secret"]), Keys(["new secret"])
    both = Keys(["new secret", "old secret"])
    assert both.mint_token(TOKEN) == new.mint_token(TOKEN)
    assert both.mint_ticket(TICKET) == new.mint_ticket(TICKET)
    for keys in (old, new):
        assert both.verifies_token(keys.mint_token(TOKEN))
        assert both.verifies_ticket(keys.mint_ticket(TICKET))
    assert not old.verifies_token(new.mint_token(TOKEN))
    assert not new.verifies_ticket(old.mint_ticket(TICKET))


def test_keys_may_be_bytes() -> None:
    """Flask takes both, and so do we; the same letters are the same key."""
    assert Keys([b"secret"]).verifies_token(Keys(["secret"]).mint_token(TOKEN))


@pytest.mark.parametrize("secrets", [[], [""], ["good", ""], [b""]])
def test_empty_key_is_an_error(secrets: list[Any]) -> None:
    """An empty secret signs for everybody."""
    with pytest.raises(ValueError, match="a secret key is empty"):
        Keys(secrets)


def signed_ticket(
    fields: str = f"{{id}}.{NOW}.{NOW}.{{id}}.{{id}}", user: bytes = b"alice", scopes: bytes = b""
) -> str:
    """Sign what the site never would: ``fields`` are those in front of user and scopes."""
    head = fields.format(id="A" * 22)
    body = f"{head}.{in_base64(user)}.{in_base64(scopes)}"
    return sign(f"k1.{body}")


def sign(body: str) -> str:
    return str(KEYS._tickets.sign(body).decode())


def in_base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


STRANGE_FIELDS = {
    "too-few": "{id}.1.2.{id}",
    "too-many": "{id}.1.2.{id}.{id}.{id}",
    "id-short": "A.1.2.{id}.{id}",
    "id-empty": ".1.2.{id}.{id}",
    "binding-empty": "{id}.1.2..{id}",
    "session-short": "{id}.1.2.{id}.A",
    "time-zero": "{id}.0.2.{id}.{id}",
    "time-padded": "{id}.01.2.{id}.{id}",
    "time-negative": "{id}.1.-2.{id}.{id}",
    "time-float": "{id}.1.5.2.{id}.{id}",
    "time-exponent": "{id}.1e3.2.{id}.{id}",
    "time-long": "{id}.1.1000000000000.{id}.{id}",
    "time-in-arabic": "{id}.\u0661.2.{id}.{id}",
}
STRANGE_SCOPES = {
    "object": b'{"a":1}',
    "text": b'"admin"',
    "null": b"null",
    "number": b"7",
    "of-numbers": b"[1]",
    "nested": b'[["a"]]',
    "not-json": b"[",
    "not-utf-8": b"\xff\xfe\xfd",
    "deep": b"[" * 700,
}


@pytest.mark.parametrize("fields", STRANGE_FIELDS.values(), ids=STRANGE_FIELDS)
def test_signed_ticket_of_another_form_is_refused(fields: str) -> None:
    """Any surprise while parsing is a refusal, even under a good signature."""
    assert read_ticket(signed_ticket()) is not None
    assert read_ticket(signed_ticket(fields)) is None


@pytest.mark.parametrize("scopes", STRANGE_SCOPES.values(), ids=STRANGE_SCOPES)
def test_signed_scopes_of_another_shape_are_refused(scopes: bytes) -> None:
    """A list of str, or nothing at all."""
    assert read_ticket(signed_ticket(scopes=b'["a"]')) is not None
    assert read_ticket(signed_ticket(scopes=scopes)) is None


def test_signed_user_id_that_is_no_text_is_refused() -> None:
    """UTF-8 only, and no length that base64 cannot have."""
    assert read_ticket(signed_ticket(user=b"\xff\xfe")) is None
    assert read_ticket(sign(f"k1.{'A' * 22}.1.2.{'A' * 22}.{'A' * 22}.YWxpY.")) is None


@pytest.mark.parametrize("version", ["k2", "k0", "K1", "t1", "k", ""])
def test_other_versions_are_refused(version: str) -> None:
    """A payload carries its version, and this one is the first."""
    assert read_ticket(ticket()) is not None
    assert read_ticket(sign(f"{version}.{ticket().rpartition('.')[0][3:]}")) is None
    assert read_token("t2" + token()[2:]) is None


@pytest.mark.parametrize(
    "body",
    [
        "t1.{id}.1.2.{id}",
        "t1.{id}.999999999999.999999999999.{id}",
    ],
)
def test_token_of_any_time_parses(body: str) -> None:
    """Digits without leading zero, at most twelve."""
    assert read_token(body.format(id="A" * 22) + "." + "A" * 43) is not None


@pytest.mark.parametrize(
    "body",
    [
        "t1.{id}.0.2.{id}",
        "t1.{id}.01.2.{id}",
        "t1.{id}.-1.2.{id}",
        "t1.{id}.1.5.2.{id}",
        "t1.{id}.1e3.2.{id}",
        "t1.{id}.1_0.2.{id}",
        "t1.{id}. 1.2.{id}",
        "t1.{id}.\u0661.2.{id}",
        "t1.{id}.1000000000000.2.{id}",
        "t1.{id}A.1.2.{id}",
        "t1.{id}.1.2.{id}A",
        "t1.../../etc/passwd.1.2.{id}",
        "t1..1.2.{id}",
    ],
)
def test_token_of_another_form_is_refused(body: str) -> None:
    """Strictly parsed, so that nothing downstream meets a surprise."""
    assert read_token(body.format(id="A" * 22) + "." + "A" * 43) is None


# Limits.


def test_ticket_at_the_limit_and_one_over() -> None:
    """1,024 bytes pass; beyond, the developer is told who, how many, and what to do."""
    # Three letters more are four bytes more, so the last length that fits comes close.
    sizes = {}
    for length in range(300, 700):
        minted = TICKET._replace(user_id="u" * length)
        try:
            text = KEYS.mint_ticket(minted)
        except TicketTooLarge:
            break
        assert KEYS.verifies_ticket(text)
        sizes[length] = len(text)
    assert 1020 < max(sizes.values()) <= 1024
    with pytest.raises(TicketTooLarge) as caught:
        KEYS.mint_ticket(TICKET._replace(user_id="u" * (max(sizes) + 1)))
    assert "with 1 scopes takes" in str(caught.value)
    assert "the limit is 1024: let scopes_loader return fewer or shorter" in str(caught.value)


def test_longer_ticket_is_refused_unread() -> None:
    """Nobody makes us hash or parse 8 KB."""
    text = signed_ticket(user=b"u" * 900)
    assert len(text) > 1024
    assert not KEYS.verifies_ticket(text)
    assert read_ticket(text) is None


def test_ids_are_128_random_bits() -> None:
    """22 letters, none like another."""
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(id_) for id_ in ids} == {22}


# What ties a ticket to host and path, user and session.


def test_binding_tells_hosts_and_paths_apart() -> None:
    """A digest of both, byte for byte."""
    pairs = [
        ("example.org", "/echo"), ("example.org", "/echo/"), ("example.org", "/Echo"),
        ("example.org", "/ech%6F"), ("example.org:444", "/echo"), ("example.com", "/echo"),
        ("example.org", "/caf\xc3\xa9"), ("example.org", "/caf\xe9"), ("", ""), ("example.org", ""),
    ]  # fmt: skip
    assert len({bind(*pair) for pair in pairs}) == len(pairs)
    # SHA-256 of "example.org\n/echo", cut to 128 bits.
    assert bind("example.org", "/echo") == "gWxl9hCEV92OT-4cDYOrHg"
    assert len(bind("example.org", "/" + "x" * 8000)) == 22


def test_subject_tells_users_and_hosts_apart() -> None:
    """Stable, opaque, and no key in it."""
    pairs = [("example.org", "alice"), ("example.org", "bob"), ("example.com", "alice"),
             ("example.org\nalice", "")]  # fmt: skip
    assert len({subject(*pair) for pair in pairs}) == 4
    assert len(subject("example.org", "alice")) == 22


def test_fingerprint_tells_users_and_sessions_apart() -> None:
    """With nonce, without, and with an empty one are three; no two pairs run together."""
    pairs = [("alice", "n"), ("alice", None), ("alice", ""), ("bob", "n"), ("bob", None),
             ("alic", "en"), ("alice\nn", None), ("alice", "\ud800"), ("\ud800", "n")]  # fmt: skip
    assert len({KEYS.fingerprint(*pair) for pair in pairs}) == len(pairs)
    assert FORGERS.fingerprint("alice", "n") != KEYS.fingerprint("alice", "n")


def test_fingerprint_is_compared_under_every_accepted_key() -> None:
    """Tickets of the old key must match the session on the new server."""
    old, both = Keys(["old secret"]), Keys(["new secret", "old secret"])
    fingerprint = old.fingerprint("alice", "n")
    assert both.same_session(fingerprint, "alice", "n")
    assert not both.same_session(fingerprint, "alice", "m")
    assert not both.same_session(fingerprint, "bob", "n")
    assert not both.same_session(fingerprint, "alice", None)
    assert not Keys(["new secret"]).same_session(fingerprint, "alice", "n")


def test_odd_fingerprint_does_not_raise() -> None:
    """``compare_digest`` raises on text that is not ASCII; this never reaches it as such."""
    assert not KEYS.same_session("\xe9", "alice", "n")
    assert not KEYS.same_session("", "alice", None)
