"""Sentry's and OpenTelemetry's capture with the hooks from docs/examples; the control without."""

from __future__ import annotations

import json
import logging
import runpy
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from flask import Flask, request
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.transport import Transport

from tests.sites import make_site
from tests.visitor import UPGRADE, Visitor

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"


def example(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def site() -> Flask:
    """Return a site whose loader fails with a message that names the URL."""
    app = make_site()

    @app.extensions["test_guard"].identity_loader
    def boom(asked: Any) -> None:
        if "boom" in asked.args:
            kept = request.environ["QUERY_STRING"]
            raise LookupError(f"no database for {kept}")

    return app


class Kept(Transport):
    """A transport that keeps what it should send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope.serialize().decode("utf-8", "replace"))


def handshakes(app: Flask) -> list[str]:
    """Let handshakes be accepted, refused, and crash; return their tokens in this order.

    Then preauth refuses a page of another origin.
    """
    visitor = Visitor(app)
    visitor.log_in("alice")
    accepted, refused, crashed = visitor.token("/write"), visitor.token(), visitor.token()
    assert visitor.open("/write", accepted).messages == ["chat:read chat:write"]
    visitor.connect("/echo", refused, headers={"Origin": "https://evil.example.net"})
    answer = visitor.client.get(
        f"/echo?boom=1&wsguard_token={crashed}",
        base_url=visitor.base,
        headers={**UPGRADE, "Origin": visitor.base},
    )
    assert answer.status_code == 500
    answer.close()
    assert visitor.preauth("/echo", origin="https://evil.example.net").status_code == 403
    return [accepted, refused, crashed]


@pytest.fixture
def sentry() -> Iterator[Any]:
    """Start Sentry with what is given, in memory, and end it."""

    def start(begin: Any) -> list[str]:
        transport = Kept()
        begin(
            "http://key@localhost/1",
            transport=transport,
            traces_sample_rate=1.0,
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[FlaskIntegration()],
        )
        return transport.sent

    yield start
    sentry_sdk.init()


def test_sentry_gets_no_token_with_the_hook(sentry: Any) -> None:
    """Neither in the request's query nor in messages nor in the variables of a frame."""
    sent = sentry(example("logs_sentry")["start"])
    tokens = handshakes(site())
    sentry_sdk.flush()
    whole = "".join(sent)
    assert [token for token in tokens if token in whole] == []
    assert "no database for boom=1&wsguard_token=[redacted]" in whole


def test_sentry_gets_tokens_without_the_hook(sentry: Any) -> None:
    """The control."""
    sent = sentry(sentry_sdk.init)
    tokens = handshakes(site())
    sentry_sdk.flush()
    assert [token for token in tokens if token in "".join(sent)] == tokens


# In a process of its own: default integrations patch the standard library and stay.
AS_SITES_DO = """
from tests.test_tracing import example, sentry_as_sites_do, sentry_sdk
begin = {begin}
for lifecycle in ("static", "stream"):
    print(*sentry_as_sites_do(begin, trace_lifecycle=lifecycle))
"""


def sentry_as_sites_do(begin: Any, **options: Any) -> list[str]:
    """Log and count by URL under default integrations; return each kind sent, ! with a token."""
    transport = Kept()
    every = {"traces_sample_rate": 1.0, "enable_logs": True, "send_default_pii": True, **options}
    begin("http://key@localhost/1", transport=transport, **every)
    app = site()

    @app.before_request
    def log_and_count() -> None:
        logging.getLogger("the site").warning("asked for %s", request.url)
        sentry_sdk.metrics.count("asked", 1, attributes={"url": request.url})

    tokens = handshakes(app)
    sentry_sdk.flush()
    kinds = {}
    for envelope in transport.sent:
        kind = json.loads(envelope.splitlines()[1])["type"]
        kinds[kind] = kinds.get(kind, "") or "!" * any(token in envelope for token in tokens)
    return sorted(kind + leaked for kind, leaked in kinds.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin", "told"),
    [
        (
            'example("logs_sentry")["start"]',
            ["event log sessions trace_metric transaction", "event log sessions span trace_metric"],
        ),
        (
            "sentry_sdk.init",
            [
                "event! log! sessions trace_metric! transaction!",
                "event! log! sessions span! trace_metric!",
            ],
        ),
    ],
    ids=["hooks", "control"],
)
def test_nothing_that_sentry_sends_holds_a_token_with_the_hooks(
    begin: str, told: list[str]
) -> None:
    """Nor a line that the site logs, nor a label that it counts by; spans whole or streamed."""
    done = subprocess.run(
        [sys.executable, "-c", AS_SITES_DO.format(begin=begin)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == told, done.stderr


def traced(app: Flask, instrument: Any) -> tuple[list[str], InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrument(app, tracer_provider=provider)
    served = app.wsgi_app

    def as_gunicorn_does(environ: Any, start_response: Any) -> Any:
        """Name the whole target, which the test client leaves out."""
        environ["RAW_URI"] = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        return served(environ, start_response)

    app.wsgi_app = as_gunicorn_does  # type: ignore[method-assign]
    tokens = handshakes(app)
    provider.shutdown()
    return tokens, exporter


def attributes(exporter: InMemorySpanExporter) -> str:
    return repr([dict(span.attributes or {}) for span in exporter.get_finished_spans()])


def instrument_wsgi(app: Flask, **options: Any) -> None:
    app.wsgi_app = OpenTelemetryMiddleware(app.wsgi_app, **options)  # type: ignore[method-assign]


def test_opentelemetry_spans_hold_no_token_with_the_hook() -> None:
    """The control is the same instrumentation without it."""
    tokens, exporter = traced(site(), instrument_wsgi)
    assert [token for token in tokens if token in attributes(exporter)] == tokens
    tokens, exporter = traced(site(), example("logs_opentelemetry")["instrument"])
    assert [token for token in tokens if token in attributes(exporter)] == []
    assert attributes(exporter).count("wsguard_token=[redacted]") >= 3


def test_flasks_own_instrumentation_is_no_place_for_the_hook() -> None:
    """As the manual says: it writes the query behind its hook, and hears of no refusal."""
    hook = example("logs_opentelemetry")["drop_tokens"]
    instrument = partial(FlaskInstrumentor().instrument_app, request_hook=hook)
    tokens, exporter = traced(site(), instrument)
    assert [token for token in tokens if token in attributes(exporter)] == tokens[:1]


def test_signals_become_events_of_the_requests_span() -> None:
    """Each on the span of the request it is about; a refusal with its reason and its origin."""
    # Held: a signal forgets a receiver that nobody holds.
    recipe = example("metrics_opentelemetry")
    _, exporter = traced(site(), example("logs_opentelemetry")["instrument"])
    told = [
        ((span.attributes or {})["http.target"], event.name, dict(event.attributes or {}))
        for span in exporter.get_finished_spans()
        for event in span.events
        if event.name.startswith("wsguard")
    ]
    assert len(recipe) >= 4
    closed = told[1][2].pop("wsguard.seconds")
    assert 0 < closed < 60
    write, echo = "/write?wsguard_token=[redacted]", "/echo?wsguard_token=[redacted]"
    assert told == [
        (
            write,
            "wsguard.accepted",
            {
                "wsguard.path": "/write",
                "wsguard.user": "alice",
                "wsguard.origin": "https://example.org",
            },
        ),
        (
            write,
            "wsguard.closed",
            {"wsguard.path": "/write", "wsguard.reason": "by the peer or handler"},
        ),
        (
            echo,
            "wsguard.refused",
            {
                "wsguard.reason": "origin_not_allowed",
                "wsguard.path": "/echo",
                "wsguard.origin": "https://evil.example.net",
            },
        ),
        (
            "/wsguard/preauth?",
            "wsguard.preauth_refused",
            {
                "wsguard.reason": "origin_not_allowed",
                "wsguard.path": "",  # it was not even read
                "wsguard.origin": "https://evil.example.net",
            },
        ),
    ]
