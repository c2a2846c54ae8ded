"""Honest clients of a site of two instances: they come, talk, leave, log out and are revoked."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import quote

from tests.wire import CLOSE, Answer, Browser, Grant, HungUp, Wire

Gone = (HungUp, ConnectionError, TimeoutError)
"""What a client meets while an instance restarts; it comes back."""


BACK = ((4401).to_bytes(2, "big"), (1012).to_bytes(2, "big"))
"""Codes after which a client asks preauth whether it may come back."""


class Traveller(Browser):
    """A browser whose requests go to one instance or the other, as by a balancer in front."""

    def __init__(self, ports: list[int], seed: int) -> None:
        super().__init__(ports[0])
        self._ports = ports
        self._random = random.Random(seed)

    def wire(self) -> Wire:
        self._wires.append(Wire(self._random.choice(self._ports)))
        return self._wires[-1]

    def close(self) -> None:
        """Close every connection, and forget it."""
        super().close()
        self._wires.clear()

    def fetch(self, method: str, path: str, body: bytes = b"", headers: Any = None) -> Answer:
        """Send a request to either; Host and Origin are the first one's."""
        first, self.port = self.port, self._random.choice(self._ports)
        try:
            sent = {"Host": f"localhost:{first}", **(headers or {})}
            return super().fetch(method, path, body, sent)
        finally:
            self.port = first

    def preauth_or_none(self, path: str) -> Grant | None:
        """Return a grant, or None where preauth says that the session is over."""
        body = json.dumps({"path": quote(path)}).encode()
        answer = self.fetch("POST", "/wsguard/preauth", body, {"Content-Type": "application/json"})
        if answer.status in (401, 403) and answer.json["reason"] in (
            "login_required",
            "session_ended",
        ):
            return None
        assert answer.status == 200, answer.body
        token = answer.json["token"]
        cookie = f"wsguard-{token.split('.')[1]}"
        return Grant(token, cookie, self.jar[cookie])


class Client(threading.Thread):
    """One user who works until told to stop; ``refused`` holds what should not have happened."""

    def __init__(self, number: int, ports: list[int], revoke: Any, stop: threading.Event) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self._user = f"user-{number}"
        self._browser = Traveller(ports, number)
        self._random = random.Random(1000 + number)
        self._revoke = revoke
        self._stop_asked = stop
        self.did: Counter[str] = Counter()
        self.refused: list[str] = []

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                self._visit()
            except Gone:
                self.did["cut by a restart"] += 1
            except Exception as fault:
                self.refused.append(f"{type(fault).__name__}: {fault}")
            finally:
                self._browser.close()

    def _visit(self) -> None:
        """Log in, and connect a few times; each time ends in another way."""
        self._browser.log_in(self._user)
        for _ in range(self._random.randint(2, 6)):
            grant = self._browser.preauth_or_none("/stay")
            assert grant, "a live session was refused"
            wire = self._browser.open("/stay", grant)
            self.did["connected"] += 1
            # Who comes back before the other instance has heard of his revocation meets it there.
            if not self._hears(wire) or not self._talk(wire) or self._stop_asked.is_set():
                continue
            self._random.choice([self._leave, self._leave, self._be_revoked, self._log_out])(wire)
            if not self._browser.jar.get("session"):
                return

    def _talk(self, wire: Wire) -> bool:
        """Say something a few times; False when the server closed meanwhile."""
        for word in range(self._random.randint(1, 5)):
            wire.send_frame(1, f"word {word}".encode())
            if not self._hears(wire, f"word {word}"):
                return False
            self.did["messages"] += 1
            self._stop_asked.wait(self._random.uniform(0.05, 0.4))
        return True

    def _hears(self, wire: Wire, expected: str = "") -> bool:
        """Read a message; False when the server closed and wants the client back."""
        opcode, payload = wire.frame()
        if opcode == CLOSE:
            assert payload[:2] in BACK, payload
            self.did["told to come back"] += 1
            return False
        assert not expected or payload == expected.encode()
        return True

    def _leave(self, wire: Wire) -> None:
        wire.close()
        self.did["left"] += 1

    def _log_out(self, wire: Wire) -> None:
        self._browser.log_out()
        self._browser._jar.clear()
        self._expect_end(wire, "logged out")

    def _be_revoked(self, wire: Wire) -> None:
        self._revoke(self._user)
        self._expect_end(wire, "revoked")

    def _expect_end(self, wire: Wire, what: str) -> None:
        """Read the close, told by whichever instance, within two seconds."""
        begin = time.monotonic()
        opcode, payload = wire.frame()
        assert opcode == CLOSE, (what, opcode)
        assert payload[:2] in BACK, (what, payload)
        assert time.monotonic() - begin < 2.0, f"{what}: closed after two seconds"
        wire.close()
        self.did[what] += 1
