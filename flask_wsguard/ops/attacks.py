"""What an attacker tries on a running site: each attack spoils one honest handshake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..testing.attacks import HOSTILE_ORIGINS
from .knock import Handshake, Preauth, Target, knock, preauth

HOLE, REFUSED, NOTE, OPEN = "HOLE", "refused", "note", "open"


@dataclass(frozen=True, slots=True)
class Visit:
    """A logged-in visitor of a site: where, with which cookies, and where preauth is."""

    target: Target
    prefix: str
    cookies: str

    def ask(self) -> Preauth:
        """Ask preauth as the site's own page does."""
        return preauth(self.target, self.prefix, self.cookies, origin=self.target.origin)

    def honest(self, granted: Preauth) -> Handshake:
        """Return the handshake of the site's own page; without a guard it carries no token."""
        query = f"{granted.param}={granted.token}" if granted.token else ""
        cookies = "; ".join(part for part in (self.cookies, *granted.cookies) if part)
        return Handshake(self.target, (self.target.origin,), query, cookies)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one attempt ended: HOLE, refused, note (allowed by design), or open (the honest one)."""

    attack: str
    verdict: str
    status: int
    what: str = ""


Spoil = Callable[[Visit, Handshake], Handshake]


def _from(make: Callable[[str], str | None]) -> Spoil:
    def spoil(visit: Visit, good: Handshake) -> Handshake:
        origin = make(visit.target.origin)
        return replace(good, origins=() if origin is None else (origin,))

    return spoil


def _swapped(visit: Visit, good: Handshake) -> Handshake:
    """Bring the token of one preauth with the ticket of another."""
    return replace(good, query=visit.honest(visit.ask()).query)


OF_ORIGIN: dict[str, Spoil] = {
    **{f"Origin {name}": _from(make) for name, make in HOSTILE_ORIGINS.items()},
    "two Origin headers": lambda visit, good: replace(
        good, origins=(*good.origins, "https://evil.example")
    ),
    "cross-site by fetch metadata": lambda visit, good: replace(
        good, headers=(("Sec-Fetch-Site", "cross-site"),)
    ),
}
OF_CREDENTIALS: dict[str, Spoil] = {
    "no token": lambda visit, good: replace(good, query=""),
    "two tokens": lambda visit, good: replace(good, query=f"{good.query}&{good.query}"),
    "spoilt token": lambda visit, good: replace(good, query=f"{good.query[:-4]}AAAA"),
    "token without its ticket": lambda visit, good: replace(good, cookies=visit.cookies),
    "ticket of another token": _swapped,
    "nobody's session": lambda visit, good: replace(
        good, cookies=good.cookies.removeprefix(visit.cookies).lstrip("; ")
    ),
}


def play(visit: Visit, other_path: str | None) -> Iterator[Verdict]:
    """Play the attacks in turn. The first verdict is the honest one's: if it is not open, stop."""
    granted = visit.ask()
    if granted.reason:
        what = f"preauth says {granted.reason}"
        yield Verdict("the site's own page", REFUSED, granted.status, what)
        return
    status = knock(visit.honest(granted))
    yield Verdict("the site's own page", OPEN if status == 101 else REFUSED, status)
    if status != 101:
        return
    # A public route gives no token and needs none; a site without a guard should have one.
    public = granted.status == 200 and not granted.token
    for attack, spoil in (OF_ORIGIN if public else {**OF_ORIGIN, **OF_CREDENTIALS}).items():
        good = visit.honest(visit.ask() if granted.token else granted)
        yield _verdict(attack, knock(spoil(visit, good)))
    if granted.token:
        yield from _replays(visit, other_path)
        yield from _forced_preauths(visit)


def _verdict(attack: str, status: int) -> Verdict:
    return Verdict(attack, HOLE if status == 101 else REFUSED, status)


def _replays(visit: Visit, other_path: str | None) -> Iterator[Verdict]:
    """Use one token twice, and on another path."""
    good = visit.honest(visit.ask())
    knock(good)
    status = knock(good)
    if status == 101:
        what = "a holder of both halves connects until they expire, unless WSGUARD_SINGLE_USE is on"
        yield Verdict("replay at once", NOTE, status, what)
    else:
        yield Verdict("replay at once", REFUSED, status)
    if other_path:
        moved = visit.honest(visit.ask()).at(other_path)
        yield _verdict("replay on another path", knock(moved))


def _forced_preauths(visit: Visit) -> Iterator[Verdict]:
    """Ask for a ticket from outside: it is a hole if a token comes."""
    tries: dict[str, tuple[str | None, str]] = {
        "preauth from a foreign origin": ("https://evil.example", "application/json"),
        "preauth from origin null": ("null", "application/json"),
        "preauth without an origin": (None, "application/json"),
        "preauth by a form": (visit.target.origin, "text/plain"),
    }
    for attack, (origin, content_type) in tries.items():
        got = preauth(
            visit.target, visit.prefix, visit.cookies, origin=origin, content_type=content_type
        )
        yield Verdict(attack, HOLE if got.token else REFUSED, got.status, got.reason)
