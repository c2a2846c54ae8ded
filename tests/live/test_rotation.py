"""Keys rotate while clients come and go: nobody is refused."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import pytest

from tests.wire import Browser, HungUp, browsers

from .gunicorn import running

pytestmark = pytest.mark.slow

OLD, NEW = "o" * 40, "n" * 40
# What an operator deploys, one restart each: first every worker learns the new key, then it signs.
STEPS = [(OLD, []), (OLD, [NEW]), (NEW, [OLD])]


def write_config(file: Path, newest: str, older: list[str]) -> None:
    site = json.dumps({"SECRET_KEY": newest, "SECRET_KEY_FALLBACKS": older})
    file.write_text(f"raw_env = [{'LIVE_CONFIG=' + site!r}]\n", encoding="utf-8")


def keep_coming(browser: Browser, stop: threading.Event, refused: list[str]) -> None:
    """Preauth, connect, hang up, over and over; note what was no 101."""
    while not stop.is_set():
        try:
            browser.open("/any").close()
        except HungUp:
            continue  # a worker that goes lets go of what it had accepted
        except AssertionError as fault:
            refused.append(str(fault))


def test_rotation_refuses_nobody(tmp_path: Path) -> None:
    """The old key, the new one beside it, the new one signs: clients notice nothing."""
    config = tmp_path / "gunicorn.conf.py"
    write_config(config, *STEPS[0])
    refused: list[str] = []
    stop = threading.Event()
    options = ("--config", str(config))
    with running("gthread", tmp_path, *options, workers=2) as server:
        server.wait_for_workers(2)
        with browsers(server.port) as visitor:
            alice = visitor().log_in("alice")
            client = threading.Thread(target=keep_coming, args=(alice, stop, refused))
            client.start()
            try:
                for newest, older in STEPS[1:]:
                    before = server.workers
                    write_config(config, newest, older)
                    server.process.send_signal(signal.SIGHUP)
                    server.wait_for_workers(2, gone=before)
            finally:
                stop.set()
                client.join(20)
            assert refused == []
            assert not client.is_alive()
            alice.open("/any").close()
