"""A flood of hostile handshakes while fifty good clients work: none of them is lost."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.gunicorn import ROOT, is_open, running, start
from tests.wire import TEXT, Browser, Wire, browsers

from . import record

SECONDS = float(os.environ.get("WSGUARD_FLOOD_SECONDS", "20"))
CALM = max(4.0, SECONDS / 5)
CLIENTS = 50
PAUSE = 0.5
"""Seconds between two messages of one client: a hundred messages a second together."""


def talk(wires: list[Wire], seconds: float, comes: Browser) -> list[float]:
    """Let every client speak twice a second; return how many seconds each answer took.

    Twice a second somebody new connects, too: preauth, handshake, one message.
    """
    took: list[float] = []
    asked: dict[Wire, float] = {}
    begin = time.monotonic()
    due = {wire: begin + PAUSE * number / len(wires) for number, wire in enumerate(wires)}
    arrives = begin
    with selectors.DefaultSelector() as ready:
        for wire in wires:
            ready.register(wire._socket, selectors.EVENT_READ, wire)
        while (now := time.monotonic()) < begin + seconds or asked:
            assert now < begin + seconds + 10, f"{len(asked)} answers never came"
            for wire in [wire for wire, at in due.items() if at <= now < begin + seconds]:
                wire.send_frame(TEXT, b"hello")
                asked[wire] = time.monotonic()
                del due[wire]
            for key, _ in ready.select(0.005):
                assert key.data.text() == "hello"
                took.append(time.monotonic() - asked.pop(key.data))
                due[key.data] = time.monotonic() + PAUSE
            if arrives <= now < begin + seconds and not asked:
                arrives = now + PAUSE
                new = start(comes)
                assert is_open(new)
                new.close()
    return took


def p99(took: list[float]) -> float:
    """Return the 99th percentile in milliseconds."""
    return 1000 * sorted(took)[int(len(took) * 0.99)]


def test_flood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every answer comes, every newcomer gets in, every hostile handshake is a 403."""
    config = {"WSGUARD_MAX_CONNECTIONS_PER_USER": 60}
    with running("gthread", tmp_path, config=config) as server, browsers(server.port) as make:
        good, comes = make().log_in("alice"), make().log_in("bob")
        wires = [start(good) for _ in range(CLIENTS)]
        calm = talk(wires, CALM, comes)
        command = [sys.executable, "-m", "tests.faults.flood", str(server.port), str(SECONDS)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            try:
                stormy = talk(wires, SECONDS, comes)
                told, _ = process.communicate(timeout=30)
            finally:
                process.kill()
        refused, sent = map(int, told.split())
        assert refused == sent > 100
        assert all(is_open(wire) for wire in wires)
        assert "Traceback" not in server.log
    rate = refused / SECONDS
    line = (
        f"{CLIENTS} clients, {len(stormy):,} messages beside {refused:,} hostile handshakes "
        f"({rate:,.0f} a second): p99 {p99(stormy):.1f} ms, calm {p99(calm):.1f} ms"
    )
    with capsys.disabled():
        print(f"\nflood: {line}")
    if os.environ.get("WSGUARD_RECORD"):
        kept = f"`make soak`, {record.where()}.\n\n{line}. Refused or dropped: none.\n"
        record.put("flood", kept)
