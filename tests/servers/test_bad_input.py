"""The way round, on every server: what an attack gets, byte by byte, and what it leaves behind."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.wire import Answer, Attempt, Browser, HungUp, Wire

from .attacks import ATTACKS, CONNECTS, FLASK, SERVER, Change, Scene
from .conftest import Server, control

pytestmark = pytest.mark.slow

Visitor = Callable[[], Browser]

REFUSED = b"This WebSocket handshake was refused.\n"
MALFORMED = b"This is not a well-formed WebSocket upgrade.\n"


@pytest.fixture
def scene(alice: Browser, visitor: Visitor) -> Scene:
    """Return a handshake that would connect if nobody touched it."""
    grant = alice.preauth()
    return Scene(alice, visitor, grant, alice.attempt("/echo", grant))


@pytest.fixture
def refusal(server: Server, visitor: Visitor) -> bytes:
    """Return the one refusal of a server, all but its Date, as a stranger gets it."""
    nobody = visitor()
    answer = nobody.send(nobody.attempt("/forgotten")).answer()
    assert (answer.status, server.verdicts()) == (403, ["unguarded_route"])
    return answer.without_date


@pytest.mark.parametrize(("change", "statuses", "reasons", "known_to_control"), ATTACKS)
def test_attack(
    scene: Scene,
    server: Server,
    refusal: bytes,
    change: Change,
    statuses: tuple[int, ...],
    reasons: tuple[str, ...],
    known_to_control: str,
) -> None:
    """It is answered as the row says, for the row's reason, and the connection stays usable."""
    change(scene)
    wire = scene.alice.send(scene.attempt)
    answer = wire.answer(head=scene.attempt.method == b"HEAD")
    assert answer.status in statuses
    if answer.status == 101:
        assert CONNECTS in reasons
        assert wire.text() == "alice alice"
        assert server.verdicts() == []
        return
    verdicts = _verdicts_over(wire, scene.attempt, answer, server)
    if not _is_guards(answer):
        assert answer.status != 403
        assert verdicts == []
        assert {FLASK, SERVER} & {*reasons}
        return
    assert len(verdicts) == 1
    assert verdicts[0] in reasons
    assert (answer.get("Sec-WebSocket-Version") == "13") is (answer.status == 426)
    if answer.status == 403:
        assert answer.without_date == refusal
        if known_to_control:
            assert control(scene.attempt) == known_to_control


def _is_guards(answer: Answer) -> bool:
    """Tell whether the guard wrote this refusal, also where a HEAD left the body out."""
    length = answer.get("Content-Length")
    return answer.body in {REFUSED, MALFORMED} or (not answer.body and length == "45")


def _verdicts_over(wire: Wire, attempt: Attempt, answer: Answer, server: Server) -> list[str]:
    """Ask for the verdicts on the same connection, unless it was asked to close, or must."""
    asked = attempt.protocol == b"HTTP/1.0" or (b"Connection", b"close") in attempt.headers
    closes = (answer.get("Connection") or "").lower() == "close"
    if not asked and not closes:
        return server.verdicts(wire)
    assert asked or not server.keeps_alive or not _is_guards(answer)
    wire.close()
    return server.verdicts()


# A bad preauth gets its problem+json.


BODIES = {
    "brackets": (b"[" * 4000, 400, "bad_request"),
    "brackets-in-an-object": (b'{"path":' + b"[" * 4000, 400, "bad_request"),
    "braces": (b'{"a":' * 800, 400, "bad_request"),
    "closed-brackets": (b"[" * 2000 + b"]" * 2000, 400, "bad_request"),
    "five-thousand-bytes": (b'{"path": "/' + b"a" * 5000 + b'"}', 400, "bad_request"),
    "one-byte-too-many": (b'{"path": "/echo"}'.ljust(4097), 400, "bad_request"),
    "just-short-enough": (b'{"path": "/echo"}'.ljust(4096), 200, ""),
    "lone-surrogate": (rb'{"path": "/\ud800"}', 400, "bad_request"),
    "lone-surrogate-behind": (rb'{"path": "/echo\udfff"}', 400, "bad_request"),
    "lone-surrogate-in-a-key": (rb'{"path": "/echo", "\ud800": 1}', 200, ""),
    "key-twice": (b'{"path": "/echo", "path": "/any"}', 400, "bad_request"),
    "key-twice-the-same": (b'{"path": "/echo", "path": "/echo"}', 400, "bad_request"),
    "key-twice-spelt-differently": (rb'{"path": "/echo", "p\u0061th": "/any"}', 400, "bad_request"),
    "key-twice-further-down": (b'{"path": "/echo", "x": {"a": 1, "a": 2}}', 400, "bad_request"),
    "empty": (b"", 400, "bad_request"),
    "space": (b" ", 400, "bad_request"),
    "not-utf-8": (b'{"path": "/caf\xe9"}', 400, "bad_request"),
    "utf-16": ('{"path": "/echo"}'.encode("utf-16"), 400, "bad_request"),
    "byte-order-mark": (b'\xef\xbb\xbf{"path": "/echo"}', 400, "bad_request"),
    "nul": (b'{"path": "/echo\x00"}', 400, "bad_request"),
    "nul-escaped": (rb'{"path": "/echo\u0000"}', 404, "unknown_path"),
    "newline-escaped": (rb'{"path": "/echo\n"}', 404, "unknown_path"),
    "number-of-4000-digits": (b'{"path": ' + b"9" * 4000 + b"}", 400, "bad_request"),
    "number-of-4000-digits-beside": (b'{"path":"/echo","x":' + b"9" * 4000 + b"}", 200, ""),
    "number-too-large": (b'{"path": "/echo", "x": 1e999}', 200, ""),
    "array": (b'["/echo"]', 400, "bad_request"),
    "string": (b'"/echo"', 400, "bad_request"),
    "null": (b"null", 400, "bad_request"),
    "path-missing": (b"{}", 400, "bad_request"),
    "path-null": (b'{"path": null}', 400, "bad_request"),
    "path-array": (b'{"path": ["/echo"]}', 400, "bad_request"),
    "path-empty": (b'{"path": ""}', 400, "bad_request"),
    "path-relative": (b'{"path": "echo"}', 400, "bad_request"),
    "path-url": (b'{"path": "ws://localhost/echo"}', 400, "bad_request"),
    "path-unknown": (b'{"path": "/nowhere"}', 404, "unknown_path"),
    "path-without-its-slash": (b'{"path": "/slash"}', 404, "unknown_path"),
    "path-with-a-slash-too-many": (b'{"path": "/echo/"}', 404, "unknown_path"),
    "path-upper-case": (b'{"path": "/ECHO"}', 404, "unknown_path"),
    "path-with-a-query": (b'{"path": "/echo?a=1"}', 404, "unknown_path"),
    "path-double-encoded": (b'{"path": "/ech%256F"}', 404, "unknown_path"),
    "path-invalid-utf-8": (b'{"path": "/echo%FF"}', 404, "unknown_path"),
    "path-half-a-percent": (b'{"path": "/echo%"}', 404, "unknown_path"),
    "path-of-a-page": (b'{"path": "/login"}', 404, "unknown_path"),
    "path-of-the-other-mount": (b'{"path": "/mounted/echo"}', 404, "unknown_path"),
    "path-of-slashes": (b'{"path": "' + b"/" * 2000 + b'"}', 404, "unknown_path"),
    "path-unmarked": (b'{"path": "/forgotten"}', 403, "unguarded_route"),
    "path-beyond-the-scopes": (b'{"path": "/write"}', 403, "scope_missing"),
}


def _ask(browser: Browser, body: bytes, **changes: str | None) -> bytes:
    """Return a preauth request of this browser; a header given as None is left out."""
    headers: dict[str, str | None] = {
        "Host": f"localhost:{browser.port}",
        "Origin": browser.origin,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cookie": "; ".join(f"{name}={value}" for name, value in browser.jar.items()) or None,
    }
    method = changes.pop("method", "POST")
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    top = "\r\n".join([f"{method} /wsguard/preauth HTTP/1.1", *lines, "", ""])
    return top.encode("latin-1") + body


def _assert_problem(answer: Answer, status: int, reason: str) -> None:
    assert answer.status == status, answer.body
    assert answer.get("Cache-Control") == "no-store"
    assert answer.get("Vary") == "Origin, Cookie, Sec-Fetch-Site"
    assert answer.all("Access-Control-Allow-Origin") == []
    if status == 200:
        assert answer.json["token"]
        return
    assert answer.get("Content-Type") == "application/problem+json"
    assert (answer.json["status"], answer.json["reason"]) == (status, reason)
    assert answer.all("Set-Cookie") == []


def _still_usable(wire: Wire, browser: Browser, server: Server) -> None:
    if server.keeps_alive:
        wire.send(_ask(browser, b'{"path": "/any"}'))
        assert wire.answer().status == 200


@pytest.mark.parametrize("name", BODIES)
def test_body_of_preauth(visitor: Visitor, server: Server, name: str) -> None:
    """Whatever stands in the body, the answer is a grant or a problem, and nothing is stuck."""
    body, status, reason = BODIES[name]
    bob = visitor().log_in("bob")
    wire = bob.wire()
    wire.send(_ask(bob, body))
    _assert_problem(wire.answer(), status, reason)
    _still_usable(wire, bob, server)


GOOD = b'{"path": "/any"}'
HEADERS = {
    "text-plain": ({"Content_Type": "text/plain"}, 415, "not_json"),
    "form": ({"Content_Type": "application/x-www-form-urlencoded"}, 415, "not_json"),
    "no-content-type": ({"Content_Type": None}, 415, "not_json"),
    "content-type-look-alike": ({"Content_Type": "application/jsonp"}, 415, "not_json"),
    "content-type-in-a-parameter": (
        {"Content_Type": "text/plain; application/json"},
        415,
        "not_json",
    ),
    "content-type-non-ascii": ({"Content_Type": "application/json\xe9"}, 415, "not_json"),
    "content-type-with-charset": ({"Content_Type": "application/json; charset=utf-8"}, 200, ""),
    "origin-foreign": ({"Origin": "http://evil.example.net"}, 403, "origin_not_allowed"),
    "origin-other-port": ({"Origin": "http://localhost:1"}, 403, "origin_not_allowed"),
    "origin-null": ({"Origin": "null"}, 403, "origin_not_allowed"),
    "origin-empty": ({"Origin": ""}, 403, "origin_missing"),
    "origin-missing": ({"Origin": None}, 403, "origin_missing"),
    "origin-non-ascii": ({"Origin": "http://localh\xf6st"}, 403, "origin_not_allowed"),
    "origin-null-with-a-referer": (
        {"Origin": "null", "Referer": "http://localhost:PORT/"},
        403,
        "origin_not_allowed",
    ),
    "referer-alone": ({"Origin": None, "Referer": "http://localhost:PORT/page"}, 200, ""),
    "referer-foreign": (
        {"Origin": None, "Referer": "http://evil.example.net/http://localhost:PORT/"},
        403,
        "origin_not_allowed",
    ),
    "referer-with-userinfo": (
        {"Origin": None, "Referer": "http://localhost:PORT@evil.example.net/"},
        403,
        "origin_not_allowed",
    ),
    "cross-site": ({"Sec_Fetch_Site": "cross-site"}, 403, "cross_site_fetch"),
    "same-site": ({"Sec_Fetch_Site": "same-site"}, 403, "cross_site_fetch"),
    "host-foreign": (
        {"Host": "evil.example.net", "Origin": "http://evil.example.net"},
        403,
        "insecure_transport",
    ),
    "no-cookie": ({"Cookie": None}, 401, "login_required"),
    "cookie-non-ascii": ({"Cookie": "session=\xe9; \xff"}, 401, "login_required"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_preauth(visitor: Visitor, server: Server, name: str) -> None:
    """Another page, or nobody, gets a problem that names the reason, never a token."""
    changes, status, reason = HEADERS[name]
    bob = visitor().log_in("bob")
    here = {key: value and value.replace("PORT", str(bob.port)) for key, value in changes.items()}
    wire = bob.wire()
    wire.send(_ask(bob, GOOD, **here))
    _assert_problem(wire.answer(), status, reason)
    _still_usable(wire, bob, server)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE"])
def test_method_of_preauth(visitor: Visitor, server: Server, method: str) -> None:
    """Only a POST is one: links, images and prefetches send none."""
    bob = visitor().log_in("bob")
    wire = bob.wire()
    wire.send(_ask(bob, b"", method=method))
    answer = wire.answer(head=method == "HEAD")
    assert (answer.status, answer.get("Allow")) == (405, "POST")
    assert method == "HEAD" or answer.json["reason"] == "bad_request"
    _still_usable(wire, bob, server)


@pytest.mark.parametrize("size", [17, 5000, 200_000])
def test_chunked_body_of_preauth(visitor: Visitor, server: Server, size: int) -> None:
    """A body that tells no length is read as far as the limit and not further."""
    bob = visitor().log_in("bob")
    body = b'{"path": "/echo"}'.ljust(size)
    wire = bob.wire()
    top = _ask(bob, b"", Content_Length=None, Transfer_Encoding="chunked")
    wire.send(top + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    _assert_problem(wire.answer(), 200 if size == 17 else 400, "bad_request")
    if size < 10_000:
        _still_usable(wire, bob, server)


@pytest.mark.parametrize(
    "length",
    ["-1", "abc", "1e3", "\xb2", "9" * 20, pytest.param("9" * 5000, id="5000-digits")],
)
def test_length_of_preauth(visitor: Visitor, length: str) -> None:
    """A length that is none, or a lie, is a 4xx of the server or a problem of ours."""
    bob = visitor().log_in("bob")
    wire = bob.wire()
    wire.send(_ask(bob, b"", Content_Length=length))
    wire.finish()
    assert 400 <= wire.answer().status < 500
    assert bob.fetch("GET", "/").status == 200


def test_client_that_hangs_up_in_the_body(visitor: Visitor) -> None:
    """Half a body and then nothing is no 5xx, and the next visitor is served."""
    bob = visitor().log_in("bob")
    wire = bob.wire()
    wire.send(_ask(bob, GOOD[:8], Content_Length="4000"))
    wire.finish()
    try:
        assert 400 <= wire.answer().status < 500
    except HungUp:
        pass
    assert bob.fetch("GET", "/").status == 200


# What is left behind.


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\r\n\r\n", id="empty-lines"),
        pytest.param(b"\x00" * 64 + b"\r\n\r\n", id="nul"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, id="tls"),
        pytest.param(b"GET /echo\r\n\r\n", id="http-0.9"),
        pytest.param(b"GET /echo HTTP/9.9\r\nHost: localhost\r\n\r\n", id="http-9.9"),
        pytest.param(b"GET /echo HTTP/1.1\r\nHost", id="cut"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="http-2"),
        pytest.param(b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", id="no-target"),
        pytest.param(b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", id="star"),
    ],
)
def test_garbage(alice: Browser, garbage: bytes) -> None:
    """What is no HTTP is the server's to refuse, and the next visitor is served."""
    with Wire(alice.port) as wire:
        wire.send(garbage)
        wire.finish()
        answer = wire.rest()
    assert not answer.startswith(b"HTTP/1.1 101")
    assert not re.match(rb"HTTP/1\.[01] 50[0-4]", answer)
    assert alice.open().text() == "alice alice"


def test_logs_hold_no_traceback_and_no_credential(scene: Scene, server: Server) -> None:
    """After all of the above: nothing raised, and the guard wrote no token and no ticket."""
    scene.attempt.put(b"Origin", b"http://evil.example.net")
    assert scene.alice.send(scene.attempt).answer().status == 403
    assert server.tracebacks == []
    lines = [line for line in server.log.splitlines() if " refused: " in line]
    assert lines
    assert not [line for line in lines if re.search(r"\b[tk]1\.[A-Za-z0-9_-]{22}", line)]
    assert not [line for line in lines if not line.isprintable()]
