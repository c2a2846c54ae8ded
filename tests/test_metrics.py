"""What the guard decides, as Prometheus reads it."""

from __future__ import annotations

import json
import os
import random
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest

from flask_wsguard import connection_closed, connection_opened, handshake_accepted
from flask_wsguard.core.refusals import Refusal
from flask_wsguard.ops.metrics import Metrics, child_exit
from tests.dashboard import live, prometheus
from tests.live.gunicorn import until
from tests.sites import make_site
from tests.visitor import Visitor
from tests.wire import Browser, Wire, browsers

ROOT = Path(__file__).parents[1]
DASHBOARD = ROOT / "docs" / "grafana.json"


def value(text: str, sample: str) -> float | None:
    """Return the value of one sample of an exposition, None where it is not there."""
    found = re.search(rf"(?m)^{re.escape(sample)} (\S+)$", text)
    return float(found[1]) if found else None


@pytest.fixture
def counted() -> tuple[Flask, CollectorRegistry]:
    registry = CollectorRegistry()
    app = make_site()
    Metrics(app, registry)
    return app, registry


def read(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_outcomes_are_counted_with_their_reasons(counted: tuple[Flask, CollectorRegistry]) -> None:
    """One accepted, one refused, one preauth refused, and the time that each verdict took."""
    app, registry = counted
    visitor = Visitor(app)
    assert visitor.preauth().json["reason"] == "login_required"
    visitor.log_in("alice")
    token = visitor.token("/write")
    visitor.connect("/write", token, headers={"Origin": "https://evil.example.net"})
    assert visitor.open("/write", token).code == 1000
    text = read(registry)
    assert value(text, 'wsguard_preauths_total{outcome="granted",reason=""}') == 1
    assert value(text, 'wsguard_preauths_total{outcome="refused",reason="login_required"}') == 1
    assert value(text, 'wsguard_handshakes_total{outcome="accepted",reason=""}') == 1
    refused = 'wsguard_handshakes_total{outcome="refused",reason="origin_not_allowed"}'
    assert value(text, refused) == 1
    assert value(text, "wsguard_open_sockets") == 0
    assert value(text, 'wsguard_disconnects_total{cause="peer or handler"}') == 1
    assert value(text, 'wsguard_seconds_count{step="preauth"}') == 2
    assert value(text, 'wsguard_seconds_count{step="handshake"}') == 2
    assert value(text, 'wsguard_seconds_bucket{le="5.0",step="handshake"}') == 2


def test_open_sockets_and_what_ended_them(counted: tuple[Flask, CollectorRegistry]) -> None:
    """A cause of the guard's own is named; a site's text is not, for labels need a bound."""
    app, registry = counted
    ends: list[dict[str, Any]] = [
        {"code": 4401, "reason": "max_age"},
        {"code": 4401, "reason": "alice was fired"},
    ]
    for _ in range(3):
        connection_opened.send(app, path="/echo", ticket=None)
    for end in ends:
        connection_closed.send(app, path="/echo", ticket=None, seconds=1.0, **end)
    text = read(registry)
    assert value(text, "wsguard_open_sockets") == 1
    assert value(text, 'wsguard_disconnects_total{cause="max_age"}') == 1
    assert value(text, 'wsguard_disconnects_total{cause="disconnect"}') == 1


def test_observed_refusals_are_told_apart() -> None:
    """Observe-only mode counts what it lets through."""
    registry = CollectorRegistry()
    app = make_site(WSGUARD_ENFORCE=False)
    Metrics(app, registry)
    visitor = Visitor(app)
    visitor.client.get("/ticker", base_url=visitor.base)
    visitor.connect("/echo")
    sample = 'wsguard_handshakes_total{outcome="observed",reason="token_missing"}'
    assert value(read(registry), sample) == 1


def test_two_apps_count_in_one_registry_and_others_are_not_counted() -> None:
    """A registry takes a name once; an app without metrics is nobody's."""
    registry = CollectorRegistry()
    one, two, third = make_site(), make_site(), make_site()
    Metrics(one, registry)
    metrics = Metrics(registry=registry)
    metrics.init_app(two)
    for app in (one, two, third):
        with app.test_request_context("/"):
            handshake_accepted.send(app, path="/echo", ticket=None, origin=None)
    text = read(registry)
    assert value(text, 'wsguard_handshakes_total{outcome="accepted",reason=""}') == 2
    assert value(text, 'wsguard_seconds_count{step="handshake"}') is None


def test_page_is_what_prometheus_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder for several processes it shows this one's numbers."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    registry = CollectorRegistry()
    app = make_site()
    app.add_url_rule("/metrics", view_func=Metrics(app, registry).page, endpoint="metrics")
    answer = app.test_client().get("/metrics")
    assert answer.content_type.startswith("text/plain")
    assert value(answer.get_data(as_text=True), "wsguard_open_sockets") == 0
    child_exit(None, None)


def test_every_label_value_has_a_bound(counted: tuple[Flask, CollectorRegistry]) -> None:
    """Reasons are the enum's; no path, user or origin becomes a label."""
    _, registry = counted
    labels = set(re.findall(r"(\w+)=", read(registry)))
    assert labels <= {"outcome", "reason", "cause", "step", "le"}
    assert all(re.fullmatch(r"[a-z_]+", reason.value) for reason in Refusal)


@contextmanager
def gunicorn(folder: Path) -> Iterator[int]:
    """Run two workers that keep their numbers in one folder."""
    numbers = folder / "numbers"
    numbers.mkdir()
    config = folder / "gunicorn.conf.py"
    config.write_text("from flask_wsguard.ops.metrics import child_exit\n")
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as listener,
        (folder / "log").open("wb") as log,
    ):
        port: int = listener.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "--config", str(config), "--workers", "2"]
        command += ["--worker-class", "gthread", "--threads", "8", "--no-control-socket"]
        command += ["--bind", f"fd://{listener.fileno()}", "tests.ops_site:make()"]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(numbers)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    try:
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def fetch(port: int, path: str) -> str:
    with Wire(port) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
        return wire.answer().body.decode()


@pytest.mark.slow
def test_two_workers_of_gunicorn_add_up(tmp_path: Path) -> None:
    """Six sockets are six whichever worker is asked; a killed worker's are no longer open."""
    with gunicorn(tmp_path) as port, browsers(port) as make:
        alice: Browser = make().log_in("alice")
        wires = [alice.open("/any") for _ in range(6)]
        assert [wire.text() for wire in wires] == ["alice"] * 6
        pids: set[str] = set()
        until(lambda: pids.add(fetch(port, "/pid")) or len(pids) == 2)
        for _ in range(4):
            text = fetch(port, "/metrics")
            assert value(text, "wsguard_open_sockets") == 6
            assert value(text, 'wsguard_handshakes_total{outcome="accepted",reason=""}') == 6
            assert value(text, 'wsguard_seconds_count{step="preauth"}') == 6
        os.kill(int(min(pids)), signal.SIGKILL)
        os.kill(int(max(pids)), signal.SIGKILL)
        until(lambda: value(fetch(port, "/metrics"), "wsguard_open_sockets") == 0, 20)
        text = fetch(port, "/metrics")
        assert value(text, 'wsguard_handshakes_total{outcome="accepted",reason=""}') == 6


@pytest.mark.slow
def test_a_real_prometheus_answers_the_dashboard(tmp_path: Path) -> None:
    """It scrapes the page of two workers, and every panel has something to show."""
    dice = random.Random(7)
    with gunicorn(tmp_path) as port, prometheus(port, tmp_path) as watcher:
        begin = time.time()

        def shows_all() -> bool:
            live(port, 4.0, dice)
            try:
                return all(watcher.ask(query, begin, time.time()) for query in queries())
            except OSError:
                return False

        until(shows_all, 60)


def queries() -> list[str]:
    """Return every PromQL expression of the dashboard."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_dashboard_asks_for_what_there_is(counted: tuple[Flask, CollectorRegistry]) -> None:
    """Every metric in a query exists with the labels it is asked for, and each is on a panel."""
    app, registry = counted
    visitor = Visitor(app)
    visitor.log_in("alice")
    assert visitor.open("/write", visitor.token("/write")).code == 1000
    text = read(registry)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    names = {re.split(r"[{ ]", line)[0] for line in lines}
    names = {name for name in names if not name.endswith("_created")}
    asked: set[str] = set()
    for query in queries():
        used = set(re.findall(r"\bwsguard_\w+", query))
        assert used, query
        assert used <= names, query
        labels = set(re.findall(r"(\w+)\s*!?=~?\"", query))
        labels |= {one for by in re.findall(r"by \(([^)]*)\)", query) for one in by.split(", ")}
        carried = {one for line in lines if line.startswith(tuple(used))
                   for one in re.findall(r'(\w+)="', line)}  # fmt: skip
        assert labels <= carried, query
        asked |= used
    assert {name.removesuffix("_sum").removesuffix("_count") for name in names} <= asked | {
        "wsguard_seconds"
    }


def test_example_serves_its_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of the manual are enough."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    app = runpy.run_path(str(ROOT / "docs" / "examples" / "metrics_prometheus.py"))["app"]
    assert "wsguard_open_sockets" in app.test_client().get("/metrics").get_data(as_text=True)


def test_numbers_of_several_workers_come_from_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the folder set the page shows what lies there, and a dead worker's gauges leave it."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with make_site().test_request_context("/metrics"):
        assert Metrics(registry=CollectorRegistry()).page().get_data() == b""
    gone = tmp_path / "gauge_livesum_4711.db"
    gone.touch()
    child_exit(None, SimpleNamespace(pid=4711))
    assert not gone.exists()
