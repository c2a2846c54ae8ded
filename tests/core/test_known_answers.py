"""The wire, byte for byte: two releases side by side must accept each other's tickets."""

from __future__ import annotations

import pytest

from flask_wsguard.core.notices import Notice, read_notice, write_notice
from flask_wsguard.core.tickets import Keys, Ticket, Token, bind, subject

SECRET = "the first secret of this test"
BINDING = "gWxl9hCEV92OT-4cDYOrHg"
TOKEN_TEXT = (
    "t1.alices-ticket-id-22-xx.1799999990.1800000020.gWxl9hCEV92OT-4cDYOrHg."
    "Gobl8OSFUPex1ry8ZdJuBfHoHvyzZzpsVfm7vPPFAVs"
)
TICKET_TEXT = (
    "k1.alices-ticket-id-22-xx.1799999990.1800000020.gWxl9hCEV92OT-4cDYOrHg.zykda79Ol"
    "cQFYFuRaeAu5g.YWxpY2U.WyJjaGF0OnJlYWQiLCJjaGF0OndyaXRlIl0.xSYk6E-1meoYRKeSK9Ib6V"
    "NA5KAp_G7jOJR3uWvTRPk"
)


@pytest.fixture
def keys() -> Keys:
    """Derive anew in each test: keys made at import would hide a changed derivation."""
    return Keys([SECRET])


NOTICE = Notice("notice-id", 1800000000.5, 4401, "why", "e", "u", "s", "t")
NOTICE_TEXT = (
    '["n1", "notice-id", 1800000000.5, 4401, "why", "e", "u", "s", "t"].'
    "lFcvtwcD3bPVmRVe6-P5kEe_oDrlUsUBp9ksxeHflO4"
)


def test_token_bytes(keys: Keys) -> None:
    """Key derivation, salt, digest and spelling of a token are what they were."""
    token = Token("alices-ticket-id-22-xx", BINDING, 1799999990, 1800000020)
    assert keys.mint_token(token) == TOKEN_TEXT
    assert keys.verifies_token(TOKEN_TEXT)


def test_ticket_bytes(keys: Keys) -> None:
    """Key derivation, salt, digest and spelling of a ticket are what they were."""
    ticket = Ticket(
        "alices-ticket-id-22-xx",
        "alice",
        frozenset({"chat:write", "chat:read"}),
        BINDING,
        "zykda79OlcQFYFuRaeAu5g",
        1799999990,
        1800000020,
    )
    assert keys.mint_ticket(ticket) == TICKET_TEXT
    assert keys.verifies_ticket(TICKET_TEXT)


def test_digests(keys: Keys) -> None:
    """Bindings, subjects, fingerprints and pseudonyms are what they were."""
    assert bind("example.org", "/echo") == BINDING
    assert bind("example.org", "/\udcff") == "iDHjgYqgR7T15VeWRndRKw"
    assert subject("example.org", "alice") == "Wh_DlGoZRF6GrmAnplubQA"
    assert keys.fingerprint("alice", "a nonce") == "zykda79OlcQFYFuRaeAu5g"
    assert keys.fingerprint("alice", None) == "bbukXc2Uos0LGoLj1YA-VQ"
    assert keys.fingerprint("\ud800", "\ud800") == "X6kIEk3wqu56ETTRHmVBOw"
    assert keys.pseudonym("alice") == "UVVwwz5A4SPeniCR9Mre_g"


def test_notice_bytes(keys: Keys) -> None:
    """What processes tell each other is what it was, and comes back whole."""
    assert write_notice(NOTICE, keys) == NOTICE_TEXT
    assert read_notice(NOTICE_TEXT, keys) == NOTICE


def test_fingerprints_are_of_every_key_the_newest_first() -> None:
    """A notice about a session reaches tickets that an older key signed."""
    both = Keys(["newer", SECRET])
    assert both.fingerprints("alice", "a nonce")[1:] == ["zykda79OlcQFYFuRaeAu5g"]
    assert both.fingerprints("alice", None)[1:] == ["bbukXc2Uos0LGoLj1YA-VQ"]
    assert both.fingerprints("alice", None)[0] == both.fingerprint("alice", None)
    assert both.is_pseudonym("UVVwwz5A4SPeniCR9Mre_g", "alice")
    assert not both.is_pseudonym("UVVwwz5A4SPeniCR9Mre_g", "bob")
    assert not both.is_pseudonym("bbukXc2Uos0LGoLj1YA-VQ", "alice")


@pytest.mark.parametrize(
    "payload",
    [
        '["n2", "id", 1, 4401, "", "", "", "", ""]',
        '["n1", "id", 1, true, "", "", "", "", ""]',
        '["n1", "id", true, 4401, "", "", "", "", ""]',
        '["n1", "id", NaN, 4401, "", "", "", "", ""]',
        '["n1", "id", Infinity, 4401, "", "", "", "", ""]',
        '["n1", "id", 1, 4401.0, "", "", "", "", ""]',
        '["n1", 1, 1, 4401, "", "", "", "", ""]',
        '["n1", "id", 1, 4401, "", "", "", ""]',
        '{"n1": 1}',
        "[" * 900,
        "not JSON",
        "",
    ],
)
def test_signed_notice_of_another_form_is_none(keys: Keys, payload: str) -> None:
    """Also what this site signed is read strictly."""
    assert read_notice(keys.sign_notice(payload), keys) is None


def test_notice_of_a_whole_second_is_one(keys: Keys) -> None:
    """Other languages write 1 for 1.0."""
    text = keys.sign_notice('["n1", "id", 1, 0, "", "", "", "", ""]')
    assert read_notice(text, keys) == Notice("id", 1.0)


def test_longest_notice(keys: Keys) -> None:
    """2,048 bytes are read, one more is not."""
    spare = 2048 - len(keys.sign_notice('["n1", "id", 1, 0, "", "", "", "", ""]'))
    longest = keys.sign_notice(f'["n1", "id", 1, 0, "{"x" * spare}", "", "", "", ""]')
    assert len(longest) == 2048
    assert read_notice(longest, keys) is not None
    longer = keys.sign_notice(f'["n1", "id", 1, 0, "{"x" * spare}x", "", "", "", ""]')
    assert read_notice(longer, keys) is None


@pytest.mark.parametrize("text", ["", "x", "\ud800", "\xff.x", NOTICE_TEXT[:-1], TOKEN_TEXT])
def test_foreign_notice_is_none(keys: Keys, text: str) -> None:
    """Whoever can write to the store cannot speak for the site."""
    assert keys.open_notice(text) is None
    assert read_notice(text, keys) is None


def test_every_digest_has_22_letters() -> None:
    """Whatever letter it ends in, none is lost."""
    digests = [bind("example.org", f"/{number}") for number in range(500)]
    assert {len(digest) for digest in digests} == {22}
    assert len({digest[-1] for digest in digests}) == 4


def test_empty_secret_is_said_so() -> None:
    """The message is what a ConfigError repeats."""
    with pytest.raises(ValueError, match=r"^a secret key is empty$"):
        Keys(["good", ""])
