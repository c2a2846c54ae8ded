"""What pages of other origins would send, against a route that should refuse all of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from urllib.parse import urlsplit

from flask.testing import FlaskClient

from ..core.refusals import Refusal
from .handshakes import Accepted, Refused, handshake

Make = Callable[[str], str | None]

HOSTILE_ORIGINS: dict[str, Make] = {
    "foreign": lambda own: "https://evil.example",
    "look-alike, suffix": lambda own: f"{own}.evil.example",
    "look-alike, prefix": lambda own: own.replace("://", "://evil", 1),
    "sibling": lambda own: own.replace("://", "://sibling.", 1),
    "user info": lambda own: f"{own}@evil.example",
    "user info, reversed": lambda own: own.replace("://", "://evil.example@", 1),
    "other port": lambda own: f"{urlsplit(own).scheme}://{urlsplit(own).hostname}:1",
    "other scheme": lambda own: "ws" + own[4:],
    "no scheme": lambda own: urlsplit(own).netloc,
    "with a path": lambda own: f"{own}/",
    "trailing dot": lambda own: f"{own}.",
    "two in one": lambda own: f"{own}, https://evil.example",
    "sandboxed frame": lambda own: "null",
    "file": lambda own: "file://",
    "extension": lambda own: "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "star": lambda own: "*",
    "malformed": lambda own: "http://[::1",
    "empty": lambda own: "",
    "missing": lambda own: None,
}
"""By name, the Origin that a hostile page sends to a site of the given origin; None for none."""

# Not INSECURE_TRANSPORT: a listed https page is refused so on http://localhost, and there only.
_BY_ORIGIN = {Refusal.ORIGIN_NOT_ALLOWED, Refusal.ORIGIN_MISSING, Refusal.CROSS_SITE_FETCH}


def assert_only_own_origin(
    client: FlaskClient,
    path: str,
    *,
    base_url: str = "http://localhost",
    allowed: Collection[str] = (),
    preauth_headers: Mapping[str, str] | None = None,
) -> None:
    """Raise AssertionError unless the site's own page connects to ``path``, and no hostile one.

    Token, ticket and session are good in every attempt, so that Origin alone decides. The client
    must be logged in as one who may use the route. ``allowed`` names origins that are not hostile
    here, because WSGUARD_ALLOWED_ORIGINS lists them. ``preauth_headers`` as for ``handshake``.
    """
    ask = partial(handshake, client, path, base_url=base_url, preauth_headers=preauth_headers)
    own = ask()
    if not isinstance(own, Accepted):
        raise AssertionError(
            f"{path}: the site's own page is refused at {own.at}, so nothing is proved: "
            f"{own.reason} {own.detail}"
        )
    site = urlsplit(base_url)
    faults = []
    for name, make in HOSTILE_ORIGINS.items():
        origin = make(f"{site.scheme}://{site.netloc}")
        if origin is None or origin not in allowed:
            faults += _faults_of(ask(origin=origin), f"{origin!r} ({name})")
    if faults:
        raise AssertionError(f"{path} is not for the site's own pages only:\n" + "\n".join(faults))


def _faults_of(verdict: Accepted | Refused, page: str) -> list[str]:
    """Return what is wrong with the verdict on a hostile page: one line, or none."""
    if isinstance(verdict, Accepted):
        return [f"accepted: {page}"]
    if verdict.observed:
        return [f"let in, because WSGUARD_ENFORCE is off: {page}"]
    if verdict.reason not in _BY_ORIGIN:
        return [f"refused, but not for its origin: {page}: {verdict.reason}"]
    return []
