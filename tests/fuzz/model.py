"""What may be accepted: a second reading of the contract, sharing no code with the first.

It knows the good tickets by heart instead of verifying signatures, and compares origins as text.
Lenient where both readings would be right: it lists what *must* refuse a request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any
from urllib.parse import unquote_to_bytes

from .request import Request
from .scene import GRANTS, LOGINS, SCOPES, SKEW, TTL, Grant, Login, Scene

# Path to the scopes it demands; None for a public route, "any" for one open to every page.
ROUTES: dict[bytes, Any] = {
    b"/echo": {"chat:read"},
    b"/any": set(),
    b"/write": {"chat:read", "chat:write"},
    b"/ticker": None,
    b"/anyone": "any",
}
_PARAMETER, _OFFER = b"wsguard_token", b"wsguard.token."
_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+?)(?::([0-9]{1,5}))?")


def faults_of_handshake(request: Request, scene: Scene, logins: Iterable[Login]) -> list[str]:
    """Return why a handshake must be refused; empty when it may be accepted.

    ``logins`` are those that its session cookies may open to.
    """
    path = routed(unquote_to_bytes(request.path))
    faults = [*_faults_of_form(request), *_faults_of_transport(request, scene)]
    if path not in ROUTES:
        return [*faults, "no marked route"]
    demanded = ROUTES[path]
    if demanded != "any":
        faults += _faults_of_origin(request, scene, public=demanded is None, stand_in=False)
    if isinstance(demanded, set):
        faults += _faults_of_credentials(request, scene, set(logins), demanded)
    return faults


def faults_of_preauth(request: Request, scene: Scene, logins: Iterable[Login]) -> list[str]:
    """Return why a preauth request must be refused; empty when it may be granted."""
    faults = list(_faults_of_transport(request, scene, referer=True))
    media = (request.joined(b"content-type") or b"").split(b";")[0].strip().lower()
    if (request.method, media) != ("POST", b"application/json"):
        faults.append("not a POST of JSON")
    try:
        body = json.loads(request.body)
        path = routed(unquote_to_bytes(body["path"]))
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return [*faults, "no path"]
    if path not in ROUTES:
        return [*faults, "no marked route"]
    demanded = ROUTES[path]
    public = not isinstance(demanded, set)
    faults += _faults_of_origin(request, scene, public=public, stand_in=True)
    users = {login.user for login in logins if not login.ended and login.user}
    if not public and not any(demanded <= SCOPES[user] for user in users):
        faults.append("nobody who may")
    return faults


def routed(path: bytes) -> bytes:
    """Return the path that Werkzeug's router looks up: it takes slashes in front for one."""
    return b"/" + path.lstrip(b"/")


def allowed_origins(request: Request, scene: Scene, *, listed_only: bool) -> re.Pattern[str]:
    """Return what an Origin in canonical form must match."""
    patterns = []
    for entry in scene.policy.origins:
        if entry == "self" and not listed_only:
            patterns.append(re.escape(own_origin(request, scene) or "none"))
        elif entry != "self":
            # One or more labels, never the apex.
            patterns.append(re.escape(entry).replace(r"\*", r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"))
    return re.compile("|".join(patterns) or "none")


def own_origin(request: Request, scene: Scene) -> str | None:
    """Return the origin of the request itself."""
    host = (request.joined(b"host") or b"").decode("latin-1")
    return canonical(f"{scene.scheme}://{host}")


def canonical(origin: str) -> str | None:
    """Return an origin in its one spelling; None for what has none."""
    scheme, _, authority = origin.partition("://")
    found = _HOST.fullmatch(authority.lower())
    if not found or not authority.isascii() or scheme.lower() not in _PORTS:
        return None
    host, port = found[1], int(found[2] or _PORTS[scheme.lower()])
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1]).compressed}]"
        except AddressValueError:
            return None
    ending = "" if port == _PORTS[scheme.lower()] else f":{port}"
    return f"{scheme.lower()}://{host}{ending}"


def _faults_of_form(request: Request) -> Iterator[str]:
    headers = {name: (request.joined(name) or b"") for name, _ in request.headers}
    said = {part.strip().lower() for part in headers.get(b"connection", b"").split(b",")}
    if (request.method, request.protocol) != ("GET", "HTTP/1.1"):
        yield "not a GET of HTTP/1.1"
    if headers.get(b"upgrade", b"").lower() != b"websocket" or b"upgrade" not in said:
        yield "no upgrade"
    if headers.get(b"sec-websocket-version") != b"13":
        yield "not version 13"
    if not re.fullmatch(rb"[A-Za-z0-9+/]{22}==", headers.get(b"sec-websocket-key", b"")):
        yield "no key"
    if request.body or headers.get(b"content-length", b"0").strip(b"0"):
        yield "a body"
    if b"transfer-encoding" in headers:
        yield "a transfer encoding"


def _faults_of_transport(request: Request, scene: Scene, *, referer: bool = False) -> Iterator[str]:
    own = own_origin(request, scene)
    if own is None:
        yield "no host"
    elif scene.scheme == "http" and not scene.policy.allow_insecure_transport:
        page = _page(request, stand_in=referer)
        if not _is_loopback(own):
            yield "plain http"
        elif page is not None and not _is_loopback(page):
            yield "plain http from elsewhere"


def _faults_of_origin(
    request: Request, scene: Scene, *, public: bool, stand_in: bool
) -> Iterator[str]:
    origin, site = _page(request, stand_in=stand_in), request.joined(b"sec-fetch-site")
    if origin is None:
        fetched = any(name.startswith(b"sec-fetch-") for name, _ in request.headers)
        if not scene.policy.allow_missing_origin or fetched:
            yield "no origin"
        return
    page = canonical(origin) or ""
    if not allowed_origins(request, scene, listed_only=False).fullmatch(page):
        yield "a foreign origin"
    if site in {None, b"same-origin"}:
        return
    is_near = site == b"same-site" or (public and site == b"cross-site")
    if not is_near or not allowed_origins(request, scene, listed_only=True).fullmatch(page):
        yield "a foreign fetch"


def _page(request: Request, *, stand_in: bool) -> str | None:
    """Return the Origin as it came, or where that is absent the origin of the Referer."""
    origin, referer = request.joined(b"origin"), request.joined(b"referer")
    if origin is not None or referer is None or not stand_in:
        return None if origin is None else origin.decode("latin-1")
    scheme, _, rest = referer.decode("latin-1").partition("://")
    return f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0]}"


def _is_loopback(origin: str) -> bool:
    scheme, _, authority = origin.partition("://")
    host = authority.rpartition(":")[0] if re.search(r":[0-9]*$", authority) else authority
    host = host.lower().removesuffix(".")
    if scheme.lower() != "http" or host in {"localhost", "[::1]"} or host.endswith(".localhost"):
        return scheme.lower() == "http"
    try:
        return IPv4Address(host).is_loopback or canonical(origin) == "http://[::1]"
    except AddressValueError:
        return (canonical(origin) or "").startswith("http://[::1]")


def _faults_of_credentials(
    request: Request, scene: Scene, logins: set[Login], demanded: set[str]
) -> Iterator[str]:
    tokens = _tokens(request, scene)
    grants = {grant.token_text.encode(): grant for grant in GRANTS if grant.genuine}
    if len(tokens) != 1 or (grant := grants.get(tokens[0])) is None:
        yield "no good token"
        return
    prefix = b"__Host-Http-wsguard-" if scene.scheme == "https" else b"wsguard-"
    if cookies(request, prefix + grant.ticket.id.encode()) != [grant.ticket_text.encode()]:
        yield "no good ticket"
    if not -SKEW <= scene.now - grant.ticket.issued_at < TTL + SKEW:
        yield "not its time"
    own = own_origin(request, scene)
    if own != f"{scene.scheme}://{grant.host}" or unquote_to_bytes(request.path) != _path(grant):
        yield "another path or host"
    if not demanded <= grant.ticket.scopes:
        yield "a scope is missing"
    if grant.ticket.session and not _is_session_of(grant, logins):
        yield "another session"


def _tokens(request: Request, scene: Scene) -> list[bytes]:
    """Return every token in the carriers that the site uses."""
    tokens = []
    if "query" in scene.policy.carriers:
        pairs = [part.partition(b"=") for part in request.query.split(b"&")]
        tokens += [_decoded(value) for name, _, value in pairs if _decoded(name) == _PARAMETER]
    if "subprotocol" in scene.policy.carriers:
        names = (request.joined(b"sec-websocket-protocol") or b"").split(b",")
        offered = [name.strip() for name in names]
        tokens += [name[len(_OFFER) :] for name in offered if name.startswith(_OFFER)]
    return tokens


def _is_session_of(grant: Grant, logins: set[Login]) -> bool:
    """Tell whether all sessions that name somebody are the one that asked for the ticket."""
    somebody = {login for login in logins if login.user is not None}
    return somebody == {grant.login} and not grant.login.ended


def cookies(request: Request, name: bytes) -> list[bytes]:
    """Return the values of every cookie of this name."""
    header = request.joined(b"cookie") or b""
    pairs = [part.partition(b"=") for part in header.split(b";")]
    return [value.strip(b" \t") for key, _, value in pairs if key.strip(b" \t") == name]


def login_of(session: dict[str, Any]) -> Login:
    """Return the login that a session's content names."""
    named = (session.get("_user_id"), session.get("_wsguard"))
    known = {(login.user, login.nonce): login for login in LOGINS.values()}
    return known.get(named, Login(*named))


def _path(grant: Grant) -> bytes:
    return grant.path.encode()


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
