"""A process that floods a site with hostile handshakes: ``PORT SECONDS``; prints how many."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter

from tests.wire import Attempt, HungUp, Wire

CONNECTIONS = 8


def hostile(port: int) -> list[bytes]:
    """Return what an attacker sends who has no ticket, or a made-up one."""
    foreign, bare, made_up = Attempt(port, b"/stay"), Attempt(port, b"/stay"), Attempt(port)
    foreign.put(b"Origin", b"http://evil.example.net")
    made_up.path = b"/stay"
    made_up.query = b"wsguard_token=wst1." + b"A" * 22 + b"." + b"B" * 60
    made_up.cookies = [(b"wsguard-" + b"A" * 22, b"C" * 120)]
    return [each.bytes() for each in (foreign, bare, made_up)]


def flood(port: int, until: float, statuses: Counter[int]) -> None:
    """Send one after the other on a connection that is kept alive, and on the next one."""
    requests = hostile(port)
    while time.monotonic() < until:
        with Wire(port) as wire:
            try:
                for number in range(1000):
                    wire.send(requests[number % len(requests)])
                    statuses[wire.answer().status] += 1
                    if time.monotonic() >= until:
                        return
            except (HungUp, OSError):
                continue


if __name__ == "__main__":
    until = time.monotonic() + float(sys.argv[2])
    statuses: Counter[int] = Counter()
    threads = [
        threading.Thread(target=flood, args=(int(sys.argv[1]), until, statuses))
        for _ in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(statuses[403], sum(statuses.values()))
