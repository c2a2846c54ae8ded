"""A preauth request: the same questions as a handshake, asked where the page can read the answer.

Only ``application/json`` with a listed Origin gets as far as the body, so no form and no
``text/plain`` fetch from another page can force a ticket on a browser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from . import source
from .refusals import Refusal, Refused
from .source import Source, SourceRules

LONGEST_BODY = 4096
"""Bytes of a preauth body."""

_REFERER = re.compile(r"(https?://[^/?#]*)(?:[/?#].*)?", re.ASCII | re.IGNORECASE | re.DOTALL)


class PreauthRequest(NamedTuple):
    """The facts of a preauth request before its body is read. ``length`` is in bytes."""

    method: str
    content_type: str
    length: int
    source: Source


Check = Callable[[PreauthRequest, SourceRules], Refused | None]


def judge(request: PreauthRequest, rules: SourceRules) -> Refused | None:
    """Decide whether the body may be read; the first fault in CHECKS wins."""
    for check in CHECKS:
        if refused := check(request, rules):
            return refused
    return None


def method_is_post(request: PreauthRequest, rules: SourceRules) -> Refused | None:
    """Refuse what a link, an image or a prefetch can send."""
    if request.method == "POST":
        return None
    return Refused(Refusal.BAD_REQUEST, f"{request.method} is not POST", 405)


def content_is_json(request: PreauthRequest, rules: SourceRules) -> Refused | None:
    """Refuse the three content types that a foreign form can send without asking."""
    if request.content_type.partition(";")[0].strip(" \t").lower() == "application/json":
        return None
    return Refused(Refusal.NOT_JSON, f"Content-Type {request.content_type!r}")


def body_is_short(request: PreauthRequest, rules: SourceRules) -> Refused | None:
    """Refuse a body that no client of ours sends, before reading it."""
    return too_long(request.length) if request.length > LONGEST_BODY else None


def transport_is_secure(request: PreauthRequest, rules: SourceRules) -> Refused | None:
    """Refuse plain http except between loopback and loopback."""
    return source.refuse_transport(request.source, rules)


def origin_is_present(request: PreauthRequest, rules: SourceRules) -> Refused | None:
    """Refuse a request that names neither Origin nor, in its place, Referer."""
    return source.refuse_missing_origin(request.source, rules)


def origin_is_allowed(request: PreauthRequest, rules: SourceRules) -> Refused | None:
    """Refuse every Origin that is not exactly one allowed origin."""
    return source.refuse_foreign_origin(request.source, rules)


def fetch_is_plausible(request: PreauthRequest, rules: SourceRules) -> Refused | None:
    """Refuse what the browser calls foreign on every route; a protected one asks for more.

    Which it is stands in the body, so :func:`refuse_for_protected` is asked behind it.
    """
    return source.refuse_cross_site(request.source, rules, public=True)


CHECKS: tuple[Check, ...] = (
    method_is_post,
    content_is_json,
    body_is_short,
    transport_is_secure,
    origin_is_present,
    origin_is_allowed,
    fetch_is_plausible,
)


def refuse_for_protected(request: PreauthRequest, rules: SourceRules) -> Refused | None:
    """Refuse a cross-site page on a protected path: the Strict cookie would never travel."""
    return source.refuse_cross_site(request.source, rules, public=False)


def origin_or_referer(origin: str | None, referer: str | None) -> str | None:
    """Return the Origin, or where it is absent the origin that Referer names.

    IE 11 sends no Origin with a same-origin XHR. Only absence falls back: ``null``, an empty
    or a malformed Origin is an answer, and a bad one.
    """
    if origin is not None or referer is None:
        return origin
    found = _REFERER.fullmatch(referer)
    return found[1] if found else "(malformed Referer)"


def too_long(length: int) -> Refused:
    """Return the refusal of a body of ``length`` bytes."""
    return Refused(Refusal.BAD_REQUEST, f"a body of {length} bytes, the limit is {LONGEST_BODY}")


def read_body(body: bytes) -> str | Refused:
    """Return the ``path`` of a preauth body: a JSON object, ``path`` a str, no key twice."""
    if len(body) > LONGEST_BODY:
        return too_long(len(body))
    try:
        fields = _JSON.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as fault:
        return Refused(Refusal.BAD_REQUEST, f"not JSON: {type(fault).__name__}")
    match fields:
        case {"path": str(path)} if path.startswith("/") and _is_text(path):
            return path
    return Refused(Refusal.BAD_REQUEST, 'not an object with "path", a str that starts with /')


class SocketPath(NamedTuple):
    """A socket's path: ``bound`` with the prefix, spelt as WSGI does, ``routed`` below it."""

    bound: str
    routed: str


def read_path(pathname: str, prefix: str) -> SocketPath | Refused:
    """Decode a URL's pathname once, as UTF-8, and strip the prefix the app is mounted under.

    Once, because the server decodes once: a double-encoded path is another path.
    """
    raw = unquote_to_bytes(pathname)
    bound = raw.decode("latin-1")
    if not bound.startswith(f"{prefix}/"):
        return Refused(
            Refusal.UNKNOWN_PATH,
            f"the app is mounted under {prefix!r}; a proxy that adds a prefix needs "
            "ProxyFix(x_prefix=1)",
        )
    try:
        return SocketPath(bound, raw[len(prefix) :].decode("utf-8"))
    except UnicodeDecodeError:
        return Refused(Refusal.UNKNOWN_PATH, "the path is not UTF-8")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key occurs twice")
    return fields


# Made once: making a decoder costs as much as it takes to read a body.
_JSON = json.JSONDecoder(object_pairs_hook=_no_key_twice)


def _is_text(value: str) -> bool:
    """Tell whether a str has no lone surrogates, which no UTF-8 path can contain."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
