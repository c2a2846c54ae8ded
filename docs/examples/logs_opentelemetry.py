"""OpenTelemetry without tokens: its instrumentations put the query of a request on its span."""

from typing import Any

from flask import Flask
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

from flask_wsguard.redaction import redact


def drop_tokens(span: Any, environ: Any) -> None:
    if span and span.is_recording():
        for key, value in dict(span.attributes).items():
            if isinstance(value, str) and redact(value) != value:
                span.set_attribute(key, redact(value))


def instrument(app: Flask, **options: Any) -> None:
    traced = OpenTelemetryMiddleware(app.wsgi_app, request_hook=drop_tokens, **options)
    app.wsgi_app = traced  # type: ignore[method-assign]
