"""The client for scripts and devices, which are no browsers. Needs the extra ``client``.

It does what a page does: asks preauth with the login of a ``requests`` session, then opens the
socket with the token and the ticket. It names its Origin itself, which no page can.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os.path import isdir
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

try:
    import requests
    import websocket
    from requests.cookies import get_cookie_header
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f'{missing.name} is missing: pip install "flask-wsguard[client]"', name=missing.name
    ) from None

from .core.carriers import CARRIERS, QUERY, SUBPROTOCOL, offering
from .settings import Settings

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


class ConnectionRefused(Exception):
    """The site says no. ``reason`` is a Refusal's word, or one of the client's own.

    Its own: ``login_required`` for a 401 or a redirect, as to a login page, ``bad_response``, and
    ``handshake_failed`` for a handshake refused after a good preauth, where the site's log knows
    more. ``retry_after`` is seconds, None where the site names none.
    """

    def __init__(
        self, reason: str, status: int, detail: str = "", retry_after: float | None = None
    ) -> None:
        """Carry what the site said."""
        self.reason = reason
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        super().__init__(f"{reason} ({status}){': ' if detail else ''}{detail}")


@dataclass(frozen=True, slots=True)
class SocketOpener:
    """Opens guarded sockets with a ``requests`` session that is logged in, or carries a header.

    ``origin`` defaults to the site's own; ``preauth`` is the path of the site's preauth. A 429 or
    503 of preauth is waited out as its Retry-After says, up to ``attempts`` tries in all and
    ``longest_wait`` seconds each. ``timeout`` is seconds for each step until the socket is open;
    then it waits for ever, or as its ``settimeout`` says. One socket needs one call: a ticket opens
    one path and dies within a minute. ``carrier`` is where the token travels: ``query``, or
    ``subprotocol`` on a site whose WSGUARD_TOKEN_CARRIERS asks for it.
    """

    session: requests.Session
    origin: str | None = None
    preauth: str = f"{Settings().url_prefix}/preauth"
    carrier: str = QUERY
    timeout: float = 10.0
    attempts: int = 3
    longest_wait: float = 60.0
    sleep: Callable[[float], object] = time.sleep

    def __post_init__(self) -> None:
        """Raise ValueError for a carrier that no site has."""
        if self.carrier not in CARRIERS:
            raise ValueError(f"the carriers are {CARRIERS}, not {self.carrier!r}")

    def open(self, url: str, **options: Any) -> websocket.WebSocket:
        """Open the socket at a ws, wss, http or https URL. Raises ConnectionRefused.

        ``options`` go to ``websocket.create_connection``; a ``timeout`` among them stays on the
        open socket. Where the network fails, raises also what requests raises at preauth, and
        OSError or WebSocketException at the handshake.
        """
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.netloc:
            raise ValueError(f"a socket's URL begins with wss:// or ws://, not {url!r}")
        site = f"{_SCHEMES[parts.scheme]}://{parts.netloc}"
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        own = options.pop("subprotocols", None) or ()
        query, offer = self._with_token(self._ask(site, path), parts.query, own)
        where = f"{site.replace('http', 'ws', 1)}{path}{'?' if query else ''}{query}"
        asked = requests.Request("GET", f"{site}{path}").prepare()
        settings = {
            "timeout": self.timeout,
            "origin": self.origin or site,
            "cookie": get_cookie_header(self.session.cookies, asked),
            "sslopt": _tls(self.session, site),
            "subprotocols": offer,
            **options,
        }
        try:
            opened = websocket.create_connection(where, **settings)
        except websocket.WebSocketBadStatusException as refused:
            raise ConnectionRefused("handshake_failed", refused.status_code) from None
        if "timeout" not in options:
            # Or a room in which nobody speaks would look like a network that is away.
            opened.settimeout(None)
        return opened

    def _with_token(
        self, granted: dict[str, Any], query: str, own: Iterable[str]
    ) -> tuple[str, list[str]]:
        """Return the query and the subprotocols, the token in one of them where there is one."""
        token = granted["token"]
        if token is None:
            return query, list(own)
        if self.carrier == SUBPROTOCOL:
            return query, offering(own, token)
        pair = urlencode({granted["param"]: token})
        return (f"{query}&{pair}" if query else pair), list(own)

    def _ask(self, site: str, path: str) -> dict[str, Any]:
        """Ask preauth, again where it says when."""
        left = self.attempts
        while True:
            try:
                answer = self._post(site, path)
            except requests.ConnectionError:
                # The server may close a kept connection just as it is used again, and requests
                # repeats no POST by itself; this one may be.
                answer = self._post(site, path)
            if answer.status_code == 200:
                return _granted(answer)
            refused = _refusal(answer)
            left, wait = left - 1, refused.retry_after
            if left < 1 or wait is None or wait > self.longest_wait:
                raise refused
            self.sleep(wait)

    def _post(self, site: str, path: str) -> requests.Response:
        return self.session.post(
            f"{site}{self.preauth}",
            json={"path": path},
            headers={"Origin": self.origin or site},
            timeout=self.timeout,
            allow_redirects=False,
        )


def _granted(answer: requests.Response) -> dict[str, Any]:
    fields = _fields(answer)
    match fields:
        case {"token": str() | None, "param": str()}:
            return dict(fields)
    raise ConnectionRefused("bad_response", 200, "preauth answered with something else")


def _refusal(answer: requests.Response) -> ConnectionRefused:
    match _fields(answer):
        case {"reason": str(reason), "detail": str(detail)}:
            return ConnectionRefused(reason, answer.status_code, detail, _retry_after(answer))
    login = answer.is_redirect or answer.status_code == 401
    reason = "login_required" if login else "bad_response"
    return ConnectionRefused(reason, answer.status_code, "", _retry_after(answer))


def _fields(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _retry_after(answer: requests.Response) -> float | None:
    """Return the seconds of a 429 or 503; a date is no answer of the guard's, and not read."""
    value = answer.headers.get("Retry-After", "")
    if answer.status_code not in {429, 503} or not (value.isascii() and value.isdecimal()):
        return None
    return float(value)


def _tls(session: requests.Session, site: str) -> dict[str, Any]:
    """Do at the handshake as preauth did: trust what it trusted, show the certificate it showed."""
    settings = session.merge_environment_settings(site, {}, None, None, None)
    return {**_trust(settings["verify"]), **_certificate(settings["cert"])}


def _trust(verify: bool | str) -> dict[str, Any]:
    if isinstance(verify, str):
        # A directory of hashed certificates too, such as /etc/ssl/certs.
        return {"ca_cert_path" if isdir(verify) else "ca_certs": verify}
    return {} if verify else {"cert_reqs": 0, "check_hostname": False}


def _certificate(cert: str | tuple[str, str] | None) -> dict[str, Any]:
    if cert is None:
        return {}
    file, key = (cert, None) if isinstance(cert, str) else cert
    return {"certfile": file, "keyfile": key}
