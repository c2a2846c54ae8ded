"""A handshake without a server: preauth and upgrade request, played through a test client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers

from .. import signals
from ..core.carriers import QUERY, offering
from ..core.refusals import Refusal
from ..servers import VERDICT_ONLY
from ..state import state_of

OWN = "the site's own page"
"""Stands for the origin of the site itself."""

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version": "13",
}

_OFFER = "Sec-WebSocket-Protocol"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The socket would open; ``user_id`` is None and ``scopes`` empty on public routes."""

    user_id: str | None
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """The socket would not open: why, ``at`` preauth or handshake, and what the log says.

    ``observed`` says that it opens all the same, because WSGUARD_ENFORCE is off.
    """

    reason: Refusal
    at: str
    detail: str = ""
    observed: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """What preauth gave a page, and how its token travels; ``token`` is None for public routes."""

    token: str | None
    param: str
    carriers: tuple[str, ...]

    def upgrade(self, headers: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
        """Return the arguments of a test client for the upgrade with this token.

        It goes into the URL where the site allows that, as by the browser client.
        """
        sent, params = Headers(UPGRADE), dict(query)
        sent.update(headers)
        if self.token is not None and QUERY in self.carriers:
            params[self.param] = self.token
        elif self.token is not None:
            own = [name.strip() for name in sent.get(_OFFER, "").split(",") if name.strip()]
            sent[_OFFER] = ", ".join(offering(own, self.token))
        return {"headers": sent, "query_string": params}


def handshake(
    client: FlaskClient,
    path: str,
    *,
    origin: str | None = OWN,
    base_url: str = "http://localhost",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    preauth_headers: Mapping[str, str] | None = None,
) -> Accepted | Refused:
    """Ask for a socket as the user who is logged in with ``client``, and return the verdict.

    The site's own page asks preauth, so that both halves of the credential are good; the handshake
    then comes from ``origin``, None for none. ``headers`` are added to it, ``query`` to its URL;
    ``preauth_headers`` to preauth, such as the bearer token of a site that has no session. Raises
    LookupError where the guard is not asked, because another answers in its place or preauth's.
    """
    granted = preauth(client, path, base_url=base_url, headers=preauth_headers or {})
    if isinstance(granted, Refused):
        return granted
    page = {**origin_header(origin, base_url), **(headers or {})}
    with _verdicts(client.application) as heard:
        answer = client.get(
            quote(path),
            base_url=base_url,
            environ_overrides={VERDICT_ONLY: True},
            **granted.upgrade(page, query or {}),
        )
        answer.close()
    if not heard:
        raise LookupError(f"the guard judged no handshake at {path!r}: {answer.status}")
    return heard[0]


def preauth(
    client: FlaskClient, path: str, *, base_url: str, headers: Mapping[str, str]
) -> Granted | Refused:
    """Ask preauth for a socket at ``path``, from the site's own page, with more ``headers``."""
    settings = state_of(client.application).settings
    answer = client.post(
        f"{settings.url_prefix}/preauth",
        base_url=base_url,
        json={"path": quote(urlsplit(base_url).path.rstrip("/") + path)},
        headers={**origin_header(OWN, base_url), **headers},
    )
    match answer.get_json(silent=True):
        case {"token": str() | None as token, "param": str(param)}:
            return Granted(token, param, settings.token_carriers)
        case {"reason": str(reason), "detail": str(detail)}:
            return Refused(Refusal(reason), "preauth", detail)  # type: ignore[call-arg]
    raise LookupError(
        f"another answered in preauth's place: {answer.status}. What answers every request, such "
        "as a before_request that asks for a login, must leave the blueprint wsguard out"
    )


def origin_header(origin: str | None, base_url: str) -> dict[str, str]:
    """Return the Origin header of a page, none for None."""
    if origin is None:
        return {}
    own = urlsplit(base_url)
    return {"Origin": f"{own.scheme}://{own.netloc}" if origin == OWN else origin}


@contextmanager
def _verdicts(app: Flask) -> Iterator[list[Accepted | Refused]]:
    """Listen to what the guard of this app decides."""
    heard: list[Accepted | Refused] = []

    def accepted(_: Flask, ticket: Any, **__: Any) -> None:
        heard.append(
            Accepted(ticket.user_id, ticket.scopes) if ticket else Accepted(None, frozenset())
        )

    def refused(_: Flask, reason: Refusal, detail: str, observed: bool, **__: Any) -> None:
        heard.append(Refused(reason, "handshake", detail, observed))

    with (
        signals.handshake_accepted.connected_to(accepted, app),
        signals.handshake_refused.connected_to(refused, app),
    ):
        yield heard
