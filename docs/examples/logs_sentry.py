"""Sentry without tokens: it captures URLs, queries, headers, log lines and variables of frames.

Tried with sentry-sdk 2.75. An older one raises for a hook that it does not know: leave that out.
"""

from typing import Any

import sentry_sdk

from flask_wsguard.redaction import redact


def without_tokens(event: Any, hint: Any = None) -> Any:
    if isinstance(event, dict):
        return {key: without_tokens(value) for key, value in event.items()}
    if isinstance(event, (list, tuple)):
        return [without_tokens(value) for value in event]
    return redact(event) if isinstance(event, str) else event


HOOKS = {
    "before_send": without_tokens,
    "before_send_transaction": without_tokens,
    "before_send_log": without_tokens,  # enable_logs=True
    "before_send_metric": without_tokens,
    "before_breadcrumb": without_tokens,
}


def start(dsn: str, **options: Any) -> None:
    hooks = dict(HOOKS)
    if options.get("trace_lifecycle") == "stream":  # elsewhere sentry-sdk warns of this one
        hooks["before_send_span"] = without_tokens
    sentry_sdk.init(dsn, **hooks, **options)
