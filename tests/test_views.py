"""What preauth answers on the wire, the client's file, and its script tag."""

from __future__ import annotations

import hashlib
import io
import json
from base64 import b64encode
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, render_template_string, request
from werkzeug.test import TestResponse

import flask_wsguard
from flask_wsguard import Refusal, WSGuard, facts, preauth_granted, preauth_refused
from flask_wsguard.core.refusals import Refused
from flask_wsguard.core.tickets import Keys, read_ticket, read_token
from flask_wsguard.views import _problem, set_ticket_cookie

from .sites import SECRET, make_site
from .visitor import ORIGIN, Clock, Visitor

LISTED = "https://app.example.org"
CLIENT = Path(flask_wsguard.__file__).parent / "static" / "wsguard.js"


@pytest.fixture
def alice() -> Visitor:
    visitor = Visitor(make_site(WSGUARD_ALLOWED_ORIGINS=["self", LISTED, "https://partner.test"]))
    visitor.log_in("alice")
    return visitor


def ticket_lines(answer: TestResponse) -> list[str]:
    return [line for line in answer.headers.getlist("Set-Cookie") if "wsguard-" in line]


def attributes(line: str) -> dict[str, str]:
    """Return a Set-Cookie line's attributes, names in lower case, without name and value."""
    parts = [part.strip().partition("=") for part in line.split(";")[1:]]
    return {name.lower(): value for name, _, value in parts}


# The grant.


def test_grant_has_exactly_these_fields(alice: Visitor) -> None:
    """The wire format of a 200."""
    answer = alice.preauth("/echo")
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert set(answer.json) == {"token", "param", "expires_in", "subject"}
    assert (answer.json["param"], answer.json["expires_in"]) == ("wsguard_token", 30)
    assert len(answer.json["subject"]) == 22


def test_grant_token_names_its_ticket(alice: Visitor) -> None:
    """Token and cookie belong together: the token's ``sub`` is the id in the cookie's name."""
    answer = alice.preauth("/echo")
    (line,) = ticket_lines(answer)
    name, _, value = line.partition(";")[0].partition("=")
    token, ticket = read_token(answer.json["token"]), read_ticket(value)
    assert token is not None
    assert ticket is not None
    assert name == f"__Host-Http-wsguard-{token.sub}"
    assert ticket.id == token.sub
    assert (ticket.user_id, ticket.scopes) == ("alice", {"chat:read", "chat:write"})
    assert ticket.expires_at - ticket.issued_at == 30


def test_grant_for_a_public_path_needs_no_ticket(alice: Visitor) -> None:
    """A null token and no cookie: the client connects without."""
    answer = Visitor(alice.app).preauth("/ticker")
    assert answer.json == {
        "token": None,
        "param": "wsguard_token",
        "expires_in": 30,
        "subject": None,
    }
    assert "Set-Cookie" not in answer.headers


def test_grant_follows_the_settings() -> None:
    """Parameter and lifetime come from the configuration."""
    app = make_site(WSGUARD_TOKEN_PARAM="t", WSGUARD_TICKET_TTL=7, WSGUARD_COOKIE_NAME="wsg")
    visitor = Visitor(app)
    visitor.log_in("alice")
    answer = visitor.preauth()
    assert (answer.json["param"], answer.json["expires_in"]) == ("t", 7)
    (line,) = ticket_lines(answer) or answer.headers.getlist("Set-Cookie")
    assert line.startswith("__Host-Http-wsg-")
    assert attributes(line)["max-age"] == "7"
    assert visitor.connect(query=f"t={answer.json['token']}").reason is None
    assert visitor.connect(token=answer.json["token"]).reason == "token_missing"


def test_subject_is_stable_per_user_and_tells_no_name() -> None:
    """A page learns only that its user changed; no key rotation disturbs it."""

    def subject(user: str, host: str, secret: str) -> Any:
        app = make_site(WSGUARD_SECRET_KEY=secret)
        visitor = Visitor(app, base=f"https://{host}", origin=f"https://{host}")
        visitor.log_in(user)
        return visitor.preauth("/any").json["subject"]

    alices = subject("alice", "example.org", "one")
    assert subject("alice", "example.org", "two") == alices
    assert subject("bob", "example.org", "one") != alices
    assert subject("alice", "example.com", "one") != alices
    # SHA-256 of "wsguard\nexample.org\nalice", cut to 128 bits.
    digest = hashlib.sha256(b"wsguard\nexample.org\nalice").digest()[:16]
    assert alices == b64encode(digest, b"-_").decode().rstrip("=")


# Cookie attributes.


def test_ticket_cookie_over_https(alice: Visitor) -> None:
    """Prefixed name, HttpOnly, Secure, Strict, the whole path, Max-Age and, for IE, Expires."""
    before = datetime.now(timezone.utc).timestamp()
    (line,) = ticket_lines(alice.preauth())
    flags = attributes(line)
    expires = parsedate_to_datetime(flags.pop("expires")).timestamp()
    assert line.startswith("__Host-Http-wsguard-")
    assert before + 28 <= expires <= before + 33
    assert flags == {
        "secure": "",
        "httponly": "",
        "max-age": "30",
        "path": "/",
        "samesite": "Strict",
    }


@pytest.mark.parametrize(
    "base",
    ["http://localhost:5000", "http://127.0.0.1:5000", "http://[::1]:5000", "http://a.localhost"],
)
def test_ticket_cookie_over_loopback_http(base: str) -> None:
    """No prefix and no Secure, which WebKit would drop; all else the same."""
    visitor = Visitor(make_site(), base=base, origin=base)
    visitor.log_in("alice")
    answer = visitor.preauth()
    (line,) = ticket_lines(answer)
    flags = attributes(line)
    assert line.startswith("wsguard-")
    assert set(flags) == {"expires", "httponly", "max-age", "path", "samesite"}
    cookies = f"{visitor.cookie_header('session')}; {line.partition(';')[0]}"
    assert visitor.connect(token=answer.json["token"], cookies=cookies).reason is None


# The cap.


def test_sixty_preauths_leave_sixteen_tickets_and_the_newest_works(alice: Visitor) -> None:
    """56 tickets at once, and the server answers 431 to the whole site: hence the cap."""
    for _ in range(60):
        token = alice.token("/any")
    tickets = [name for name in alice.cookies() if "wsguard-" in name]
    assert len(tickets) <= 16
    assert len(alice.cookie_header(*tickets)) <= 4096
    assert alice.connect("/any", token).reason is None


def test_cap_expires_the_oldest_first() -> None:
    """The ticket that is about to be used is the newest."""
    visitor = Visitor(make_site(WSGUARD_MAX_PENDING_TICKETS=2))
    clock = Clock(visitor.app)
    visitor.log_in("carol")
    tokens = []
    for _ in range(3):
        tokens.append(visitor.token("/any"))
        clock.now += 1
    reasons = [visitor.connect("/any", token).reason for token in tokens]
    assert reasons == ["ticket_missing", None, None]


def test_cap_expires_the_oldest_within_one_second() -> None:
    """Tickets of one second are told apart by the order in which browsers send cookies."""
    visitor = Visitor(make_site(WSGUARD_MAX_PENDING_TICKETS=2))
    Clock(visitor.app)
    visitor.log_in("carol")
    tokens = [visitor.token("/any") for _ in range(4)]
    reasons = [visitor.connect("/any", token).reason for token in tokens]
    assert reasons == ["ticket_missing", "ticket_missing", None, None]


def test_expiry_line_removes_exactly_the_old_cookie() -> None:
    """An expired cookie needs the same name and path, a Max-Age of 0 and an Expires in 1970."""
    visitor = Visitor(make_site(WSGUARD_MAX_PENDING_TICKETS=1))
    visitor.log_in("carol")
    first = ticket_lines(visitor.preauth("/any"))[0].partition("=")[0]
    _, line = ticket_lines(visitor.preauth("/any"))
    assert line.startswith(f"{first}=;")
    flags = attributes(line)
    assert (flags["max-age"], flags["path"]) == ("0", "/")
    assert flags["expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert "secure" in flags


def test_planted_tickets_of_another_user_push_nothing_out() -> None:
    """A sibling plants valid tickets of its own account: only this session's count."""
    app = make_site(WSGUARD_MAX_PENDING_TICKETS=2)
    alice, mallory = Visitor(app), Visitor(app)
    alice.log_in("carol")
    mallory.log_in("mallory")
    token = alice.token("/any")
    planted = []
    for _ in range(20):
        line = ticket_lines(mallory.preauth("/any"))[0]
        planted.append(line.partition(";")[0])
    cookies = "; ".join([*planted, alice.cookie_header()])
    answer = alice.preauth("/any", cookies=cookies)
    assert len(ticket_lines(answer)) == 1
    assert alice.connect("/any", token, cookies=cookies).reason is None
    # The control: as many of her own do push it out.
    for _ in range(2):
        alice.token("/any")
    assert alice.connect("/any", token).reason == "ticket_missing"


@pytest.mark.parametrize("ending", ["\r", "\x00", "-copy", "\xe9"])
def test_ticket_under_another_name_is_left_alone(ending: str) -> None:
    """A valid ticket under a name of a sibling's making: none of ours to expire, and no 500."""
    app = make_site(WSGUARD_MAX_PENDING_TICKETS=1)
    visitor = Visitor(app)
    visitor.log_in("carol")
    own = ticket_lines(visitor.preauth("/any"))[0].partition(";")[0]
    name, _, text = own.partition("=")
    cookies = f"{visitor.cookie_header('session')}; {name}{ending}={text}"
    answer = visitor.preauth("/any", cookies=cookies)
    assert answer.status_code == 200
    assert len(ticket_lines(answer)) == 1
    # The control: under its own name it gives way to the new one.
    answer = visitor.preauth("/any", cookies=f"{visitor.cookie_header('session')}; {own}")
    assert len(ticket_lines(answer)) == 2


def test_forged_and_expired_tickets_do_not_count() -> None:
    """What does not verify, or is over, is not a ticket that anybody waits for."""
    app = make_site(WSGUARD_MAX_PENDING_TICKETS=1)
    clock = Clock(app)
    visitor = Visitor(app)
    visitor.log_in("carol")
    old = ticket_lines(visitor.preauth("/any"))[0].partition(";")[0]
    clock.now += 35
    forged = "__Host-Http-wsguard-" + "x" * 22 + "=k1.forged"
    cookies = f"{visitor.cookie_header('session')}; {old}; {forged}"
    assert len(ticket_lines(visitor.preauth("/any", cookies=cookies))) == 1
    clock.now -= 1
    assert len(ticket_lines(visitor.preauth("/any", cookies=cookies))) == 2


def test_cap_is_also_one_of_bytes() -> None:
    """4,096 bytes together, however few: a request header has a limit."""
    app = make_site(WSGUARD_MAX_PENDING_TICKETS=50)
    app.extensions["test_guard"].scopes_loader(lambda user: {"s" * 500})
    visitor = Visitor(app)
    visitor.log_in("alice")
    for _ in range(12):
        visitor.token("/any")
    tickets = [name for name in visitor.cookies() if "wsguard-" in name]
    assert 3 <= len(tickets) <= 5
    assert len(visitor.cookie_header(*tickets)) <= 4096


def test_eight_preauths_are_all_usable(alice: Visitor) -> None:
    """One cookie per ticket: the sockets of one page do not destroy each other's."""
    tokens = [alice.token("/any") for _ in range(8)]
    assert [alice.connect("/any", token).reason for token in tokens] == [None] * 8


def test_ticket_too_large_is_a_clear_server_error() -> None:
    """The developer is told which user and what to do; no cookie is silently dropped."""
    app = make_site()
    app.testing = True
    app.extensions["test_guard"].scopes_loader(lambda user: {"chat:read", *map(str, range(999))})
    visitor = Visitor(app)
    visitor.log_in("alice")
    with pytest.raises(ValueError, match="the ticket of user 'alice' with 1000 scopes takes"):
        visitor.preauth()
    app.testing = False
    assert visitor.preauth().status_code == 500


# Refusals, in the order of the protocol.

ORDER: list[tuple[int, str, dict[str, Any]]] = [
    (415, "not_json", {"content_type": "text/plain", "base_url": "http://example.org",
                       "origin": None, "headers": {"Sec-Fetch-Site": "cross-site"},
                       "data": "[" * 5000}),
    (400, "bad_request", {"content_type": "application/json"}),
    (403, "insecure_transport", {"data": "["}),
    (403, "origin_missing", {"base_url": "https://example.org"}),
    (403, "origin_not_allowed", {"origin": "https://evil.example.net"}),
    (403, "cross_site_fetch", {"origin": ORIGIN}),
    (400, "bad_request", {"headers": {}}),
    (404, "unknown_path", {"data": '{"path": "/nothing"}'}),
    (401, "login_required", {"data": '{"path": "/write"}'}),
]  # fmt: skip


def test_first_fault_of_a_preauth_wins_all_the_way_down(alice: Visitor) -> None:
    """With everything wrong the first reason of the order shows; mended one by one, each next."""
    visitor, sent, seen = Visitor(alice.app), {}, []
    for _, _, mended in ORDER:
        sent.update(mended)
        answer = visitor.preauth(**sent)
        seen.append((answer.status_code, answer.json["reason"]))
    assert seen == [row[:2] for row in ORDER]
    visitor.log_in("bob")
    answer = visitor.preauth(**sent)
    assert (answer.status_code, answer.json["reason"]) == (403, "scope_missing")
    visitor.log_in("alice")
    assert visitor.preauth(**sent).status_code == 200


def test_problem_has_exactly_these_fields(alice: Visitor) -> None:
    """RFC 9457, and the machine word beside."""
    answer = alice.preauth("/nothing")
    assert answer.mimetype == "application/problem+json"
    assert answer.json == {
        "status": 404,
        "title": "No WebSocket route serves this path.",
        "detail": "(no WebSocket route matches '/nothing': compare every slash; behind a proxy "
        "that cuts a prefix off apply ProxyFix(x_prefix=1)) Send the pathname of the socket's URL, "
        "as the browser spells it.",
        "reason": "unknown_path",
    }


def test_missing_scope_says_which(alice: Visitor) -> None:
    """A page can tell its user what is missing."""
    bob = Visitor(alice.app)
    bob.log_in("bob")
    answer = bob.preauth("/write")
    assert (answer.status_code, answer.json["reason"]) == (403, "scope_missing")
    assert answer.json["required"] == ["chat:write"]


@pytest.mark.parametrize(
    ("view", "url"),
    [
        ("login_page", "/login"),
        ("/signin", "/signin"),
        ("https://sso.example.org/", "https://sso.example.org/"),
        ("no_such_endpoint", None),
        (None, None),
    ],
)
def test_login_required_names_the_login_page(view: str | None, url: str | None) -> None:
    """Never a redirect: an XHR would follow it to an HTML page and a 200."""
    app = make_site()
    app.login_manager.login_view = view  # type: ignore[attr-defined]
    answer = Visitor(app).preauth()
    assert (answer.status_code, answer.json["reason"]) == (401, "login_required")
    assert answer.json.get("login_url") == url
    assert "Location" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE"])
def test_other_method_is_405_with_allow(alice: Visitor, method: str) -> None:
    """A link, an image or a prefetch mints nothing."""
    answer = alice.client.open(
        "/wsguard/preauth", method=method, base_url=ORIGIN, headers={"Origin": ORIGIN}
    )
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert answer.mimetype == "application/problem+json"
    if method != "HEAD":
        assert answer.json["reason"] == "bad_request"


def test_method_nobody_knows_is_a_problem_too(alice: Visitor) -> None:
    """Never HTML: a 405 with ``Allow: POST`` for any other method."""
    answer = alice.client.open("/wsguard/preauth", method="PROPFIND", base_url=ORIGIN)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert answer.mimetype == "application/problem+json"


BODIES: dict[str, Any] = {
    "empty": "",
    "not-json": "path=/echo",
    "truncated": '{"path": "/echo"',
    "4000-brackets": "[" * 4000,
    "4000-braces": '{"a":' * 800,
    "array": "[]",
    "string": '"/echo"',
    "null": "null",
    "number": "1e999",
    "nan": '{"path": NaN}',
    "no-path": '{"pathname": "/echo"}',
    "path-null": '{"path": null}',
    "path-number": '{"path": 1}',
    "path-list": '{"path": ["/echo"]}',
    "path-object": '{"path": {"path": "/echo"}}',
    "path-empty": '{"path": ""}',
    "path-relative": '{"path": "echo"}',
    "path-url": '{"path": "https://example.org/echo"}',
    "duplicate-key": '{"path": "/any", "path": "/echo"}',
    "duplicate-key-deeper": '{"path": "/any", "x": {"a": 1, "a": 2}}',
    "lone-surrogate": '{"path": "/\\ud800"}',
    "lone-surrogate-low": '{"path": "/echo\\udfff"}',
    "not-utf-8": b'{"path": "/\xff"}',
    "utf-16": '{"path": "/echo"}'.encode("utf-16"),
    "byte-order-mark": b'\xef\xbb\xbf{"path": "/echo"}',
    "5-kilobytes": json.dumps({"path": "/echo", "x": "y" * 5000}),
    "4097-bytes": '{"path": "/any"}'.ljust(4097),
    "many-digits": '{"path": "/any", "n": ' + "9" * 4060 + "}" + " " * 50,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bad_body_is_bad_request(alice: Visitor, body: Any) -> None:
    """Hostile input is a refusal, never an exception, and never a ticket."""
    answer = alice.preauth(data=body)
    assert (answer.status_code, answer.json["reason"]) == (400, "bad_request")
    assert "Set-Cookie" not in answer.headers


def test_4096_bytes_are_read(alice: Visitor) -> None:
    """The limit is the last good length."""
    assert alice.preauth(data='{"path": "/any"}'.ljust(4096)).status_code == 200


def test_further_keys_are_ignored(alice: Visitor) -> None:
    """An object may grow: a client of tomorrow asks a server of today."""
    assert alice.preauth(data='{"path": "/any", "more": [1, {"a": null}]}').status_code == 200


@pytest.mark.parametrize(
    "length", ["5000", "9" * 5000, "-1", "4k", "", "\xb2"],
    ids=["over", "5000-digits", "negative", "letters", "empty", "superscript"],
)  # fmt: skip
def test_bad_content_length_is_bad_request(alice: Visitor, length: str) -> None:
    """Whatever the header says, what is read is bounded and nothing raises."""
    overrides = {"CONTENT_LENGTH": length, "HTTP_CONTENT_LENGTH": length}
    answer = alice.preauth(data='{"path": 1}', environ_overrides=overrides)
    assert (answer.status_code, answer.json["reason"]) == (400, "bad_request")


class Endless(io.RawIOBase):
    """A body that goes on for ever."""

    was_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        assert self.was_read < 10_000_000
        buffer[:] = b" " * len(buffer)
        self.was_read += len(buffer)
        return len(buffer)


def test_body_without_length_is_bounded_too(alice: Visitor) -> None:
    """A chunked body has no length in front; the reading stops behind the limit."""
    overrides = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    for body, status in (('{"path": "/any"}', 200), ('{"path": "/any"}'.ljust(9000), 400)):
        answer = alice.preauth(data=body, environ_overrides={**overrides, "CONTENT_LENGTH": ""})
        assert answer.status_code == status
    endless = Endless()
    overrides |= {"wsgi.input": endless, "CONTENT_LENGTH": ""}
    assert alice.preauth(data=b"", environ_overrides=overrides).status_code == 400
    assert endless.was_read < 100_000


def test_site_limit_below_ours_is_bad_request() -> None:
    """``MAX_CONTENT_LENGTH`` of the site becomes our refusal, not an HTML page."""
    visitor = Visitor(make_site(MAX_CONTENT_LENGTH=5))
    answer = visitor.preauth()
    assert (answer.status_code, answer.json["reason"]) == (400, "bad_request")


CONTENT_TYPES = [
    ("application/json", True),
    ("application/json; charset=utf-8", True),
    ("Application/JSON", True),
    ("text/plain", False),
    ("text/plain; application/json", False),
    ("application/x-www-form-urlencoded", False),
    ("multipart/form-data; boundary=x", False),
    ("application/json, text/plain", False),
    ("application/problem+json", False),
    ("", False),
]


@pytest.mark.parametrize(("content_type", "good"), CONTENT_TYPES)
def test_content_type(alice: Visitor, content_type: str, good: bool) -> None:
    """The three types that a foreign form can send are refused unread."""
    answer = alice.preauth(data='{"path": "/any"}', content_type=content_type)
    assert answer.status_code == (200 if good else 415)


PATHS: list[tuple[str, str, str]] = [
    ("plain", "/echo", "granted"),
    ("encoded-letter", "/ech%6F", "granted"),
    ("converter", "/room/7", "granted"),
    ("utf-8", "/caf%C3%A9", "granted"),
    ("utf-8-unencoded", "/caf\u00e9", "granted"),
    ("slash", "/slash/", "granted"),
    ("public", "/ticker", "granted"),
    ("double-encoded", "/ech%256F", "unknown_path"),
    ("slash-missing", "/slash", "unknown_path"),
    ("slash-too-many", "/echo/", "unknown_path"),
    ("two-slashes-in-front", "//echo", "granted"),
    ("two-slashes", "/room//7", "unknown_path"),
    ("upper-case", "/Echo", "unknown_path"),
    ("latin-1", "/caf%E9", "unknown_path"),
    ("query", "/echo?x=1", "unknown_path"),
    ("fragment", "/echo#x", "unknown_path"),
    ("not-a-socket", "/login", "unknown_path"),
    ("not-a-number", "/room/seven", "unknown_path"),
    ("percent-alone", "/echo%", "unknown_path"),
    ("nul", "/echo%00", "unknown_path"),
    ("newline", "/echo%0A", "unknown_path"),
    ("dot-segments", "/room/../echo", "unknown_path"),
    ("unmarked", "/forgotten", "unguarded_route"),
]


@pytest.mark.parametrize(("path", "expected"), [r[1:] for r in PATHS], ids=[r[0] for r in PATHS])
def test_path(alice: Visitor, path: str, expected: str) -> None:
    """The server decodes once, strips its prefix, and routes as it will route the socket."""
    answer = alice.preauth(path)
    assert (answer.json.get("reason") or "granted") == expected


def test_encoded_path_connects(alice: Visitor) -> None:
    """``/ech%6F`` *is* ``/echo``, for preauth, handshake and ticket alike."""
    assert alice.connect("/ech%6F", alice.token("/echo")).reason is None
    assert alice.connect("/echo", alice.token("/ech%6F")).reason is None
    assert alice.connect("/caf%C3%A9", alice.token("/caf\u00e9")).reason is None


def test_two_slashes_in_front_are_another_path_than_one(alice: Visitor) -> None:
    """Routing forgives them, the ticket does not: it is bound byte for byte."""
    two = {"environ_overrides": {"PATH_INFO": "//echo"}}
    assert alice.connect("/echo", alice.token("//echo"), **two).reason is None
    assert alice.connect("/echo", alice.token("/echo"), **two).reason == "path_mismatch"


def test_slash_too_few_is_named(alice: Visitor) -> None:
    """A redirect on a socket fails without a word in the browser, so preauth names the slash."""
    detail = alice.preauth("/slash").json["detail"]
    assert "a slash too many or too few" in detail
    assert "/slash/" in detail


@pytest.mark.parametrize("base", [ORIGIN, "http://localhost:5000"])
@pytest.mark.parametrize("seconds", [30, 0])
def test_ticket_cookie_is_written_as_werkzeug_would(
    base: str, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letter for letter what ``set_cookie`` writes, which preauth spares itself."""
    monkeypatch.setattr("flask_wsguard.views.time.time", lambda: 1_800_000_000.9)
    with make_site().test_request_context(base_url=base):
        source = facts.source_of(request.environ, None)
        ours, theirs = Response(), Response()
        set_ticket_cookie(ours, source, "wsguard-x", "k1.a-b_c.1", seconds)
        expires = 1_800_000_030 if seconds else 0
        secure = base.startswith("https:")
        theirs.set_cookie(
            "wsguard-x", "k1.a-b_c.1", max_age=seconds, expires=expires, path="/", secure=secure,
            httponly=True, samesite="Strict",
        )  # fmt: skip
    assert ours.headers.getlist("Set-Cookie") == theirs.headers.getlist("Set-Cookie")


def test_unmarked_route_names_the_view(alice: Visitor) -> None:
    """The developer learns at preauth what to mark; a stranger learns nothing of the code."""
    answer = alice.preauth("/forgotten")
    assert answer.status_code == 403
    assert "forgotten" not in answer.json["detail"]
    assert "@ws_protected or @ws_public" in answer.json["detail"]
    alice.app.debug = True
    told = alice.preauth("/forgotten").json
    read = f"{told['title']} {told['detail']}"
    assert read.startswith("This WebSocket route carries no mark. (the view is tests.sites.")
    assert "make_site.<locals>.forgotten) Put @ws_protected or @ws_public" in read


# Origin and Referer.

REFERERS: list[tuple[str, str | None, str | None, str]] = [
    ("ie-11", None, "https://example.org/chat?room=1#top", "granted"),
    ("ie-11-bare", None, "https://example.org", "granted"),
    ("neither", None, None, "origin_missing"),
    ("referer-foreign", None, "https://evil.example.net/", "origin_not_allowed"),
    ("referer-other-port", None, "https://example.org:8443/", "origin_not_allowed"),
    ("referer-userinfo", None, "https://example.org@evil.net/", "origin_not_allowed"),
    ("referer-rubbish", None, "about:blank", "origin_not_allowed"),
    ("referer-empty", None, "", "origin_not_allowed"),
    ("null-never-falls-back", "null", "https://example.org/", "origin_not_allowed"),
    ("empty-never-falls-back", "", "https://example.org/", "origin_missing"),
    ("malformed-never-falls-back", "https://[", "https://example.org/", "origin_not_allowed"),
    ("foreign-origin-own-referer", "https://evil.example.net", "https://example.org/",
     "origin_not_allowed"),
    ("own-origin-foreign-referer", ORIGIN, "https://evil.example.net/", "granted"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "referer", "expected"), [r[1:] for r in REFERERS], ids=[r[0] for r in REFERERS]
)
def test_referer_stands_in_for_an_absent_origin_only(
    alice: Visitor, origin: str | None, referer: str | None, expected: str
) -> None:
    """IE 11 sends no Origin with a same-origin XHR."""
    headers = {} if referer is None else {"Referer": referer}
    answer = alice.preauth("/any", origin=origin, headers=headers)
    assert (answer.json.get("reason") or "granted") == expected


def test_missing_origin_of_a_device() -> None:
    """The switch for non-browser clients holds at preauth as at the handshake."""
    visitor = Visitor(make_site(WSGUARD_ALLOW_MISSING_ORIGIN=True), origin=None)
    visitor.log_in("alice")
    token = visitor.token()
    assert visitor.connect(token=token).reason is None
    browser = {"Sec-Fetch-Mode": "cors"}
    assert visitor.preauth(headers=browser).json["reason"] == "origin_missing"
    assert visitor.connect(token=token, headers=browser).reason == "origin_missing"
    assert visitor.preauth(headers={"Referer": "https://evil.net/"}).status_code == 403


FETCH_SITES: list[tuple[str, str, str, str, str]] = [
    ("own-same-origin", ORIGIN, "same-origin", "/any", "granted"),
    ("own-same-site", ORIGIN, "same-site", "/any", "cross_site_fetch"),
    ("listed-same-site", LISTED, "same-site", "/any", "granted"),
    ("listed-cross-site", "https://partner.test", "cross-site", "/any", "cross_site_fetch"),
    ("listed-cross-site-public", "https://partner.test", "cross-site", "/ticker", "granted"),
    ("own-cross-site-public", ORIGIN, "cross-site", "/ticker", "cross_site_fetch"),
    ("none", ORIGIN, "none", "/any", "cross_site_fetch"),
    ("foreign-same-origin", "https://evil.net", "same-origin", "/any", "origin_not_allowed"),
]


@pytest.mark.parametrize(
    ("origin", "site", "path", "expected"),
    [row[1:] for row in FETCH_SITES],
    ids=[row[0] for row in FETCH_SITES],
)
def test_fetch_site(alice: Visitor, origin: str, site: str, path: str, expected: str) -> None:
    """What the browser itself calls foreign is refused, with the one exception for public."""
    answer = alice.preauth(path, origin=origin, headers={"Sec-Fetch-Site": site})
    assert (answer.json.get("reason") or "granted") == expected


def test_unusable_host_is_a_refusal_even_where_http_is_allowed() -> None:
    """Hostile input is a refusal, never an exception: a raw client may write any Host."""
    app = make_site(
        WSGUARD_ALLOW_INSECURE_TRANSPORT=True, WSGUARD_ALLOWED_ORIGINS=["http://example.org"]
    )
    visitor = Visitor(app, base="http://example.org", origin="http://example.org")
    visitor.log_in("alice")
    cookies = visitor.cookie_header()
    answers = {
        host: visitor.preauth("/any", cookies=cookies, environ_overrides={"HTTP_HOST": host})
        for host in ("exa_mple..org", "example.org:99999", "1.2.3", "[::g]", "")
    }
    assert {host: answer.status_code for host, answer in answers.items()} == dict.fromkeys(
        answers, 403
    )


# CORS.

CORS = {
    "Access-Control-Allow-Origin": LISTED,
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "content-type, authorization, x-csrftoken",
    "Access-Control-Expose-Headers": "Retry-After",
}


def cors_of(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


def preflight(visitor: Visitor, origin: str | None) -> TestResponse:
    headers = {"Access-Control-Request-Method": "POST"}
    if origin is not None:
        headers["Origin"] = origin
    answer: TestResponse = visitor.client.options(
        "/wsguard/preauth", base_url=ORIGIN, headers=headers
    )
    return answer


def test_listed_origin_may_read_grants_refusals_and_preflights(alice: Visitor) -> None:
    """Every reply to a listed page of another origin carries the five headers."""
    assert cors_of(alice.preauth("/any", origin=LISTED)) == CORS
    assert cors_of(alice.preauth("/nothing", origin=LISTED)) == CORS
    assert cors_of(alice.preauth(data="[", origin=LISTED)) == CORS
    assert cors_of(alice.preauth(origin=LISTED, content_type="text/plain", data="x")) == CORS
    answer = preflight(alice, LISTED)
    assert (answer.status_code, answer.data, cors_of(answer)) == (204, b"", CORS)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.net", "https://x.app.example.org", "http://app.example.org", "null", "",
     "https://app.example.org:444", "https://app.example.org, https://app.example.org"],
)  # fmt: skip
def test_nobody_else_gets_a_cors_header(alice: Visitor, origin: str) -> None:
    """A handshake endpoint that told its token to every origin was CVE-2019-1000022."""
    assert cors_of(alice.preauth("/any", origin=origin)) == {}
    answer = preflight(alice, origin)
    assert (answer.status_code, cors_of(answer)) == (403, {})


def test_own_origin_needs_no_cors_header(alice: Visitor) -> None:
    """The page reads the answer of its own origin anyway."""
    assert cors_of(alice.preauth("/any")) == {}
    assert cors_of(preflight(alice, ORIGIN)) == {}


def test_referer_alone_gets_no_cors_header(alice: Visitor) -> None:
    """CORS speaks of Origin; what only a Referer claims is not echoed."""
    answer = alice.preauth("/any", origin=None, headers={"Referer": f"{LISTED}/page"})
    assert answer.status_code == 200
    assert cors_of(answer) == {}
    assert preflight(alice, None).status_code == 403


@pytest.mark.parametrize("origin", [ORIGIN, LISTED, "https://evil.example.net"])
def test_answers_are_not_cached_and_vary(alice: Visitor, origin: str) -> None:
    """IE caches hard, and what one page may read another may not."""
    for answer in (
        alice.preauth("/any", origin=origin),
        alice.preauth("/nothing", origin=origin),
        preflight(alice, origin),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Vary"] == "Origin, Cookie, Sec-Fetch-Site"


# Signals.


def test_grant_is_signalled(alice: Visitor) -> None:
    """Path and user, for an audit."""
    heard: list[dict[str, Any]] = []

    def receive(_: Flask, **facts: Any) -> None:
        heard.append(facts)

    with preauth_granted.connected_to(receive):
        alice.preauth("/any")
        alice.preauth("/ticker")
    assert heard == [
        {"path": "/any", "user_id": "alice", "origin": ORIGIN},
        {"path": "/ticker", "user_id": None, "origin": ORIGIN},
    ]


@pytest.mark.parametrize(
    ("reason", "status", "wait"),
    [(Refusal.TOO_MANY_CONNECTIONS, 429, "5"), (Refusal.STORE_UNAVAILABLE, 503, "5"),
     (Refusal.TOKEN_USED, 403, None)],
)  # fmt: skip
def test_refusal_that_passes_says_when_to_come_back(
    reason: Refusal, status: int, wait: str | None
) -> None:
    """The client keeps Retry-After; nothing gives these reasons yet."""
    with Flask("x").app_context():
        answer = _problem(Refused(reason), debug=False)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == wait


# The client's file and its tag.


def tag(visitor: Visitor, call: str = "wsguard_script()") -> str:
    """Render a template of the visitor's request."""
    app = visitor.app
    with app.test_request_context(
        "/", base_url=visitor.base, environ_overrides={"HTTP_COOKIE": visitor.cookie_header()}
    ):
        return render_template_string("{{ %s }}" % call)  # noqa: UP031


def test_script_tag_names_file_hash_and_user(alice: Visitor) -> None:
    """``integrity`` is the file's hash, the URL changes with it, ``data-subject`` is the user."""
    digest = hashlib.sha384(CLIENT.read_bytes())
    integrity = "sha384-" + b64encode(digest.digest()).decode()
    subject = alice.preauth("/any").json["subject"]
    assert tag(alice) == (
        f'<script src="/wsguard/static/wsguard.js?v={digest.hexdigest()[:12]}" '
        f'integrity="{integrity}" data-subject="{subject}"></script>'
    )


def test_script_tag_for_nobody_has_no_subject(alice: Visitor) -> None:
    """A null subject is never compared."""
    assert "data-subject" not in tag(Visitor(alice.app))


def test_script_tag_takes_a_nonce_and_escapes_it(alice: Visitor) -> None:
    """For a Content-Security-Policy; what stands in it stays in it."""
    assert tag(alice, "wsguard_script(nonce='r4nd0m')").endswith(' nonce="r4nd0m"></script>')
    assert '"><b' not in tag(alice, "wsguard_script(nonce='\"><b>')")
    assert "nonce" not in tag(alice)


def test_client_is_served_with_the_hash_that_the_tag_names(alice: Visitor) -> None:
    """A browser that checks ``integrity`` runs exactly the file in the package."""
    with alice.client.get("/wsguard/static/wsguard.js", base_url=ORIGIN) as answer:
        assert answer.status_code == 200
        assert answer.mimetype in {"text/javascript", "application/javascript"}
        assert answer.data == CLIENT.read_bytes()


def test_url_prefix_moves_blueprint_and_tag() -> None:
    """Everything that the guard serves is under one prefix."""
    visitor = Visitor(make_site(WSGUARD_URL_PREFIX="/ws/guard"))
    assert 'src="/ws/guard/static/wsguard.js?v=' in tag(visitor)
    answer = visitor.client.post(
        "/ws/guard/preauth", base_url=ORIGIN, json={"path": "/any"}, headers={"Origin": ORIGIN}
    )
    assert answer.json["reason"] == "login_required"
    assert visitor.preauth().status_code == 404


# What a site got wrong.


def test_scopes_without_a_loader_is_one_clear_error() -> None:
    """Demanding scopes that nothing can grant is the developer's error, said at preauth."""
    app = make_site()
    app.testing = True
    guard: WSGuard = app.extensions["test_guard"]
    guard._site.scopes_loader = None
    visitor = Visitor(app)
    visitor.log_in("alice")
    with pytest.raises(flask_wsguard.ConfigError, match="decorate a function of the user with"):
        visitor.preauth("/echo")
    token = visitor.token("/any")
    assert visitor.connect("/any", token).ticket.scopes == frozenset()


@pytest.mark.parametrize(
    ("given", "scopes"),
    [("chat:read", {"chat:read"}), (["a", "a", "b"], {"a", "b"}), ((), set()), ({"a": 1}, {"a"})],
    ids=["one-str", "list", "nothing", "any-iterable"],
)
def test_scopes_loader_returns_any_iterable_of_str(given: Any, scopes: set[str]) -> None:
    """One str is one scope, not its letters."""
    app = make_site()
    app.extensions["test_guard"].scopes_loader(lambda user: given)
    visitor = Visitor(app)
    visitor.log_in("alice")
    assert visitor.connect("/any", visitor.token("/any")).ticket.scopes == scopes


@pytest.mark.parametrize("rubbish", [[1], None, 7], ids=["number-in-it", "none", "number"])
def test_scopes_loader_that_returns_rubbish_is_a_clear_error(rubbish: Any) -> None:
    """A bug in the site's own loader is a 500: never an open door, never hidden."""
    app = make_site()
    app.extensions["test_guard"].scopes_loader(lambda user: rubbish)
    app.testing = True
    visitor = Visitor(app)
    visitor.log_in("alice")
    with pytest.raises(TypeError, match="scopes_loader returns an iterable of str"):
        visitor.preauth("/any")


def test_rotation_of_the_secret_refuses_nobody() -> None:
    """The newest key signs, all verify: a ticket of the old key is good on the new server."""
    new = "the new secret key, of thirty-two letters"
    visitor = Visitor(make_site())
    visitor.log_in("alice")
    token = visitor.token()
    moved = Visitor(make_site(SECRET_KEY=new, SECRET_KEY_FALLBACKS=[SECRET]))
    assert moved.connect(token=token, cookies=visitor.cookie_header()).reason is None
    fresh = moved.preauth(cookies=visitor.cookie_header()).json["token"]
    assert Keys([SECRET]).verifies_token(token)
    assert not Keys([SECRET]).verifies_token(fresh)


def test_body_that_a_hook_of_the_site_has_read_is_read_again() -> None:
    """A site that logs JSON bodies, or looks for a key in them, takes nothing away."""
    seen: list[Any] = []

    def prepare(app: Flask) -> None:
        app.before_request(lambda: seen.append(request.get_json(silent=True)))

    visitor = Visitor(make_site(prepare=prepare))
    visitor.log_in("alice")
    assert visitor.preauth("/any").status_code == 200
    assert {"path": "/any"} in seen


def test_refused_preflight_is_heard_of(alice: Visitor) -> None:
    """A page that tries to force a preauth by fetch gets no further than this: say so."""
    heard: list[Any] = []

    def hear(app: Flask, **facts: Any) -> None:
        heard.append((facts["reason"], facts["origin"], facts["path"]))

    with preauth_refused.connected_to(hear):
        answer = alice.client.options(
            "/wsguard/preauth", base_url=alice.base, headers={"Origin": "https://evil.example"}
        )
        alice.preauth(origin="https://evil.example")
        alice.preauth(data="[]")
    assert answer.status_code == 403
    foreign = ("origin_not_allowed", "https://evil.example", "")
    assert heard == [foreign, foreign, ("bad_request", alice.base, "")]
