"""What went wrong elsewhere, written out: each takes a WSGI environ and says who may connect.

The controls: the attack that the guard refuses must succeed against the flaw of its incident.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

Environ = dict[str, Any]
Check = Callable[[Environ], bool]

ALLOWED = "https://example.org"
HOST = "example.org"


def _origin(environ: Environ) -> str:
    return str(environ.get("HTTP_ORIGIN", ""))


def no_check(environ: Environ) -> bool:
    """Ask nothing: the session cookie that came along is the login."""
    return True


def any_address(environ: Environ) -> bool:
    """Take a page on a bare IP address for one of our own."""
    host = urlsplit(_origin(environ)).hostname or ""
    return host == HOST or re.fullmatch(r"[0-9.]+|[0-9a-f:]+", host) is not None


def throws(environ: Environ) -> bool:
    """Parse without expecting that it fails."""
    parts = urlsplit(_origin(environ))
    return parts.hostname == HOST and parts.port in {None, 443}


def prefix_match(environ: Environ) -> bool:
    """Match from the start and never look for the end."""
    return re.match(r"https://example\.org", _origin(environ)) is not None


def zip_truncation(environ: Environ) -> bool:
    """Compare label by label, as far as the shorter of the two goes."""
    labels = (urlsplit(_origin(environ)).hostname or "").split(".")
    return bool(labels) and all(a == b for a, b in zip(HOST.split("."), labels, strict=False))


def suffix_without_dot(environ: Environ) -> bool:
    """Take ``*.partner.example`` for whatever ends in ``partner.example``."""
    return (urlsplit(_origin(environ)).hostname or "").endswith("partner.example")


def null_is_no_host(environ: Environ) -> bool:
    """Check the host if there is one."""
    host = urlsplit(_origin(environ)).hostname
    return host is None or host == HOST


def null_is_skipped(environ: Environ) -> bool:
    """Skip the check for requests that seem to come from no page at all."""
    origin = environ.get("HTTP_ORIGIN")
    return origin in {None, "null"} or origin == ALLOWED


def userinfo_is_host(environ: Environ) -> bool:
    """Read the host up to the first odd character, where a browser reads on."""
    found = re.match(r"https?://([^/:@\[]*)", _origin(environ))
    return found is not None and found[1] == HOST


def scheme_ignored(environ: Environ) -> bool:
    """Compare the hosts alone."""
    return urlsplit(_origin(environ)).hostname == HOST


def host_is_origin(environ: Environ) -> bool:
    """Trust whatever name both Host and Origin say."""
    return urlsplit(_origin(environ)).netloc == environ.get("HTTP_HOST")


def same_site_cookie(environ: Environ) -> bool:
    """Rely on SameSite: the cookie came, so the page must be ours."""
    return "session=" in environ.get("HTTP_COOKIE", "")


def fetch_mode_trusted(environ: Environ) -> bool:
    """Take a request that calls itself a navigation for harmless."""
    return environ.get("HTTP_SEC_FETCH_MODE") == "navigate" or _origin(environ) == ALLOWED


def ticket_alone(environ: Environ) -> bool:
    """Ask for a ticket in the URL, and not which page brings it."""
    return bool(parse_qs(environ.get("QUERY_STRING", "")).get("wsguard_token"))


def fetch_site_required(environ: Environ) -> bool:
    """Demand a header that not every browser sends."""
    return environ.get("HTTP_SEC_FETCH_SITE") == "same-origin"


FLAWS: dict[str, Check] = {
    check.__name__: check
    for check in (
        no_check,
        any_address,
        throws,
        prefix_match,
        zip_truncation,
        suffix_without_dot,
        null_is_no_host,
        null_is_skipped,
        userinfo_is_host,
        scheme_ignored,
        host_is_origin,
        same_site_cookie,
        fetch_mode_trusted,
        ticket_alone,
        fetch_site_required,
    )
}
