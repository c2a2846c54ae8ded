"""wshawk's origin validator against a guarded socket: ``python wshawk_origins.py PORT``.

A scanner pointed straight at a ticketed socket passes for the wrong reason: its first probe
lacks a ticket. So each probe gets a fresh valid one, and only the Origin varies. Runs in an
environment of its own; prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from contextlib import redirect_stdout
from http.cookiejar import CookieJar
from types import SimpleNamespace
from typing import Any

import websockets
from wshawk import defensive_validation


class Door:
    """Alice's browser: opens wshawk's probes with her cookies and a fresh ticket each."""

    def __init__(self, port: int, prefix: str) -> None:
        self.base = f"http://localhost:{port}"
        self.prefix = prefix
        self.jar = CookieJar()
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.browser.open(f"{self.base}/login/alice", data=b"")

    def connect(self, url: str, *, additional_headers: dict[str, str], **options: Any) -> Any:
        """Take the place of ``websockets.connect``."""
        request = urllib.request.Request(
            f"{self.base}/wsguard/preauth",
            b'{"path": "/echo"}',
            {"Content-Type": "application/json", "Origin": self.base},
        )
        with self.browser.open(request) as answer:
            token = json.load(answer)["token"]
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)
        target = f"{self.base}{self.prefix}/echo?wsguard_token={token}"
        headers = {**additional_headers, "Cookie": cookies}
        target = target.replace("http:", "ws:")
        return websockets.connect(target, additional_headers=headers, **options)


async def judge(port: int, prefix: str) -> dict[str, Any]:
    """Probe the honest origin, then all that wshawk knows."""
    door = Door(port, prefix)
    validator = defensive_validation.CSWSHValidator(door.base, max_origins=10_000)
    defensive_validation.websockets = SimpleNamespace(connect=door.connect)
    honest, fault = await validator._probe_origin(door.base)
    with redirect_stdout(sys.stderr):
        result = await validator.test_origin_validation()
    return {
        "honest": honest,
        "fault": fault,
        "tested": result["tested_origins"],
        "accepted": result.get("accepted_origins", []),
        "errors": result["errors"],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(judge(int(sys.argv[1]), sys.argv[2]))))
