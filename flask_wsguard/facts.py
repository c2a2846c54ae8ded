"""A WSGI request becomes the facts that core judges. No rule stands here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from .core import carriers
from .core.case import Handshake, Mark, Session
from .core.origins import Origin
from .core.preauth import PreauthRequest, origin_or_referer
from .core.source import Source
from .core.upgrade import Upgrade

Environ = dict[str, Any]

_SCHEMES = {"ws": "http", "wss": "https"}
_OFFER = "HTTP_SEC_WEBSOCKET_PROTOCOL"


def handshake_of(
    environ: Environ,
    mark: Mark | None,
    *,
    token_param: str,
    token_carriers: tuple[str, ...],
    path: str,
    upgrade: bool,
    session: Callable[[], Session] | None,
) -> Handshake:
    """Return the facts of a request at ``path`` (see :func:`bound_path`).

    ``upgrade`` says whether it is to be upgraded by us, so that its form is a fact too;
    ``session`` tells whose session it is when asked.
    """
    return Handshake(
        mark=mark,
        upgrade=upgrade_of(environ) if upgrade else None,
        source=source_of(environ, environ.get("HTTP_ORIGIN")),
        path=path,
        tokens=tokens_of(environ, token_param, token_carriers),
        cookies=environ.get("HTTP_COOKIE", ""),
        session=session,
    )


def preauth_of(environ: Environ) -> PreauthRequest:
    """Return the facts of a preauth request, the Referer standing in for an absent Origin."""
    origin = origin_or_referer(environ.get("HTTP_ORIGIN"), environ.get("HTTP_REFERER"))
    length = environ.get("CONTENT_LENGTH") or "0"
    return PreauthRequest(
        method=environ["REQUEST_METHOD"],
        content_type=environ.get("CONTENT_TYPE", ""),
        # Ten digits tell enough: int() of thousands raises.
        length=int(length[:10]) if length.isdecimal() and length.isascii() else 0,
        source=source_of(environ, origin),
    )


def source_of(environ: Environ, origin: str | None) -> Source:
    """Return where a request comes from; ``origin`` is its Origin or what stands in for it."""
    return Source(
        own=own_origin(environ),
        origin=origin,
        page=None if origin is None else Origin.parse(origin),
        fetch_site=environ.get("HTTP_SEC_FETCH_SITE"),
        # Only where Origin is missing does it matter that a browser is asking.
        fetch_metadata=origin is None and any(key.startswith("HTTP_SEC_FETCH_") for key in environ),
    )


def own_origin(environ: Environ) -> Origin | None:
    """Return the origin of the request itself, None without a usable Host."""
    scheme: str = environ["wsgi.url_scheme"]
    return Origin.of_request(_SCHEMES.get(scheme, scheme), environ.get("HTTP_HOST", ""))


def upgrade_of(environ: Environ) -> Upgrade:
    """Return the request line and the headers, on which an upgrade stands or falls."""
    return Upgrade(
        environ["REQUEST_METHOD"],
        environ.get("SERVER_PROTOCOL", ""),
        environ.get("CONTENT_LENGTH", ""),
        environ,
    )


def prefix_of(environ: Environ) -> str:
    """Return what the app is mounted under, as WSGI spells it: no slash at the end."""
    prefix: str = environ.get("SCRIPT_NAME", "")
    return prefix.rstrip("/")


def bound_path(environ: Environ) -> str:
    """Return prefix and path byte for byte, as WSGI spells them: decoded once, in latin-1."""
    path: str = environ.get("PATH_INFO", "")
    return prefix_of(environ) + path


def readable(path: str) -> str:
    """Return a path spelt as WSGI spells it as the text that it stands for."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


def tokens_of(environ: Environ, param: str, among: tuple[str, ...]) -> tuple[str, ...]:
    """Return every token that came in one of these carriers, so that a second cannot hide."""
    tokens: tuple[str, ...] = ()
    if carriers.QUERY in among:
        tokens = _tokens_in(environ.get("QUERY_STRING", ""), param)
    if carriers.SUBPROTOCOL in among:
        tokens += carriers.tokens_offered(environ.get(_OFFER, ""))
    return tokens


def hide_tokens(environ: Environ) -> None:
    """Take tokens out of the subprotocols, whichever carriers are in use.

    Nobody behind the guard may choose one: it would stand in the answer.
    """
    if (offer := environ.get(_OFFER)) and (rest := carriers.without_tokens(offer)) != offer:
        if rest:
            environ[_OFFER] = rest
        else:
            del environ[_OFFER]


def _tokens_in(query: str, param: str) -> tuple[str, ...]:
    # A query with nothing to decode is cut at its separators, at a third of the price.
    if "%" not in query and "+" not in query:
        named = f"{param}="
        parts = query.split("&")
        return tuple([it[len(named) :] for it in parts if it.startswith(named) or it == param])
    # Decoded, because `wsguard%5Ftoken` is a duplicate too.
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    return tuple(value for key, value in pairs if key == param)
