"""A token among the subprotocols: found wherever the library would see a name, then gone."""

from __future__ import annotations

import pytest

from flask_wsguard.core.carriers import offering, tokens_offered, without_tokens

# offer, tokens in it, what is left of it
OFFERS: list[tuple[str, str, tuple[str, ...], str]] = [
    ("nothing", "", (), ""),
    ("no-token", "chat,superchat", (), "chat,superchat"),
    ("alone", "wsguard.token.t1.a.b", ("t1.a.b",), ""),
    ("as-the-client-sends-it", "wsguard, wsguard.token.T", ("T",), "wsguard"),
    ("beside-the-sites-own", "chat, v2.chat, wsguard.token.T", ("T",), "chat, v2.chat"),
    ("in-front", "wsguard.token.T,chat", ("T",), "chat"),
    ("two", "wsguard.token.T, wsguard.token.U", ("T", "U"), ""),
    ("twice-the-same", "wsguard.token.T, chat, wsguard.token.T", ("T", "T"), "chat"),
    ("empty", "chat, wsguard.token.", ("",), "chat"),
    ("tab", "chat,\twsguard.token.T\t", ("T",), "chat"),
    ("any-letter-at-its-end", "wsguard.token.XX", ("XX",), ""),
    ("file-separator", "chat,\x1cwsguard.token.T", ("\x1cwsguard.token.T",), "chat"),
    ("separator-behind", "wsguard.token.T\x1e, chat", ("T\x1e",), "chat"),
    ("not-at-the-start", "xwsguard.token.T", (), "xwsguard.token.T"),
    ("another-case", "WSGuard.Token.T", (), "WSGuard.Token.T"),
    ("not-ascii", "wsguard.token.\xfc", ("\xfc",), ""),
]


@pytest.mark.parametrize(
    ("offer", "tokens", "rest"), [row[1:] for row in OFFERS], ids=[row[0] for row in OFFERS]
)
def test_tokens_are_found_and_taken_out(offer: str, tokens: tuple[str, ...], rest: str) -> None:
    """Every one of them, and nothing else; beside foreign white space it is none that is good."""
    assert tokens_offered(offer) == tokens
    assert without_tokens(offer) == rest


@pytest.mark.parametrize("offer", [row[1] for row in OFFERS], ids=[row[0] for row in OFFERS])
def test_what_is_left_offers_no_token_to_the_library(offer: str) -> None:
    """As wsproto takes a header apart: nobody behind the guard can choose the token."""
    names = [
        piece.decode("latin-1").strip()
        for piece in without_tokens(offer).encode("latin-1").split(b",")
    ]
    assert not [name for name in names if name.startswith("wsguard.token.")]


@pytest.mark.parametrize(
    ("own", "tokens", "offer"),
    [
        ([], ["T"], ["wsguard", "wsguard.token.T"]),
        (["chat", "v2.chat"], ["T"], ["chat", "v2.chat", "wsguard.token.T"]),
        ([], ["T", "U"], ["wsguard", "wsguard.token.T", "wsguard.token.U"]),
        (["chat"], [], ["chat"]),
    ],
    ids=["ours", "its-own", "two", "none"],
)
def test_a_client_offers_what_the_site_may_choose_and_then_the_token(
    own: list[str], tokens: list[str], offer: list[str]
) -> None:
    """Ours stands in where the client has no protocol: a browser wants one to be chosen."""
    assert offering(iter(own), *tokens) == offer
