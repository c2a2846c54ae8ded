"""The token beside the subprotocols: who reads it, who sees it, and what is answered."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from flask import Flask, request

from flask_wsguard import Refusal, WSGuard, handshake_accepted, handshake_refused
from flask_wsguard.servers import IN_A_TEST
from tests.sites import make_site
from tests.visitor import ORIGIN, Visitor

PROTOCOL = "Sec-WebSocket-Protocol"
QUERY, SUBPROTOCOL, BOTH = ("query",), ("subprotocol",), ("query", "subprotocol")


class Look:
    """What a receiver of the verdict sees of the subprotocols, and so does all that follows."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []

    def __call__(self, _: Flask, **__: Any) -> None:
        self.seen.append(request.headers.get(PROTOCOL))


def alice_at(carriers: tuple[str, ...], **config: Any) -> Visitor:
    visitor = Visitor(make_site(WSGUARD_TOKEN_CARRIERS=carriers, **config))
    visitor.log_in("alice")
    return visitor


# carriers of the site, query, subprotocols, verdict; T and U are two tokens of alice
ROWS: list[tuple[str, tuple[str, ...], str, str | None, Refusal | None]] = [
    ("carried", SUBPROTOCOL, "", "wsguard, wsguard.token.T", None),
    ("carried-beside-the-sites-own", BOTH, "", "chat, wsguard.token.T", None),
    ("the-query-still-works", BOTH, "wsguard_token=T", "chat", None),
    ("two-carriers", BOTH, "wsguard_token=T", "wsguard.token.T", Refusal.TOKEN_INVALID),
    ("two-carriers-two-tokens", BOTH, "wsguard_token=T", "wsguard.token.U", Refusal.TOKEN_INVALID),
    ("two-in-one", SUBPROTOCOL, "", "wsguard.token.T, wsguard.token.U", Refusal.TOKEN_INVALID),
    ("one-twice", SUBPROTOCOL, "", "wsguard.token.T, wsguard.token.T", Refusal.TOKEN_INVALID),
    ("an-empty-second", SUBPROTOCOL, "", "wsguard.token.T, wsguard.token.", Refusal.TOKEN_INVALID),
    ("not-a-token", SUBPROTOCOL, "", "wsguard.token.x", Refusal.TOKEN_INVALID),
    ("a-bare-token", SUBPROTOCOL, "", "T", Refusal.TOKEN_MISSING),
    ("not-configured", QUERY, "", "wsguard, wsguard.token.T", Refusal.TOKEN_MISSING),
    ("not-configured-is-ignored", QUERY, "wsguard_token=T", "wsguard.token.U", None),
    ("query-not-configured", SUBPROTOCOL, "wsguard_token=T", None, Refusal.TOKEN_MISSING),
    ("query-is-ignored", SUBPROTOCOL, "wsguard_token=U", "wsguard.token.T", None),
]


@pytest.mark.parametrize(
    ("carriers", "query", "offer", "reason"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_token_is_read_from_the_sites_carriers_alone(
    carriers: tuple[str, ...], query: str, offer: str | None, reason: Refusal | None
) -> None:
    """One token in all of them together; in any other place it is none."""
    visitor = alice_at(carriers)
    tokens = {name: visitor.token() for name in "TU"}

    def spelt(text: str) -> str:
        # At once: the second token's letter may stand in the first token.
        return re.sub(r"\b[TU](?=,|$)", lambda found: str(tokens[found[0]]), text)

    query, offer = spelt(query), None if offer is None else spelt(offer)
    outcome = visitor.connect(query=query, headers={PROTOCOL: offer})
    assert outcome.reason is reason


@pytest.mark.parametrize(
    ("carriers", "query", "offer", "says"),
    [
        (QUERY, "", "wsguard.token.x", 'WSGUARD_TOKEN_CARRIERS = ("subprotocol",)'),
        (SUBPROTOCOL, "wsguard_token=x", None, 'carrier: "subprotocol"'),
        (SUBPROTOCOL, "", None, ""),
    ],
    ids=["subprotocol", "query", "none"],
)
def test_a_token_in_the_wrong_carrier_is_told_to_the_operator(
    carriers: tuple[str, ...], query: str, offer: str | None, says: str
) -> None:
    """Client and server must agree, and the refusal says which of them to change."""
    outcome = alice_at(carriers).connect(query=query, headers={PROTOCOL: offer})
    assert outcome.reason is Refusal.TOKEN_MISSING
    assert says in outcome.detail
    assert bool(says) == bool(outcome.detail)


@pytest.mark.parametrize(
    "carriers", [QUERY, SUBPROTOCOL, BOTH], ids=["query", "subprotocol", "both"]
)
@pytest.mark.parametrize(
    ("offer", "left"),
    [
        ("chat, wsguard.token.x", "chat"),
        ("wsguard, wsguard.token.x", "wsguard"),
        ("wsguard.token.x", None),
        ("chat", "chat"),
        (None, None),
    ],
)
@pytest.mark.parametrize("path", ["/ticker", "/anyone"])
def test_nobody_behind_the_guard_sees_the_token(
    carriers: tuple[str, ...], offer: str | None, left: str | None, path: str
) -> None:
    """Whatever the carriers: what the library sees, it could choose and answer with."""
    app = make_site(WSGUARD_TOKEN_CARRIERS=carriers)
    with handshake_accepted.connected_to(look := Look()):
        assert Visitor(app).connect(path, headers={PROTOCOL: offer}).reason is None
    assert look.seen == [left]


def test_observe_only_hides_the_token_too() -> None:
    """A handshake that is let through although it fails is answered by the library as well."""
    visitor = alice_at(QUERY, WSGUARD_ENFORCE=False)
    with handshake_refused.connected_to(look := Look()):
        outcome = visitor.connect(headers={PROTOCOL: "chat, wsguard.token.x"})
    assert outcome.reason is Refusal.TOKEN_MISSING
    assert IN_A_TEST in outcome.response.text, "let through"
    assert look.seen == ["chat"]


def test_verify_handshake_reads_the_same_carriers() -> None:
    """A socket that no Flask rule serves; asked twice in one request, it says yes twice."""
    app = make_site(WSGUARD_TOKEN_CARRIERS=SUBPROTOCOL)
    guard: WSGuard = app.extensions["test_guard"]
    guard.protect_path("/socket.io/")

    @app.get("/socket.io/")
    def connect() -> str:
        return guard.verify_handshake().user_id + guard.verify_handshake().user_id

    visitor = Visitor(app)
    visitor.log_in("alice")
    token = visitor.token("/socket.io/")
    headers = {"Origin": ORIGIN, PROTOCOL: f"wsguard.token.{token}"}
    answer = visitor.client.get("/socket.io/", base_url=ORIGIN, headers=headers)
    assert (answer.status_code, answer.text) == (200, "alicealice")
    headers = {"Origin": ORIGIN}
    query = {"wsguard_token": token}
    answer = visitor.client.get("/socket.io/", base_url=ORIGIN, headers=headers, query_string=query)
    assert answer.status_code == 403


def test_preauth_tells_the_page_nothing_new() -> None:
    """The same five words whatever the carriers, so that old clients go on."""
    answers = [alice_at(carriers).preauth().json for carriers in (QUERY, SUBPROTOCOL, BOTH)]
    assert [sorted(answer) for answer in answers] == [
        ["expires_in", "param", "subject", "token"]
    ] * 3


# SOCK_SERVER_OPTIONS before and after init_app
OPTIONS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("none", {}, ["wsguard"]),
    ("other-options", {"ping_interval": 25}, ["wsguard"]),
    ("null", {"subprotocols": None}, ["wsguard"]),
    ("a-str", {"subprotocols": "chat"}, ["chat", "wsguard"]),
    ("a-tuple", {"subprotocols": ("chat", "v2")}, ["chat", "v2", "wsguard"]),
    ("already", {"subprotocols": ["wsguard", "chat"]}, ["wsguard", "chat"]),
]


@pytest.mark.parametrize(
    ("given", "protocols"), [row[1:] for row in OPTIONS], ids=[row[0] for row in OPTIONS]
)
def test_the_library_learns_the_protocol_it_may_answer_with(
    given: dict[str, Any], protocols: list[str]
) -> None:
    """The site's own first; the object that several apps may share stays as it was."""
    before = dict(given)
    app = make_site(WSGUARD_TOKEN_CARRIERS=SUBPROTOCOL, SOCK_SERVER_OPTIONS=given)
    assert app.config["SOCK_SERVER_OPTIONS"] == {**before, "subprotocols": protocols}
    assert given == before


def test_without_the_carrier_the_options_stay_the_sites_own() -> None:
    """Not even an equal copy takes their place."""
    given = {"subprotocols": ["chat"]}
    assert make_site(SOCK_SERVER_OPTIONS=given).config["SOCK_SERVER_OPTIONS"] is given
    assert "SOCK_SERVER_OPTIONS" not in make_site().config
    config = make_site(WSGUARD_TOKEN_CARRIERS=SUBPROTOCOL).config
    assert config["SOCK_SERVER_OPTIONS"] == {"subprotocols": ["wsguard"]}


def test_options_set_too_late_are_found_out(caplog: pytest.LogCaptureFixture) -> None:
    """Else every browser would drop its sockets, and nothing on the server would say why."""
    caplog.set_level(logging.WARNING)
    visitor = alice_at(SUBPROTOCOL)
    visitor.app.config["SOCK_SERVER_OPTIONS"] = {"subprotocols": "chat", "ping_interval": 25}
    offer = f"wsguard, wsguard.token.{visitor.token('/any')}"
    with pytest.raises(AssertionError):
        visitor.connect(
            "/any", headers={PROTOCOL: offer}, environ_overrides={"werkzeug.socket": object()}
        )
    (line,) = [record.message for record in caplog.records if "subprotocols" in record.message]
    assert "set it before WSGuard(app)" in line
