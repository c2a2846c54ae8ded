"""The token beside the subprotocols, on every server: it goes in, and never comes back out."""

from __future__ import annotations

import pytest

from tests.wire import Answer, Browser, Wire

from .conftest import Server

pytestmark = pytest.mark.slow

PROTOCOL = b"Sec-WebSocket-Protocol"


def knock(browser: Browser, *offers: str, query: bytes = b"") -> tuple[Wire, Answer]:
    """Send a handshake with one header for each offer."""
    attempt = browser.attempt("/carried/echo")
    attempt.query = query
    for offer in offers:
        attempt.add(PROTOCOL, offer.encode())
    wire = browser.send(attempt)
    return wire, wire.answer()


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        (["wsguard, wsguard.token.{}"], "wsguard"),
        (["chat, wsguard.token.{}"], "chat"),
        (["wsguard.token.{}, chat"], "chat"),
        (["chat", "wsguard.token.{}"], "chat"),
        (["wsguard.token.{}"], None),
        (["unknown, wsguard.token.{}"], None),
    ],
    ids=["own", "the-sites", "token-first", "two-headers", "token-alone", "unknown-to-the-site"],
)
def test_the_answer_names_the_sites_protocol_or_ours(
    alice: Browser, server: Server, offers: list[str], chosen: str | None
) -> None:
    """A 101 that a browser takes, and the token nowhere in it nor in the log."""
    token = alice.preauth("/echo", "/carried").token
    wire, answer = knock(alice, *(offer.format(token) for offer in offers))
    assert answer.status == 101
    assert answer.get(PROTOCOL.decode()) == chosen
    assert wire.text() == "alice alice"
    assert wire.say("hello") == "hello"
    assert token not in answer.head.decode("latin-1")
    assert token not in server.log


@pytest.mark.parametrize(
    ("offers", "query", "reason"),
    [
        (["wsguard, wsguard.token.{}, wsguard.token.{}"], "", "token_invalid"),
        (["wsguard.token.{}", "wsguard.token.{}"], "", "token_invalid"),
        (["wsguard, wsguard.token.x{}"], "", "token_invalid"),
        (["wsguard"], "wsguard_token={}", "token_missing"),
    ],
    ids=["two", "two-headers", "spoilt", "in-the-query"],
)
def test_a_bad_offer_is_refused_before_the_upgrade(
    alice: Browser, server: Server, offers: list[str], query: str, reason: str
) -> None:
    """A 403 that echoes nothing, from the site whose one carrier is the subprotocol."""
    token = alice.preauth("/echo", "/carried").token
    sent = query.format(token).encode()
    _, answer = knock(alice, *(offer.format(token, token) for offer in offers), query=sent)
    assert (answer.status, answer.get(PROTOCOL.decode())) == (403, None)
    assert token.encode() not in answer.head + answer.body
    assert server.verdicts() == [reason]
