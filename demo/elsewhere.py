"""Another computer, where somebody logs in and out again; the attacker keeps what it held."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from http.cookies import SimpleCookie

from flask_wsguard.core.origins import Origin

from .raw import Leak

_TIMEOUT = 5
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"


class Computer:
    """A browser's cookies, and requests as a page of the demo sends them."""

    def __init__(self, demo: Origin) -> None:
        """Hold no cookie yet."""
        self.cookies: dict[str, str] = {}
        self._demo = demo

    def post(self, path: str, body: str, type_: str) -> bytes:
        """Send a request with cookies, take those that come, and return the answer's body."""
        wire = HTTPConnection("127.0.0.1", self._demo.port, timeout=_TIMEOUT)
        headers = {
            "Host": self._demo.netloc,
            "Origin": str(self._demo),
            "Content-Type": type_,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        wire.request("POST", path, body, headers)
        answer = wire.getresponse()
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies.update({name: one.value for name, one in SimpleCookie(line).items()})
        text = answer.read()
        wire.close()
        return text


def keep_past_logout(demo: Origin, person_id: str) -> Leak | None:
    """Log in, ask for a ticket, copy everything, log out; None where no ticket was to be had."""
    computer = Computer(demo)
    computer.post("/login", f"person={person_id}", _FORM)
    granted = json.loads(computer.post("/wsguard/preauth", '{"path": "/chat"}', _JSON))
    kept = dict(computer.cookies)
    computer.post("/logout", "", _FORM)
    return Leak(demo.netloc, granted["token"], kept) if "token" in granted else None
