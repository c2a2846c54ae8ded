"""The way in, on every server: who may connect does, and what refuses does no harm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import quote

import pytest

from tests.wire import CLOSE, PING, PONG, Attempt, Browser, HungUp, Wire

from .conftest import THREADS, Server

pytestmark = pytest.mark.slow

Visitor = Callable[[], Browser]


def without_token(browser: Browser) -> Attempt:
    """Return a handshake that the early gate refuses."""
    return browser.attempt()


def with_another_paths_grant(browser: Browser) -> Attempt:
    """Return one whose fault only the hook sees."""
    return browser.attempt("/echo", browser.preauth("/any"))


REFUSED = pytest.mark.parametrize(
    ("attempt", "reason"),
    [(without_token, "token_missing"), (with_another_paths_grant, "path_mismatch")],
    ids=["by-the-gate", "by-the-hook"],
)


def together(times: int, work: Callable[[int], object]) -> list[object]:
    """Do the work this many times at the same moment, and return what came of it."""
    start = threading.Barrier(times)

    def run(number: int) -> object:
        start.wait(10)
        return work(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


def test_connect_and_echo(alice: Browser) -> None:
    """A page that asks preauth first gets its socket, as the user who is logged in."""
    wire = alice.open()
    assert wire.text() == "alice alice"
    assert wire.say("hello") == "hello"
    assert wire.say("\u00fc" * 200) == "\u00fc" * 200


def test_two_tabs_with_five_sockets_each(alice: Browser) -> None:
    """Ten sockets whose tickets lie in one jar at once all connect: no ticket destroys another."""
    grants = [alice.preauth() for _ in range(10)]
    wires = [alice.send(alice.attempt("/echo", grant)) for grant in grants]
    assert [wire.answer().status for wire in wires] == [101] * 10
    assert [wire.text() for wire in wires] == ["alice alice"] * 10
    assert [wire.say("hello") for wire in wires] == ["hello"] * 10


def test_eight_preauths_in_parallel_are_all_usable(alice: Browser) -> None:
    """Preauths that overtake each other give eight tickets, and each opens a socket."""
    grants = together(8, lambda _: alice.preauth())
    assert len(alice.tickets) == 8
    statuses = together(8, lambda n: alice.send(alice.attempt("/echo", grants[n])).answer().status)
    assert statuses == [101] * 8


def test_sixty_preauths_later_the_site_still_answers(alice: Browser) -> None:
    """The cap keeps the Cookie header short, so that no server answers 431 to the whole site."""
    for _ in range(60):
        alice.preauth()
    assert 8 <= len(alice.tickets) <= 16
    assert sum(len(alice.jar[name]) + len(name) + 3 for name in alice.tickets) <= 4096
    assert alice.fetch("GET", "/").json["user"] == "alice"
    assert alice.open().text() == "alice alice"


def test_several_visitors(visitor: Visitor) -> None:
    """Each browser is its own user, also when all connect at the same moment."""
    users = ["alice", "bob", "alice", "bob", "alice"]
    people = [visitor().log_in(user) for user in users]
    heard = together(5, lambda n: people[n].open().text())
    assert heard == [f"{user} {user}" for user in users]


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("/any", "alice"),
        ("/write", "chat:read chat:write"),
        ("/room/7", "room 7"),
        ("/caf\u00e9", "caf\u00e9"),
        ("/slash/", "slash"),
    ],
)
def test_routes(alice: Browser, path: str, first: str) -> None:
    """Scopes, URL converters, paths beyond ASCII and slashes at the end all connect."""
    assert alice.open(path).text() == first


@pytest.mark.parametrize("spelling", [b"/ech%6F", b"/ech%6f", b"/%65%63%68%6f"])
def test_percent_encoded_path_is_the_path(alice: Browser, spelling: bytes) -> None:
    """The server decodes once before anybody judges, so this *is* ``/echo``."""
    attempt = alice.attempt("/echo", alice.preauth())
    attempt.path = spelling
    wire = alice.send(attempt)
    assert wire.answer().status == 101
    assert wire.text() == "alice alice"


def test_preauth_decodes_the_path_once(alice: Browser) -> None:
    """Preauth takes the pathname as the browser spells it, and binds what the server will see."""
    grant = alice.preauth("/ech\u006f")
    assert alice.open("/echo", grant).text() == "alice alice"
    body = b'{"path": "/ech%6F"}'
    answer = alice.fetch("POST", "/wsguard/preauth", body, {"Content-Type": "application/json"})
    assert answer.status == 200
    body = b'{"path": "/ech%256F"}'
    answer = alice.fetch("POST", "/wsguard/preauth", body, {"Content-Type": "application/json"})
    assert (answer.status, answer.json["reason"]) == (404, "unknown_path")


@pytest.mark.parametrize(
    ("asked", "spelling", "status"),
    [
        pytest.param("/slash/", b"/slash", 308, id="slash-left-out"),
        pytest.param("/echo", b"/echo/", 404, id="slash-too-many"),
        pytest.param("/echo", b"/ech%256F", 404, id="double-encoded"),
        pytest.param("/echo", b"/ECHO", 404, id="upper-case"),
        pytest.param("/echo", b"/nowhere", 404, id="no-rule"),
    ],
)
def test_other_spellings_are_flasks_own(
    alice: Browser, server: Server, asked: str, spelling: bytes, status: int
) -> None:
    """A path no rule serves is Flask's 404 and one slash off its 308: no handshake, no verdict."""
    attempt = alice.attempt(asked, alice.preauth(asked))
    attempt.path = spelling
    assert alice.send(attempt).answer().status == status
    assert server.verdicts() == []


def test_mounted_under_a_prefix(alice: Browser) -> None:
    """SCRIPT_NAME belongs to the path: asked and opened with the prefix, as the page sees it."""
    assert alice.open("/echo", prefix="/mounted").text() == "alice alice"
    assert alice.open("/caf\u00e9", prefix="/mounted").text() == "caf\u00e9"


def test_ticket_of_the_mounted_site_opens_no_other(alice: Browser, server: Server) -> None:
    """Two sites on one host, one secret and one login: the prefix is what keeps them apart."""
    attempt = alice.attempt("/echo", alice.preauth("/echo", prefix="/mounted"))
    assert alice.send(attempt).answer().status == 403
    assert server.verdicts() == ["path_mismatch"]


def test_public_route_needs_no_login(visitor: Visitor) -> None:
    """Preauth says so with nulls and no cookie, and the socket opens without a token."""
    nobody = visitor()
    answer = nobody.ask("/ticker")
    assert (answer.status, answer.json["token"], answer.json["subject"]) == (200, None, None)
    assert answer.all("Set-Cookie") == []
    wire = nobody.send(nobody.attempt("/ticker"))
    assert wire.answer().status == 101
    assert wire.text() == "public None False"


def test_public_route_still_asks_for_the_origin(alice: Browser, server: Server) -> None:
    """``ws_public`` opens a route to everybody on *our* pages."""
    attempt = alice.attempt("/ticker")
    attempt.put(b"Origin", b"https://evil.example.net")
    assert alice.send(attempt).answer().status == 403
    assert server.verdicts() == ["origin_not_allowed"]


@pytest.mark.parametrize("origin", [b"https://evil.example.net", b"null", None])
def test_any_origin_route_knows_nobody(alice: Browser, origin: bytes | None) -> None:
    """A route open to every page shows its handler no user and no session, whoever is logged in."""
    attempt = alice.attempt("/anyone")
    attempt.drop(b"Origin")
    if origin:
        attempt.add(b"Origin", origin)
    wire = alice.send(attempt)
    assert wire.answer().status == 101
    assert wire.text() == "anyone None []"


def test_unmarked_route_is_refused(alice: Browser, server: Server) -> None:
    """A route that somebody forgot is no open door, and the log says which and what to write."""
    assert alice.send(alice.attempt("/forgotten")).answer().status == 403
    assert server.verdicts() == ["unguarded_route"]
    assert "forgotten" in server.log
    assert "Put @ws_protected or @ws_public directly below @sock.route(...)." in server.log


def test_scope_missing_in_the_handler_closes_with_4403(alice: Browser) -> None:
    """``current_ticket.require`` ends a socket in the code that tells the client not to retry."""
    wire = alice.open("/require")
    wire.send_frame(1, b"admin")
    assert wire.closing() == (4403, "scope_missing")
    wire.close()
    wire = alice.open("/require")
    assert wire.say("chat:write") == "granted"


def test_protected_view_without_init_app_never_runs(alice: Browser) -> None:
    """Marks alone guard nothing: such a socket closes before the body of its view runs."""
    attempt = alice.attempt("/bare/echo")
    wire = alice.send(attempt)
    assert wire.answer().status == 101
    assert wire.closing() == (1011, "unguarded")
    assert alice.fetch("GET", "/bare/runs").json == []


def test_ping_and_close_are_the_librarys(alice: Browser) -> None:
    """Nothing stands between the socket and simple-websocket once it is open."""
    wire = alice.open()
    wire.text()
    wire.send_frame(PING, b"are you there")
    assert wire.frame() == (PONG, b"are you there")
    wire.send_frame(CLOSE, b"\x03\xe8")
    # simple-websocket wakes the handler before it answers: the server may hang up first.
    with suppress(HungUp):
        assert wire.closing() == (1000, "")


def test_handler_that_returns_closes_with_1000(alice: Browser) -> None:
    """flask-sock ends a handler with a normal close, as it does unguarded."""
    wire = alice.open("/room/1")
    assert wire.text() == "room 1"
    assert wire.closing() == (1000, "")


@REFUSED
def test_refusal_keeps_the_connection(
    alice: Browser, server: Server, attempt: Callable[[Browser], Attempt], reason: str
) -> None:
    """A 403 never says close: closing makes gunicorn wait for the peer on its main thread."""
    wire = alice.wire()
    page = b"GET / HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % server.port
    wire.send(page)
    ordinary = wire.answer()
    if not server.keeps_alive:
        assert ordinary.get("Connection") == "close", "Werkzeug's server says so on every page"
        wire = alice.wire()
    wire.send(attempt(alice).bytes())
    refused = wire.answer()
    assert refused.status == 403
    assert refused.get("Connection") == ordinary.get("Connection")
    if server.keeps_alive:
        assert refused.get("Connection") in {None, "keep-alive"}
        grant = alice.preauth()
        wire.send(alice.attempt("/echo", grant).bytes())
        assert wire.answer().status == 101
        assert wire.text() == "alice alice"


@REFUSED
def test_refusal_carries_no_cookie_and_no_redirect(
    alice: Browser, server: Server, attempt: Callable[[Browser], Attempt], reason: str
) -> None:
    """A refused handshake tells a stranger nothing, and gives and takes nothing."""
    answer = alice.send(attempt(alice)).answer()
    assert answer.status == 403
    assert answer.all("Set-Cookie") == answer.all("Location") == answer.all("Vary") == []
    assert answer.get("Content-Type") == "text/plain; charset=utf-8"
    assert answer.get("Cache-Control") == "no-store"
    assert answer.body == b"This WebSocket handshake was refused.\n"


@REFUSED
@pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "at-once"])
def test_bad_handshakes_leave_every_thread_free(
    alice: Browser,
    server: Server,
    at_once: bool,
    attempt: Callable[[Browser], Attempt],
    reason: str,
) -> None:
    """More refusals than the server has threads, all of whose clients stay: it still serves."""
    held: list[Wire] = []

    times = 2 * THREADS
    attempts = [attempt(alice) for _ in range(times)]

    def probe(number: int) -> int:
        wire = alice.send(attempts[number])
        held.append(wire)
        return wire.answer().status

    statuses = together(times, probe) if at_once else [probe(n) for n in range(times)]
    assert statuses == [403] * times
    assert len(held) == times
    wires = [alice.open() for _ in range(THREADS - 2)]
    assert [wire.text() for wire in wires] == ["alice alice"] * (THREADS - 2)
    assert alice.fetch("GET", "/").status == 200
    assert server.verdicts() == [reason] * times


def test_clients_that_hang_up_leave_every_thread_free(alice: Browser, server: Server) -> None:
    """Handshakes whose client is gone before the answer, good and bad, block nobody."""
    for number in range(2 * THREADS):
        grant = alice.preauth() if number % 2 else None
        alice.send(alice.attempt("/echo", grant)).close()
    wires = [alice.open() for _ in range(THREADS - 2)]
    assert [wire.text() for wire in wires] == ["alice alice"] * (THREADS - 2)
    assert alice.fetch("GET", "/").status == 200
    refused: list[str] = []
    deadline = time.monotonic() + 10
    while len(refused) < THREADS and time.monotonic() < deadline:
        refused += server.verdicts()
    assert refused == ["token_missing"] * THREADS


def test_head_of_a_page_is_untouched(alice: Browser) -> None:
    """Ordinary pages know nothing of the guard."""
    assert alice.fetch("HEAD", "/").status == 200
    assert alice.fetch("GET", "/" + quote("caf\u00e9")).status == 400
