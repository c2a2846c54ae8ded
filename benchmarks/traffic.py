"""Requests built beforehand, so that the client is not what is measured.

The same bytes go to both sides: the unguarded base gets ticket and token too.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from flask import session
from flask_login import login_user

from flask_wsguard.core.tickets import Keys, Ticket, Token, bind, new_id

from .sites import SECRET, User, make_site

USER = "7"
NONCE = "XEYHYQ4tXWvbBTVhAoTVQA"
CLOSE_FRAME = b"\x88\x82\x00\x00\x00\x00\x03\xe8"
"""A client's close, code 1000, masked with zeros."""

AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/156.0.0.0 Safari/537.36"
)
# What Chromium sends with a handshake.
BROWSER = {
    "Connection": "Upgrade",
    "Pragma": "no-cache",
    "Cache-Control": "no-cache",
    "User-Agent": AGENT,
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-US,en;q=0.9",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
}


@cache
def session_cookie(user: str = USER) -> str:
    """Return the cookie of a login, as Flask-Login and the extension fill it."""
    app = make_site()
    # A login of this very browser: of another one, every view would write the session anew.
    peer = {"REMOTE_ADDR": "127.0.0.1"}
    with app.test_request_context(headers={"User-Agent": AGENT}, environ_base=peer):
        login_user(User(user))
        content = {**session, "_wsguard": NONCE}
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    text: str = serializer.dumps(content)
    return text


@dataclass(frozen=True)
class Grant:
    """A ticket and its token; good for a day, so that a run needs only one."""

    name: str
    ticket: str
    token: str


KEYS = Keys([SECRET])


def grant(
    origin: str, scopes: frozenset[str] = frozenset(), keys: Keys = KEYS, user: str = USER
) -> Grant:
    """Mint what preauth would for ``/echo`` at ``origin``."""
    now = int(time.time())
    scheme, _, host = origin.partition("://")
    ticket = Ticket(
        id=new_id(),
        user_id=user,
        scopes=scopes,
        binding=bind(host, "/echo"),
        session=keys.fingerprint(user, NONCE),
        issued_at=now,
        expires_at=now + 86400,
    )
    token = Token(ticket.id, ticket.binding, ticket.issued_at, ticket.expires_at)
    prefix = "__Host-Http-" if scheme == "https" else ""
    name = f"{prefix}wsguard-{ticket.id}"
    return Grant(name, keys.mint_ticket(ticket), keys.mint_token(token))


@dataclass(frozen=True)
class Request:
    """One request, for a wire or for a WSGI app."""

    origin: str
    path: str = "/echo"
    query: str = ""
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def wire(self) -> bytes:
        """Return it as bytes."""
        target = f"{self.path}?{self.query}" if self.query else self.path
        lines = [f"{self.method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self._all().items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body

    def environ(self, **more: Any) -> dict[str, Any]:
        """Return it as a WSGI server would."""
        headers = self._all()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SOFTWARE": "benchmark",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.origin.partition("://")[0],
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "CONTENT_TYPE": headers.pop("Content-Type", ""),
            "CONTENT_LENGTH": headers.pop("Content-Length", ""),
        }
        for name, value in headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return {**environ, **more}

    def but(self, **headers: str) -> Request:
        """Return it with other headers; an empty one is left out."""
        changed = {**self.headers, **{key.replace("_", "-"): v for key, v in headers.items()}}
        return replace(self, headers={key: value for key, value in changed.items() if value})

    def _all(self) -> dict[str, str]:
        length = {"Content-Length": str(len(self.body))} if self.body else {}
        return {"Host": self.origin.partition("://")[2], **self.headers, **length}


def handshake(
    origin: str, scopes: frozenset[str] = frozenset(), cookies: str = "", user: str = USER
) -> Request:
    """Return a good handshake of a page of the site itself, ``cookies`` in front of its own."""
    got = grant(origin, scopes=scopes, user=user)
    jar = f"{cookies}theme=dark; session={session_cookie(user)}; {got.name}={got.ticket}"
    headers = {**BROWSER, "Origin": origin, "Cookie": jar}
    return Request(origin, query=f"wsguard_token={got.token}", headers=headers)


def post(origin: str, path: str) -> Request:
    """Return the POST of JSON that preauth takes, for ``path``."""
    headers = {
        "Connection": "keep-alive",
        "User-Agent": AGENT,
        "Content-Type": "application/json",
        "Accept": "*/*",
        "Origin": origin,
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": "cors",
        "Accept-Encoding": "gzip, deflate, br",
        "Cookie": f"theme=dark; session={session_cookie()}",
    }
    body = json.dumps({"path": "/echo"}).encode()
    return Request(origin, path=path, method="POST", headers=headers, body=body)
