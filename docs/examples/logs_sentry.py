"""Sentry without tokens: it captures URLs, queries, headers and the variables of each frame."""

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
    "before_breadcrumb": without_tokens,
}


def start(dsn: str, **options: Any) -> None:
    sentry_sdk.init(dsn, **HOOKS, **options)
