"""Whose socket is attacked: a visitor who is logged in, and honest so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from ..core.origins import Origin, OriginPolicy
from .knock import Handshake, NoAnswer, Preauth, Target, preauth

TO_ANYBODY = {429, 503}
"""What a limit or a site that is down answers, whoever asks: that is no refusal of an attack."""


class Stopped(NoAnswer):
    """The site judges no more: what it refuses now, it would refuse anybody."""

    def __init__(self, what: str, status: int) -> None:
        """Carry what the site said instead."""
        super().__init__(what)
        self.status = status


@dataclass(frozen=True, slots=True)
class Visit:
    """A logged-in visitor of a site: where, with which cookies, and where preauth is.

    ``carrier`` is where the site takes its token, ``allowed`` whose pages may connect beside its
    own. A 429 or 503 of preauth is waited out, once, where it says so and by ``longest_wait``
    seconds at most; ``wait`` does it.
    """

    target: Target
    prefix: str
    cookies: str
    carrier: str
    longest_wait: int
    wait: Callable[[int], object]
    allowed: OriginPolicy

    def at(self, path: str) -> Visit:
        """Return the same visitor at another path."""
        return replace(self, target=self.target.at(path))

    def allows(self, origin: str) -> bool:
        """Tell whether pages of an origin are no strangers here."""
        page = Origin.parse(origin)
        return page is not None and self.allowed.listed(page) is not None

    def ask(self) -> Preauth:
        """Ask preauth as the site's own page does."""
        return self.ask_from(self.target.origin, "application/json")

    def ask_from(self, origin: str | None, content_type: str) -> Preauth:
        """Ask preauth as a page of ``origin`` does, None for none."""
        ask = partial(
            preauth,
            self.target,
            self.prefix,
            self.cookies,
            origin=origin,
            content_type=content_type,
        )
        answer = ask()
        if answer.retry_after is None or answer.retry_after > self.longest_wait:
            return answer
        # One more: limiters cut the seconds that are left to whole ones.
        self.wait(answer.retry_after + 1)
        return ask()

    def honest(self, granted: Preauth) -> Handshake:
        """Return the handshake of the site's own page; without a guard it carries no token."""
        return Handshake(
            self.target,
            (self.target.origin,),
            tokens=(granted.token,) if granted.token else (),
            param=granted.param,
            carrier=self.carrier,
            cookies="; ".join(part for part in (self.cookies, *granted.cookies) if part),
        )

    def again(self) -> Handshake:
        """Return an honest handshake with a new token. Raises Stopped where none is given."""
        granted = self.ask()
        if not granted.token:
            raise Stopped(said(granted), granted.status)
        return self.honest(granted)


def said(answer: Preauth) -> str:
    """Return why preauth gave no token."""
    later = "" if answer.retry_after is None else f", to come back in {answer.retry_after} s"
    return f"preauth says {answer.reason or answer.status}{later}"
