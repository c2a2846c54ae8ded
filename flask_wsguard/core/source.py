"""Where a request comes from: the rules on transport, Origin and fetch metadata.

Preauth and handshake ask the same questions in the same order; only a browser can answer them,
and no script can forge its answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .origins import Origin, OriginPolicy
from .refusals import Refusal, Refused


class Source(NamedTuple):
    """The facts. ``own`` is the origin of the request itself, None when its Host is unusable.

    ``origin`` is the Origin as it came, None where absent, and ``page`` the same parsed, None
    where it is not exactly one origin. ``fetch_site`` is Sec-Fetch-Site, ``fetch_metadata``
    says of a request without Origin whether any Sec-Fetch header came.
    """

    own: Origin | None
    origin: str | None
    page: Origin | None
    fetch_site: str | None
    fetch_metadata: bool


@dataclass(frozen=True, slots=True)
class SourceRules:
    """What the site demands of every source."""

    origins: OriginPolicy
    allow_insecure_transport: bool = False
    allow_missing_origin: bool = False


def refuse_transport(source: Source, rules: SourceRules) -> Refused | None:
    """Refuse plain http, except between loopback and loopback where local work happens.

    A page whose Origin is not allowed anyway is left to that check, which can say so.
    """
    own, page = source.own, source.page
    if own is None:
        return Refused(Refusal.INSECURE_TRANSPORT, "the request's Host is not a host")
    if rules.allow_insecure_transport or own.scheme == "https":
        return None
    local = own.is_loopback
    if local and (page is None or (page.scheme == "http" and page.is_loopback)):
        return None
    if local and page and not rules.origins.rule_for(page, own):
        return None
    seen = f"request to {own}, Origin {source.origin!r}"
    if page and page.scheme == "https":
        seen += "; the page is https and the request arrived as http: a TLS proxy without ProxyFix"
    return Refused(Refusal.INSECURE_TRANSPORT, seen)


def refuse_missing_origin(source: Source, rules: SourceRules) -> Refused | None:
    """Refuse no Origin and an empty one, which other projects took for harmless."""
    if source.origin:
        return None
    # Fetch metadata betrays a browser, which may not hide behind the switch for devices.
    if source.origin is None and rules.allow_missing_origin and not source.fetch_metadata:
        return None
    return Refused(Refusal.ORIGIN_MISSING, "empty" if source.origin == "" else "absent")


def refuse_foreign_origin(source: Source, rules: SourceRules) -> Refused | None:
    """Refuse every Origin that is not exactly one allowed origin (CWE-1385)."""
    own, page = source.own, source.page
    if source.origin is None or (page and rules.origins.rule_for(page, own)):
        return None
    seen = f"Origin {source.origin!r}, request to {own or 'an unusable Host'}"
    if page and own and page.host == own.host:
        if page.scheme != own.scheme:
            seen += (
                f"; the page is {page.scheme}, the request arrived as {own.scheme}: behind a TLS "
                "proxy apply werkzeug's ProxyFix(x_proto=1, x_host=1)"
            )
        elif page.port != own.port:
            seen += "; the ports differ: a proxy that rewrites Host, or another server of this host"
    elif page and own and page.is_loopback and own.is_loopback:
        seen += f"; {page.host} and {own.host} are two origins: use one name in both places"
    return Refused(Refusal.ORIGIN_NOT_ALLOWED, seen)


def refuse_cross_site(source: Source, rules: SourceRules, *, public: bool) -> Refused | None:
    """Refuse what the browser itself calls foreign; absent is fine (kubetail 0.1.3).

    ``same-site`` needs a *listed* Origin: the request's own origin is never merely same-site.
    On a public route, where no Strict cookie need travel, a listed Origin may be cross-site.
    """
    site = source.fetch_site
    if site is None or site == "same-origin":
        return None
    if site == "same-site" or (public and site == "cross-site"):
        if source.page and rules.origins.listed(source.page):
            return None
    return Refused(Refusal.CROSS_SITE_FETCH, f"Sec-Fetch-Site {site!r}, Origin {source.origin!r}")
