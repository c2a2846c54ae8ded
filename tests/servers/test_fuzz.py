"""A short random differential round: a good handshake, spoilt at random, on two servers.

The oracle is this file's own lenient reading of the bytes: what it does not take for a good
handshake must not connect. The seed is fixed; WSGUARD_FUZZ_SEED and WSGUARD_FUZZ_ROUNDS change it.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from itertools import takewhile
from urllib.parse import unquote_to_bytes

import pytest
from itsdangerous import BadSignature

from tests.wire import Attempt, Browser, Grant, Wire, browsers

from .attacks import session_of
from .conftest import Server, running

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("WSGUARD_FUZZ_SEED", "1"))
ROUNDS = int(os.environ.get("WSGUARD_FUZZ_ROUNDS", "500"))

_CONTROLS = "".join(map(chr, range(33)))
_WORDS = [
    b"\r\n",
    b"\n",
    b"\r\n ",
    b"\x00",
    b"\xff",
    b"%",
    b"&wsguard_token=",
    b"; session=",
    b", ",
    b"Origin: null\r\n",
    b"Origin: http://evil.example.net\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Sec-Fetch-Site: cross-site\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=z\r\n",
    b"Upgrade: h2c\r\n",
    b"Host: evil.example.net\r\n",
    b"[" * 50,
    b"A" * 5000,
]


@pytest.fixture(scope="module", params=["werkzeug", "gthread"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """Two servers of their own, so that a flood of refusals stays out of the other logs."""
    with running(request.param, tmp_path_factory.mktemp("fuzz")) as server:
        yield server


def mutate(good: bytes, dice: random.Random) -> bytes:
    """Spoil a request in one to three places."""
    data = bytearray(good)
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        at = dice.randrange(len(data))
        end = min(len(data), at + dice.choice([1, 1, 2, 8, 40]))
        match dice.randrange(7):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                data[at] ^= 1 << dice.randrange(8)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end]
            case 4:
                data[at:at] = dice.choice(_WORDS)
            case 5:
                lines = bytes(data).split(b"\r\n")
                lines.insert(1 + dice.randrange(len(lines)), dice.choice(lines))
                data = bytearray(b"\r\n".join(lines))
            case 6:
                lines = bytes(data).split(b"\r\n")
                where = dice.randrange(len(lines))
                lines[where] = dice.choice([bytes.upper, bytes.lower, bytes.title])(lines[where])
                data = bytearray(b"\r\n".join(lines))
        if not data:
            return good[:1]
    return bytes(data)


def faults_of(data: bytes, attempt: Attempt, grant: Grant) -> list[str]:
    """Return why these bytes may not open a socket, with every server's leniency granted."""
    # To http.server any white space parts a request line; behind it a lone CR ends a line too,
    # and a line that is no header ends them all. A folded line is one (RFC 9112 section 5.2).
    first, _, rest = data.lstrip(b"\r\n").partition(b"\n")
    top = re.sub(rb"\r\n|\r", b"\n", rest).partition(b"\n\n")[0]
    lines = takewhile(lambda line: b":" in line, re.sub(rb"\n[ \t]+", b" ", top).split(b"\n"))
    words = first.decode("latin-1").split()
    if len(words) != 3 or words[::2] != ["GET", "HTTP/1.1"]:
        return ["request line"]
    # urlsplit drops control bytes in front, as browsers do.
    target = re.fullmatch(
        rb"(?:https?://[^/?]*)?(/[^?#]*)\??([^#]*).*", words[1].lstrip(_CONTROLS).encode("latin-1")
    )
    if not target:
        return ["target"]
    headers: dict[bytes, list[bytes]] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers.setdefault(name.strip().lower(), []).append(value.strip())
    query = [part.partition(b"=") for part in target[2].split(b"&")]
    tokens = [_decoded(value) for name, _, value in query if _decoded(name) == b"wsguard_token"]
    cookies = [
        tuple(part.strip() for part in pair.split(b"=", 1))
        for pair in b";".join(headers.get(b"cookie", [])).split(b";")
    ]
    session, ticket = attempt.cookies
    host = b"localhost:%d" % attempt.port
    demands = {
        "path": unquote_to_bytes(target[1]).lstrip(b"/") == b"echo",
        "token": tokens == [grant.token.encode()],
        "ticket": [pair for pair in cookies if pair[0] == ticket[0]] == [ticket],
        "session": any(_is_session(pair, session) for pair in cookies),
        "origin": _lower(headers, b"origin") == [b"http://" + host],
        "host": _lower(headers, b"host") == [host],
        "upgrade": _lower(headers, b"upgrade") == [b"websocket"],
        "connection": b"upgrade" in b",".join(_lower(headers, b"connection")),
        "version": headers.get(b"sec-websocket-version") == [b"13"],
        "key": len(headers.get(b"sec-websocket-key", [])) == 1,
        "fetch": headers.get(b"sec-fetch-site", [b"same-origin"]) == [b"same-origin"],
        "length": headers.get(b"content-length", [b"0"]) == [b"0"],
        "encoding": b"transfer-encoding" not in headers,
    }
    return [name for name, met in demands.items() if not met]


def _is_session(pair: tuple[bytes, ...], session: tuple[bytes, bytes]) -> bool:
    """Tell whether a cookie opens as the session; Flask's decoder skips foreign bytes in it."""
    if len(pair) != 2 or pair[0] != session[0]:
        return False
    try:
        return session_of(pair[1].decode("latin-1")) == session_of(session[1].decode())
    except BadSignature:
        return False


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _lower(headers: dict[bytes, list[bytes]], name: bytes) -> list[bytes]:
    return [value.lower() for value in headers.get(name, [])]


def _answer(port: int, data: bytes) -> bytes:
    with Wire(port) as wire:
        try:
            wire.send(data)
            wire.finish()
        except OSError:
            pass  # the server has seen enough and is gone
        return wire.rest()


def _good(browser: Browser) -> tuple[Attempt, Grant]:
    grant = browser.preauth()
    attempt = browser.attempt("/echo", grant)
    attempt.cookies = [pair for pair in attempt.cookies if pair[0] == b"session"]
    attempt.put_cookie(grant.cookie.encode(), grant.ticket.encode())
    return attempt, grant


def test_random_handshakes(target: Server) -> None:
    """Never a 5xx, and never a 101 unless the bytes are still a good handshake."""
    dice = random.Random(SEED)
    statuses: dict[bytes, int] = {}
    with browsers(target.port) as make:
        attempt, grant = _good(make().log_in("alice"))
        good = attempt.bytes()
        assert faults_of(good, attempt, grant) == []
        for _ in range(ROUNDS):
            data = mutate(good, dice)
            answer = _answer(target.port, data)
            status = answer[9:12] if answer.startswith(b"HTTP/1.") else b""
            statuses[status] = statuses.get(status, 0) + 1
            # http.server's 505 and gunicorn's 501 are theirs, and right (RFC 9110, RFC 9112).
            assert not re.match(rb"HTTP/1\.[01] 50[0234]", answer), (data, answer[:300])
            if status == b"101":
                faults = faults_of(data, attempt, grant)
                assert not faults, data
        assert _answer(target.port, good).startswith(b"HTTP/1.1 101")
        assert make().log_in("bob").open().text() == "bob bob"
    assert {b"101", b"400", b"403"} <= set(statuses), statuses
    assert target.tracebacks == []
