"""The attacks on a handshake: one row each, spoilt byte by byte (test_bad_input runs them).

Each row gives the status and, where it is a refusal, the reason. ``FLASK`` stands for an answer of
Flask's router, ``SERVER`` for a 4xx with which the server itself is first. What is refused is sent
to the same site without the extension too, where it must succeed: else a row could pass because its
request was broken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from flask_wsguard.core.tickets import Keys, Ticket, Token, bind, new_id
from tests.sites import SECRET, make_control
from tests.wire import Attempt, Browser, Grant

Visitor = Callable[[], Browser]
KEYS = Keys([SECRET])

SERVER = "the server itself"
CONNECTS = "connects"
FLASK = "Flask itself"
WRONG = "malformed_upgrade"


@dataclass
class Scene:
    """Alice's browser, what preauth gave her for /echo, and her handshake, still a good one."""

    alice: Browser
    visitor: Visitor
    grant: Grant
    attempt: Attempt

    @property
    def other(self) -> Grant:
        """Ask for a second ticket of alice's."""
        return self.alice.preauth()

    def bobs(self) -> Grant:
        """Let bob ask for a ticket in his own browser."""
        return self.visitor().log_in("bob").preauth()

    def carry(self, grant: Grant, ticket: str | None = None) -> None:
        """Give the handshake this token, and its cookie."""
        self.attempt.query = grant.query
        self.attempt.put_cookie(grant.cookie.encode(), (ticket or grant.ticket).encode())

    def mint(self, keys: Keys = KEYS, **changes: Any) -> Grant:
        """Sign a ticket and its token as the site would, with some of their fields changed."""
        now = int(time.time())
        session = session_of(self.alice.jar["session"])
        ticket = Ticket(
            id=new_id(),
            user_id="alice",
            scopes=frozenset({"chat:read"}),
            binding=bind(f"localhost:{self.alice.port}", "/echo"),
            session=KEYS.fingerprint("alice", session["_wsguard"]),
            issued_at=now,
            expires_at=now + 30,
        )
        both = {key: value for key, value in changes.items() if key in Token._fields}
        ticket = ticket._replace(**changes)
        token = Token(ticket.id, ticket.binding, ticket.issued_at, ticket.expires_at)
        token = token._replace(**both)
        return Grant(keys.mint_token(token), f"wsguard-{ticket.id}", keys.mint_ticket(ticket))


def session_of(cookie: str) -> dict[str, Any]:
    """Open a session cookie as the site does. Raises BadSignature."""
    app = make_control()
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    session: dict[str, Any] = signer.loads(cookie)
    return session


Change = Callable[[Scene], object]
ATTACKS: list[Any] = []


def attack(
    name: str,
    status: int | tuple[int, ...],
    reason: str | tuple[str, ...],
    *,
    control: str = "alice",
) -> Callable[[Change], Change]:
    """Add a row. ``control`` is whom the site without the extension connects, empty for nobody."""

    def add(change: Change) -> Change:
        statuses = (status,) if isinstance(status, int) else status
        reasons = (reason,) if isinstance(reason, str) else reason
        ATTACKS.append(pytest.param(change, statuses, reasons, control, id=name))
        return change

    return add


def row(
    name: str,
    status: int | tuple[int, ...],
    reason: str | tuple[str, ...],
    change: Change,
    *,
    control: str = "alice",
) -> None:
    """Add a row that one expression describes."""
    attack(name, status, reason, control=control)(change)


def header(
    name: str,
    status: int | tuple[int, ...],
    reason: str | tuple[str, ...],
    key: bytes,
    value: bytes,
) -> None:
    """Add a row that gives one header another value."""
    row(name, status, reason, lambda scene: scene.attempt.put(key, value))


# Half of what it takes.


row("no-cookie", 403, "ticket_missing", lambda s: s.attempt.cookies.clear(), control="None")
row("no-ticket", 403, "ticket_missing", lambda s: s.attempt.drop_cookie(s.grant.cookie.encode()))
row(
    "no-session",
    403,
    "session_ended",
    lambda s: s.attempt.drop_cookie(b"session"),
    control="None",
)


@attack("no-token", 403, "token_missing")
def _(scene: Scene) -> None:
    scene.attempt.query = b""


@attack("neither", 403, "token_missing")
def _(scene: Scene) -> None:
    scene.attempt.query = b""
    scene.attempt.drop_cookie(scene.grant.cookie.encode())


@attack("nothing-at-all", 403, "token_missing", control="None")
def _(scene: Scene) -> None:
    scene.attempt.query = b""
    scene.attempt.cookies.clear()


# Two halves that do not belong together.


@attack("token-of-another-user", 403, "ticket_missing")
def _(scene: Scene) -> None:
    scene.attempt.query = scene.bobs().query


@attack("token-of-another-user-under-a-renamed-ticket", 403, "ticket_mismatch")
def _(scene: Scene) -> None:
    scene.carry(scene.bobs(), ticket=scene.grant.ticket)


@attack("ticket-of-another-user-under-the-name", 403, "ticket_mismatch")
def _(scene: Scene) -> None:
    scene.carry(scene.grant, ticket=scene.bobs().ticket)


@attack("both-halves-of-another-user", 403, "user_changed")
def _(scene: Scene) -> None:
    scene.carry(scene.bobs())


@attack("token-of-the-same-users-other-ticket", 403, "ticket_missing")
def _(scene: Scene) -> None:
    scene.attempt.query = scene.other.query


@attack("token-of-the-same-users-other-ticket-renamed", 403, "ticket_mismatch")
def _(scene: Scene) -> None:
    scene.carry(scene.other, ticket=scene.grant.ticket)


@attack("ticket-as-token", 403, "token_invalid")
def _(scene: Scene) -> None:
    scene.attempt.query = b"wsguard_token=" + scene.grant.ticket.encode()


@attack("token-as-ticket", 403, "ticket_invalid")
def _(scene: Scene) -> None:
    scene.carry(scene.grant, ticket=scene.grant.token)


@attack("session-as-ticket", 403, "ticket_invalid")
def _(scene: Scene) -> None:
    scene.carry(scene.grant, ticket=scene.alice.jar["session"])


# Tampered and forged.


def _tamper(text: str, segment: int, at: int = 0) -> str:
    parts = text.split(".")
    letters = list(parts[segment])
    letters[at] = "B" if letters[at] == "A" else "A"
    if letters[at - 1 if at else 0].isdigit():
        letters[at] = "9" if parts[segment][at] != "9" else "8"
    parts[segment] = "".join(letters)
    assert ".".join(parts) != text
    return ".".join(parts)


for _number, _name in enumerate(["type", "sub", "issued", "expires", "binding", "signature"]):

    @attack(f"token-tampered-{_name}", 403, "token_invalid")
    def _(scene: Scene, number: int = _number) -> None:
        scene.attempt.query = b"wsguard_token=" + _tamper(scene.grant.token, number).encode()


for _number, _name in enumerate(["type", "payload", "signature"]):

    @attack(f"ticket-tampered-{_name}", 403, "ticket_invalid")
    def _(scene: Scene, number: int = _number) -> None:
        scene.carry(scene.grant, ticket=_tamper(scene.grant.ticket, number))


def _respell(text: str) -> str:
    """Change the bits of the last base64 letter that a decoder ignores."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + letters[letters.index(text[-1]) + 1]


for _name, _spell in {
    "padded": lambda text: text + "=",
    "spare-bits": _respell,
    "foreign-byte": lambda text: text[:-3] + "!" + text[-3:],
    "cut": lambda text: text[:-1],
    "dot-behind": lambda text: text + ".",
    "newline-behind": lambda text: text + "%0A",
    "space-in-front": lambda text: "%20" + text,
    "nul-behind": lambda text: text + "%00",
}.items():

    @attack(f"token-spelt-{_name}", 403, "token_invalid")
    def _(scene: Scene, spell: Callable[[str], str] = _spell) -> None:
        scene.attempt.query = b"wsguard_token=" + spell(scene.grant.token).encode()


for _name, _spell in {
    "padded": lambda text: text + "=",
    "spare-bits": _respell,
    "quoted": lambda text: f'"{text}"',
    "percent-encoded": lambda text: text.replace(".", "%2E"),
    "cut": lambda text: text[:-1],
    "empty": lambda text: " ",
}.items():

    @attack(f"ticket-spelt-{_name}", 403, "ticket_invalid")
    def _(scene: Scene, spell: Callable[[str], str] = _spell) -> None:
        scene.carry(scene.grant, ticket=spell(scene.grant.ticket))


row("token-empty", 403, "token_invalid", lambda s: setattr(s.attempt, "query", b"wsguard_token="))
row("token-bare", 403, "token_invalid", lambda s: setattr(s.attempt, "query", b"wsguard_token"))
row(
    "token-without-name",
    403,
    "token_missing",
    lambda s: setattr(s.attempt, "query", s.grant.token.encode()),
)
row("minted-and-good", 101, CONNECTS, lambda s: s.carry(s.mint()))
row("other-secret", 403, "token_invalid", lambda s: s.carry(s.mint(Keys(["another secret"]))))


@attack("other-secret-for-the-ticket", 403, "ticket_invalid")
def _(scene: Scene) -> None:
    forged = scene.mint(Keys(["another secret"]), id=scene.grant.cookie.removeprefix("wsguard-"))
    scene.carry(scene.grant, ticket=forged.ticket)


row("scope-missing", 403, "scope_missing", lambda s: s.carry(s.mint(scopes=frozenset())))
row("scope-of-another", 403, "scope_missing", lambda s: s.carry(s.mint(scopes=frozenset({"x"}))))


# Time. The leeway is five seconds.


def _when(scene: Scene, issued: int, expires: int, token: bool, ticket: bool) -> None:
    now = int(time.time())
    good = scene.mint()
    moved = scene.mint(
        id=good.cookie.removeprefix("wsguard-"), issued_at=now + issued, expires_at=now + expires
    )
    scene.carry(
        Grant((moved if token else good).token, good.cookie, (moved if ticket else good).ticket)
    )


row("expired", 403, "token_expired", lambda s: _when(s, -60, -30, True, True))
row("expired-ticket", 403, "ticket_expired", lambda s: _when(s, -60, -30, False, True))
row("expired-token", 403, "token_expired", lambda s: _when(s, -60, -30, True, False))
row("expired-within-the-leeway", 101, CONNECTS, lambda s: _when(s, -32, -2, True, True))
row("from-the-future", 403, "token_invalid", lambda s: _when(s, 60, 90, True, True))
row("ticket-from-the-future", 403, "ticket_invalid", lambda s: _when(s, 60, 90, False, True))
row("from-the-near-future", 101, CONNECTS, lambda s: _when(s, 3, 33, True, True))
row("from-the-far-past-and-for-ever", 101, CONNECTS, lambda s: _when(s, -9, 999, True, True))


# Another path or host.


@attack("other-path", 403, "path_mismatch", control="")
def _(scene: Scene) -> None:
    scene.attempt.path = b"/any"


@attack("other-path-of-a-converter", 403, "path_mismatch", control="")
def _(scene: Scene) -> None:
    scene.carry(scene.alice.preauth("/room/1"))
    scene.attempt.path = b"/room/01"


@attack("other-room", 403, "path_mismatch", control="")
def _(scene: Scene) -> None:
    scene.carry(scene.alice.preauth("/room/1"))
    scene.attempt.path = b"/room/2"


@attack("under-the-prefix", 403, "path_mismatch", control="")
def _(scene: Scene) -> None:
    scene.attempt.path = b"/mounted/echo"


row("other-binding", 403, "path_mismatch", lambda s: s.carry(s.mint(binding="A" * 22)))


@attack("slash-doubled-in-front", (403, 101), ("path_mismatch", CONNECTS), control="")
def _(scene: Scene) -> None:
    scene.attempt.path = b"//echo"


@attack("other-host", 403, "path_mismatch")
def _(scene: Scene) -> None:
    host = b"sub.localhost:%d" % scene.alice.port
    scene.attempt.put(b"Host", host)
    scene.attempt.put(b"Origin", b"http://" + host)


for _name, _path, _status, _reason in [
    ("slash-behind", b"/echo/", 404, FLASK),
    ("slash-doubled", b"/room//1", 308, FLASK),
    ("slash-encoded", b"/echo%2F", 404, FLASK),
    ("upper-case", b"/ECHO", 404, FLASK),
    ("double-encoded", b"/ech%256F", 404, FLASK),
    ("dot-segment", b"/./echo", 404, FLASK),
    ("dot-dot-segment", b"/any/../echo", 404, FLASK),
    ("parameter", b"/echo;x=1", 404, FLASK),
    ("nul-behind", b"/echo%00", 404, FLASK),
    ("newline-behind", b"/echo%0A", 404, FLASK),
    ("invalid-utf-8", b"/echo%FF", 404, FLASK),
    ("half-a-percent", b"/echo%", 404, FLASK),
    ("no-such", b"/nowhere", 404, FLASK),
    ("percent-encoded", b"/ech%6F", 101, CONNECTS),
]:

    @attack(f"path-{_name}", _status, _reason)
    def _(scene: Scene, path: bytes = _path) -> None:
        scene.attempt.path = path


# Another page. With the cookies of alice, which is what a browser sends: SameSite counts no port.


def _port(scene: Scene) -> bytes:
    return b"%d" % scene.alice.port


def origin(name: str, reason: str, value: bytes, *early: int) -> None:
    """Add a row whose Origin differs; PORT stands for the site's own."""
    status = 101 if reason == CONNECTS else 403
    row(
        f"origin-{name}",
        (status, *early),
        (reason, SERVER) if early else reason,
        lambda s: s.attempt.put(b"Origin", value.replace(b"PORT", _port(s))),
    )


origin("foreign", "origin_not_allowed", b"http://evil.example.net")
origin("foreign-https", "origin_not_allowed", b"https://evil.example.net")
origin("sibling", "origin_not_allowed", b"http://sibling.localhost:PORT")
origin("look-alike-behind", "origin_not_allowed", b"http://localhost:PORT.evil.example.net")
origin("look-alike-in-front", "origin_not_allowed", b"http://evillocalhost:PORT")
origin("userinfo", "origin_not_allowed", b"http://localhost:PORT@evil.example.net")
origin("userinfo-reversed", "origin_not_allowed", b"http://evil.example.net@localhost:PORT")
origin("loopback-by-number", "origin_not_allowed", b"http://127.0.0.1:PORT")
origin("loopback-ipv6", "origin_not_allowed", b"http://[::1]:PORT")
origin("other-port", "origin_not_allowed", b"http://localhost:1")
origin("no-port", "origin_not_allowed", b"http://localhost")
origin("other-scheme", "origin_not_allowed", b"https://localhost:PORT")
origin("scheme-ws", "origin_not_allowed", b"ws://localhost:PORT")
origin("scheme-extension", "origin_not_allowed", b"chrome-extension://localhost:PORT")
origin("scheme-file", "origin_not_allowed", b"file://")
origin("no-scheme", "origin_not_allowed", b"localhost:PORT")
origin("null", "origin_not_allowed", b"null")
origin("null-upper-case", "origin_not_allowed", b"NULL")
origin("empty", "origin_missing", b"")
origin("star", "origin_not_allowed", b"*")
origin("with-a-slash", "origin_not_allowed", b"http://localhost:PORT/")
origin("with-a-path", "origin_not_allowed", b"http://localhost:PORT/echo")
origin("with-a-query", "origin_not_allowed", b"http://localhost:PORT?")
origin("with-a-backslash", "origin_not_allowed", b"http://localhost:PORT\\")
origin("trailing-dot", "origin_not_allowed", b"http://localhost.:PORT")
origin("bad-bracket", "origin_not_allowed", b"http://[::1")
origin("bad-port", "origin_not_allowed", b"http://localhost:99999")
origin("port-of-letters", "origin_not_allowed", b"http://localhost:abc")
origin("port-padded", "origin_not_allowed", b"http://localhost:0PORT")
origin("two-in-one", "origin_not_allowed", b"http://localhost:PORT, http://localhost:PORT")
origin("two-by-space", "origin_not_allowed", b"http://localhost:PORT http://evil.example.net")
origin("percent-encoded", "origin_not_allowed", b"http://%6Cocalhost:PORT")
origin("control-byte", "origin_not_allowed", b"http://localhost:PORT\x7f", 400)
origin("tab-inside", "origin_not_allowed", b"http://local\thost:PORT")
origin("non-ascii", "origin_not_allowed", b"http://localh\xc3\xb6st:PORT")
origin("own-in-upper-case", CONNECTS, b"HTTP://LOCALHOST:PORT")

row(
    "origin-missing",
    403,
    "origin_missing",
    lambda s: s.attempt.drop(b"Origin"),
)
row(
    "origin-missing-with-a-referer",
    403,
    "origin_missing",
    lambda s: (s.attempt.drop(b"Origin"), s.attempt.put(b"Referer", s.alice.origin.encode())),
)
for _name, _second in {
    "foreign-second": b"http://evil.example.net",
    "twice-the-same": None,
    "empty-second": b"",
}.items():

    @attack(f"origin-headers-{_name}", 403, "origin_not_allowed")
    def _(scene: Scene, second: bytes | None = _second) -> None:
        scene.attempt.add(b"Origin", scene.alice.origin.encode() if second is None else second)


@attack("origin-headers-foreign-first", 403, "origin_not_allowed")
def _(scene: Scene) -> None:
    scene.attempt.put(b"Origin", b"http://evil.example.net")
    scene.attempt.add(b"Origin", scene.alice.origin.encode())


for _name, _status, _reason in [
    ("cross-site", 403, "cross_site_fetch"),
    ("same-site", 403, "cross_site_fetch"),
    ("none", 403, "cross_site_fetch"),
    ("", 403, "cross_site_fetch"),
    ("Same-Origin", 403, "cross_site_fetch"),
    ("same-origin, cross-site", 403, "cross_site_fetch"),
    ("same-origin", 101, CONNECTS),
]:
    header(
        f"sec-fetch-site-{_name or 'empty'}",
        _status,
        _reason,
        b"Sec-Fetch-Site",
        _name.encode(),
    )


@attack("rebinding", 403, "insecure_transport")
def _(scene: Scene) -> None:
    scene.attempt.put(b"Host", b"evil.example.net")
    scene.attempt.put(b"Origin", b"http://evil.example.net")


# Two of a kind.


for _name, _join in {
    "the-same": lambda token: [b"wsguard_token=" + token] * 2,
    "empty-second": lambda token: [b"wsguard_token=" + token, b"wsguard_token="],
    "empty-first": lambda token: [b"wsguard_token=", b"wsguard_token=" + token],
    "spelt-differently": lambda token: [b"wsguard_token=" + token, b"wsguard%5Ftoken=x"],
    "spelt-differently-first": lambda token: [b"wsguard%5Ftoken=x", b"wsguard_token=" + token],
    "bare": lambda token: [b"wsguard_token=" + token, b"wsguard_token"],
}.items():

    @attack(f"two-tokens-{_name}", 403, "token_invalid")
    def _(scene: Scene, join: Callable[[bytes], list[bytes]] = _join) -> None:
        scene.attempt.query = b"&".join(join(scene.grant.token.encode()))


@attack("two-tokens-of-two-tickets", 403, "token_invalid")
def _(scene: Scene) -> None:
    other = scene.alice.preauth()
    scene.attempt.put_cookie(other.cookie.encode(), other.ticket.encode())
    scene.attempt.query = scene.grant.query + b"&" + other.query


@attack("other-parameters-beside-the-token", 101, CONNECTS)
def _(scene: Scene) -> None:
    scene.attempt.query = b"room=1&room=2&" + scene.grant.query + b"&x=%FF&&=&%"


@attack("two-cookies-of-one-name", 403, "ticket_invalid")
def _(scene: Scene) -> None:
    scene.attempt.cookies.append((scene.grant.cookie.encode(), b"planted"))


@attack("two-cookies-of-one-name-planted-first", 403, "ticket_invalid")
def _(scene: Scene) -> None:
    scene.attempt.cookies.insert(0, (scene.grant.cookie.encode(), b"planted"))


@attack("two-cookies-of-one-name-the-same", 403, "ticket_invalid")
def _(scene: Scene) -> None:
    scene.attempt.cookies.append((scene.grant.cookie.encode(), scene.grant.ticket.encode()))


@attack("planted-ticket-behind-a-no-break-space", 101, CONNECTS)
def _(scene: Scene) -> None:
    """Put another cookie beside: a parser that strips it takes it for a second ticket."""
    scene.attempt.cookies.insert(0, (b"\xa0" + scene.grant.cookie.encode(), b"planted"))
    scene.attempt.cookies.insert(0, (scene.grant.cookie.encode() + b"\x85", b"planted"))


@attack("ticket-behind-a-no-break-space", 403, "ticket_missing")
def _(scene: Scene) -> None:
    scene.attempt.drop_cookie(scene.grant.cookie.encode())
    scene.attempt.cookies.append(
        (b"\xa0" + scene.grant.cookie.encode(), scene.grant.ticket.encode())
    )


@attack("ticket-spelt-with-a-no-break-space", 403, "ticket_invalid")
def _(scene: Scene) -> None:
    scene.attempt.drop_cookie(scene.grant.cookie.encode())
    ticket = scene.grant.ticket.encode() + b"\xa0"
    scene.attempt.cookies.insert(0, (scene.grant.cookie.encode(), ticket))


@attack("ticket-under-the-name-for-https", 403, "ticket_missing")
def _(scene: Scene) -> None:
    scene.attempt.drop_cookie(scene.grant.cookie.encode())
    name = b"__Host-Http-" + scene.grant.cookie.encode()
    scene.attempt.put_cookie(name, scene.grant.ticket.encode())


@attack("two-sessions-planted-first", 403, "user_changed", control="bob")
def _(scene: Scene) -> None:
    mallory = scene.visitor().log_in("bob")
    scene.attempt.cookies.insert(0, (b"session", mallory.jar["session"].encode()))


@attack("two-sessions-planted-second", 403, "user_changed")
def _(scene: Scene) -> None:
    mallory = scene.visitor().log_in("bob")
    scene.attempt.cookies.append((b"session", mallory.jar["session"].encode()))


@attack("session-tampered", 403, "session_ended", control="None")
def _(scene: Scene) -> None:
    scene.attempt.put_cookie(b"session", scene.alice.jar["session"][:-5].encode() + b"AAAAA")


# What happens in between.


@attack("logged-out-in-between", 403, "session_ended", control="None")
def _(scene: Scene) -> None:
    scene.alice.log_out()
    scene.attempt.put_cookie(b"session", scene.alice.jar.get("session", "").encode())


@attack("logged-out-with-the-old-cookie-kept", 403, "session_ended")
def _(scene: Scene) -> None:
    scene.alice.log_out()


@attack("another-user-logged-in-in-between", 403, "user_changed", control="bob")
def _(scene: Scene) -> None:
    scene.alice.log_in("bob")
    scene.attempt.put_cookie(b"session", scene.alice.jar["session"].encode())


@attack("logged-in-again-in-between", 403, "session_ended")
def _(scene: Scene) -> None:
    scene.alice.log_in("alice")
    scene.attempt.put_cookie(b"session", scene.alice.jar["session"].encode())


# Foreign bytes, and too many of them.


BEYOND = b"\xc3\xa9\xff"


for _name, _status, _reason in [
    (b"User-Agent", 101, CONNECTS),
    (b"Referer", 101, CONNECTS),
    (b"Accept-Language", 101, CONNECTS),
    (b"Sec-Fetch-Site", 403, "cross_site_fetch"),
    (b"Sec-WebSocket-Version", 426, "malformed_upgrade"),
    (b"Sec-WebSocket-Protocol", 400, "malformed_upgrade"),
    (b"Sec-WebSocket-Extensions", 400, "malformed_upgrade"),
]:
    header(f"non-ascii-{_name.decode()}", _status, _reason, _name, BEYOND)

header("non-ascii-Sec-WebSocket-Key", 400, "malformed_upgrade", b"Sec-WebSocket-Key", b"\xe9" * 24)
header("non-ascii-Connection", 400, "malformed_upgrade", b"Connection", b"Upgrade, " + BEYOND)
header("non-ascii-Upgrade", 400, FLASK, b"Upgrade", b"websocket" + BEYOND)
header("non-ascii-Host", 400, WRONG, b"Host", b"localh\xc3\xb6st")


@attack("non-ascii-Cookie", 403, "ticket_missing", control="None")
def _(scene: Scene) -> None:
    scene.attempt.cookies = [(BEYOND, BEYOND)]


@attack("non-ascii-cookie-beside", 101, CONNECTS)
def _(scene: Scene) -> None:
    scene.attempt.cookies.insert(0, (b"x" + BEYOND, BEYOND))


@attack("non-ascii-ticket", 403, "ticket_invalid")
def _(scene: Scene) -> None:
    scene.attempt.put_cookie(scene.grant.cookie.encode(), scene.grant.ticket.encode() + BEYOND)


@attack("non-ascii-session", 403, "session_ended", control="None")
def _(scene: Scene) -> None:
    scene.attempt.put_cookie(b"session", BEYOND)


@attack("non-ascii-path", (400, 404), (FLASK, SERVER))
def _(scene: Scene) -> None:
    scene.attempt.path = b"/echo" + BEYOND


for _name, _extra, _status, _reason in [
    ("token", b"", (403, 400), ("token_invalid", SERVER)),
    ("token-encoded", b"%C3%A9%FF", 403, "token_invalid"),
]:

    @attack(f"non-ascii-{_name}", _status, _reason)
    def _(scene: Scene, extra: bytes = _extra) -> None:
        scene.attempt.query = scene.grant.query + (extra or BEYOND)


@attack("non-ascii-query-beside", (101, 400), (CONNECTS, SERVER))
def _(scene: Scene) -> None:
    scene.attempt.query = BEYOND + b"=" + BEYOND + b"&" + scene.grant.query


LONG = b"a" * 8192
TOO_LONG = (400, 414, 431)


for _name, _reason in [
    (b"Origin", "origin_not_allowed"),
    (b"Sec-Fetch-Site", "cross_site_fetch"),
    (b"Sec-WebSocket-Key", "malformed_upgrade"),
    (b"Sec-WebSocket-Version", "malformed_upgrade"),
    (b"Connection", FLASK),
    (b"Upgrade", FLASK),
    (b"Host", FLASK),
]:
    header(f"8k-{_name.decode()}", (403, 426, *TOO_LONG), (_reason, SERVER), _name, LONG)

header("8k-subprotocol", (101, *TOO_LONG), (CONNECTS, SERVER), b"Sec-WebSocket-Protocol", LONG)
header("8k-extension", (101, *TOO_LONG), (CONNECTS, SERVER), b"Sec-WebSocket-Extensions", LONG)


@attack("8k-token", (403, *TOO_LONG), ("token_invalid", SERVER))
def _(scene: Scene) -> None:
    scene.attempt.query = b"wsguard_token=" + LONG


@attack("8k-ticket", (403, *TOO_LONG), ("ticket_invalid", SERVER))
def _(scene: Scene) -> None:
    scene.attempt.put_cookie(scene.grant.cookie.encode(), b"k1." + LONG)


@attack("8k-session", (403, *TOO_LONG), ("session_ended", SERVER), control="None")
def _(scene: Scene) -> None:
    scene.attempt.put_cookie(b"session", LONG)


@attack("8k-path", (404, *TOO_LONG), (FLASK, SERVER))
def _(scene: Scene) -> None:
    scene.attempt.path = b"/echo" + LONG


@attack("8k-of-parameters", (101, *TOO_LONG), (CONNECTS, SERVER))
def _(scene: Scene) -> None:
    scene.attempt.query = scene.grant.query + b"&" * 8192


# Upgrades that are none. Flask's router takes them for a page, or we say what is wrong.


row("no-key", 400, WRONG, lambda s: s.attempt.drop(b"Sec-WebSocket-Key"))
header("empty-key", 400, WRONG, b"Sec-WebSocket-Key", b"")
header("short-key", 400, WRONG, b"Sec-WebSocket-Key", b"c2hvcnQ=")
header("long-key", 400, WRONG, b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZSBpcyBsb25n")
header("key-of-spaces", 400, WRONG, b"Sec-WebSocket-Key", b"A A" * 8)
row(
    "two-keys",
    400,
    WRONG,
    lambda s: s.attempt.add(b"Sec-WebSocket-Key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
)
row("no-version", 400, WRONG, lambda s: s.attempt.drop(b"Sec-WebSocket-Version"))
header("version-8", 426, WRONG, b"Sec-WebSocket-Version", b"8")
header("version-13-and-8", 426, WRONG, b"Sec-WebSocket-Version", b"13, 8")
header("version-013", 426, WRONG, b"Sec-WebSocket-Version", b"013")
row("no-connection", 400, FLASK, lambda s: s.attempt.drop(b"Connection"))
header("connection-close", (400, 404), FLASK, b"Connection", b"close")
row("no-upgrade", 400, FLASK, lambda s: s.attempt.drop(b"Upgrade"))
header("upgrade-h2c", 400, FLASK, b"Upgrade", b"h2c")
header("upgrade-both", 400, FLASK, b"Upgrade", b"websocket, h2c")
header("upgrade-ie-11", 101, CONNECTS, b"Upgrade", b"Websocket")
header("connection-firefox", 101, CONNECTS, b"Connection", b"keep-alive, Upgrade")
header("connection-upper-case", 101, CONNECTS, b"Connection", b"UPGRADE")
row("no-host", 400, WRONG, lambda s: s.attempt.drop(b"Host"))
header("empty-host", 400, WRONG, b"Host", b"")
header("host-of-dots", 400, FLASK, b"Host", b"a..b")
header("host-of-brackets", 403, "insecure_transport", b"Host", b"[::1")
header("host-with-a-space", 403, "insecure_transport", b"Host", b"local host")

for _method, _status, _reason in [
    (b"HEAD", 400, WRONG),
    (b"OPTIONS", 400, WRONG),
    (b"POST", 405, FLASK),
    (b"PUT", 405, FLASK),
    (b"BREW", (400, 405, 501), FLASK),
]:
    row(
        f"method-{_method.decode()}",
        _status,
        _reason,
        lambda s, method=_method: setattr(s.attempt, "method", method),
    )

row("http-1.0", 400, WRONG, lambda s: setattr(s.attempt, "protocol", b"HTTP/1.0"))


@attack("body-that-is-another-request", 400, WRONG)
def _(scene: Scene) -> None:
    scene.attempt.body = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    scene.attempt.put(b"Content-Length", b"%d" % len(scene.attempt.body))


@attack("body-in-chunks", 400, WRONG)
def _(scene: Scene) -> None:
    scene.attempt.put(b"Transfer-Encoding", b"chunked")
    scene.attempt.body = b"5\r\nhello\r\n0\r\n\r\n"


header("body-of-no-bytes", 101, CONNECTS, b"Content-Length", b"0")
header(
    "content-length-of-5000-digits",
    (400, 413, 431),
    (WRONG, SERVER),
    b"Content-Length",
    b"9" * 5000,
)
header("content-length-negative", 400, (WRONG, SERVER), b"Content-Length", b"-1")
header("content-length-of-letters", 400, (WRONG, SERVER), b"Content-Length", b"abc")
header(
    "content-length-in-arabic-digits", 400, (WRONG, SERVER), b"Content-Length", "\u0665".encode()
)
# RFC 9112 section 6.1 asks a server for this 501, so gunicorn's stays.
header(
    "transfer-encoding-of-nonsense", (400, 501), (WRONG, SERVER), b"Transfer-Encoding", b"nonsense"
)

for _name, _offer, _status in [
    ("window-bits-of-letters", b"client_max_window_bits=abc", 400),
    ("window-bits-empty", b"client_max_window_bits=", 400),
    ("window-bits-huge", b"client_max_window_bits=" + b"9" * 400, 400),
    ("window-bits-negative", b"server_max_window_bits=-1", 400),
    ("unknown-parameter", b"bogus=1", 400),
    ("only-semicolons", b";;;;", 400),
    ("window-bits-99", b"server_max_window_bits=99", (101, 400)),
    ("window-bits-0", b"server_max_window_bits=0", (101, 400)),
    ("server-bits-without-value", b"server_max_window_bits", (101, 400)),
    ("as-chrome-sends-it", b"client_max_window_bits", 101),
]:
    header(
        f"deflate-{_name}",
        _status,
        {400: WRONG, 101: CONNECTS}.get(_status, (CONNECTS, WRONG)),
        b"Sec-WebSocket-Extensions",
        b"permessage-deflate; " + _offer,
    )

header("extension-of-nonsense", 101, CONNECTS, b"Sec-WebSocket-Extensions", b'=;,;=, x;y="z')
header("extension-unknown", 101, CONNECTS, b"Sec-WebSocket-Extensions", b"bogus; a=b")
header("subprotocol-unknown", 101, CONNECTS, b"Sec-WebSocket-Protocol", b"a, b,, ,c")

for _name, _line in {
    "control-byte-in-a-value": (b"X-Odd", b"a\x01b"),
    "nul-in-a-value": (b"X-Odd", b"a\x00b"),
    "carriage-return-in-a-value": (b"X-Odd", b"a\rb"),
    "vertical-tab-in-a-value": (b"X-Odd", b"a\x0bb"),
    "space-in-a-name": (b"X Odd", b"1"),
    "space-behind-a-name": (b"X-Odd ", b"1"),
    "non-ascii-name": (b"X-\xe9", b"1"),
    "braces-in-a-name": (b"X{Odd}", b"1"),
    "slash-in-a-name": (b"X/Odd", b"1"),
    "underscore-in-a-name": (b"X_Odd", b"1"),
    "empty-name": (b"", b"1"),
    "folded-line": (b"X-Odd", b"a\r\n b"),
    "underscored-origin": (b"Sec_Fetch_Site", b"cross-site"),
}.items():

    @attack(_name, (101, 400), (CONNECTS, WRONG, SERVER))
    def _(scene: Scene, line: tuple[bytes, bytes] = _line) -> None:
        scene.attempt.headers.insert(1, line)
