"""What an attacker tries on a running site: each attack spoils one honest handshake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from ..core.carriers import QUERY, SUBPROTOCOL
from ..core.refusals import Refusal
from ..testing.attacks import HOSTILE_ORIGINS
from .knock import Handshake, NoAnswer, Preauth, Target, knock
from .visit import TO_ANYBODY, Stopped, Visit, said

HOLE, REFUSED, NOTE, OPEN, UNPROVED = "HOLE", "refused", "note", "open", "not proved"

OWN_PAGE = "the site's own page"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one attempt ended: HOLE, refused, note (by design), open (the honest), or not proved."""

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
    return replace(good, tokens=visit.again().tokens) if good.tokens else good


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
    "no token": lambda visit, good: replace(good, tokens=()),
    "two tokens": lambda visit, good: replace(good, tokens=good.tokens * 2),
    "spoilt token": lambda visit, good: replace(
        good, tokens=tuple(f"{token[:-4]}AAAA" for token in good.tokens)
    ),
    "token without its ticket": lambda visit, good: replace(good, cookies=visit.cookies),
    "ticket of another token": _swapped,
    "nobody's session": lambda visit, good: replace(
        good, cookies=good.cookies.removeprefix(visit.cookies).lstrip("; ")
    ),
}
FORCED: dict[str, tuple[Callable[[Target], str | None], str]] = {
    "preauth from a foreign origin": (lambda site: "https://evil.example", "application/json"),
    "preauth from origin null": (lambda site: "null", "application/json"),
    "preauth without an origin": (lambda site: None, "application/json"),
    "preauth by a form": (lambda site: site.origin, "text/plain"),
}


def play(visit: Visit, other_path: str | None) -> Iterator[Verdict]:
    """Play the attacks in turn. The first verdict is the honest one's: if it is not open, stop.

    Where the site stops answering, the last verdict is "not proved" and says at which attack.
    """
    attack = OWN_PAGE
    try:
        granted = visit.ask()
        own = _own_page(visit, granted)
        yield own
        if own.verdict != OPEN:
            return
        for attack, attempt in _attempts(visit, granted, other_path):
            yield Verdict(attack, *attempt())
        attack = f"{OWN_PAGE}, again"
        _must_still_open(visit, granted)
    except NoAnswer as why:
        yield Verdict(attack, UNPROVED, why.status, str(why))


def _own_page(visit: Visit, granted: Preauth) -> Verdict:
    if granted.reason or granted.status in TO_ANYBODY:
        return Verdict(OWN_PAGE, REFUSED, granted.status, said(granted))
    status = knock(visit.honest(granted))
    if status == 101:
        return Verdict(OWN_PAGE, OPEN, status)
    return Verdict(OWN_PAGE, REFUSED, status, _hint(visit, granted, status))


def _hint(visit: Visit, granted: Preauth, status: int) -> str:
    """Say what to try where the site's own page got no further than this."""
    if granted.token and status == 403:
        other = SUBPROTOCOL if visit.carrier == QUERY else QUERY
        return f"preauth gave a token, so try --carrier {other}"
    return f"no preauth at {visit.prefix}: --prefix" if granted.status == 404 else ""


Outcome = tuple[str, int, str]
"""Verdict, status, and what more there is to say."""


def _attempts(
    visit: Visit, granted: Preauth, other_path: str | None
) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    # A public route gives no token and needs none; a site without a guard should have one.
    spoils = OF_ORIGIN if granted.is_public else {**OF_ORIGIN, **OF_CREDENTIALS}
    for attack, spoil in spoils.items():
        yield attack, partial(_spoil, visit, granted, spoil)
    if granted.token:
        yield "replay at once", partial(_replay, visit)
        if other_path:
            yield "replay on another path", partial(_replay_at, visit, other_path)
        for attack, (origin, content_type) in FORCED.items():
            yield attack, partial(_force, visit, origin(visit.target), content_type)


def _spoil(visit: Visit, granted: Preauth, spoil: Spoil) -> Outcome:
    good = visit.again() if granted.token else visit.honest(granted)
    spoilt = spoil(visit, good)
    verdict, status, _ = _judged(spoilt)
    # The origin may be the site's own wish only where nothing but the origin is wrong.
    if verdict != HOLE or len(spoilt.origins) != 1 or spoilt.origins == good.origins:
        return verdict, status, ""
    (page,) = spoilt.origins
    if visit.allows(page):
        return NOTE, status, f"{page} is let in by --allowed"
    return verdict, status, page


def _judged(spoilt: Handshake) -> Outcome:
    status = knock(spoilt)
    if status in TO_ANYBODY:
        raise Stopped("the handshake is not judged", status)
    return HOLE if status == 101 else REFUSED, status, ""


def _replay(visit: Visit) -> Outcome:
    """Use one token twice."""
    good = visit.again()
    knock(good)
    verdict, status, _ = _judged(good)
    if verdict == REFUSED:
        return REFUSED, status, ""
    what = "a holder of both halves connects until they expire, unless WSGUARD_SINGLE_USE is on"
    return NOTE, status, what


def _replay_at(visit: Visit, other_path: str) -> Outcome:
    """Bring a token for one path to another. Only the guard's own refusal counts as one."""
    granted = visit.at(other_path).ask()
    if granted.is_public:
        return NOTE, granted.status, f"{other_path} is public: there is nothing to replay"
    verdict, status, _ = _judged(visit.again().at(other_path))
    known = granted.reason != Refusal.UNKNOWN_PATH.value
    if verdict == HOLE or (status == 403 and known):
        return verdict, status, ""
    return UNPROVED, status, f"is a socket at {other_path}? {said(granted)}"


def _force(visit: Visit, origin: str | None, content_type: str) -> Outcome:
    """Ask for a ticket from outside: it is a hole if a token comes."""
    got = visit.ask_from(origin, content_type)
    if got.status in TO_ANYBODY:
        raise Stopped(said(got), got.status)
    return HOLE if got.token else REFUSED, got.status, got.reason


def _must_still_open(visit: Visit, granted: Preauth) -> None:
    """Raise Stopped where the visitor has been locked out meanwhile, and with him every attack."""
    status = knock(visit.again() if granted.token else visit.honest(granted))
    if status != 101:
        raise Stopped("it is refused by now, and so may be all that came after it", status)
