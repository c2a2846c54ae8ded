"""What an audit looks at, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask

from ..state import State
from .inventory import SocketRoute

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: a stable ``id``, ``severity`` (error, warning), what is wrong, what to write."""

    id: str
    severity: str
    what: str
    write: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """How the site is served; None where the operator did not say."""

    workers: int | None = None
    threads: int | None = None
    worker_class: str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """All that the audit looks at. Needs an app context."""

    app: Flask
    state: State
    routes: list[SocketRoute]
    served: Deployment

    @property
    def sock_options(self) -> dict[str, Any]:
        """Return what flask-sock is told."""
        return self.app.config.get("SOCK_SERVER_OPTIONS") or {}

    @property
    def hosts(self) -> list[str]:
        """Return the names under which the site says that it is served, without ports."""
        named = [*(self.app.config.get("TRUSTED_HOSTS") or []), self.app.config.get("SERVER_NAME")]
        return [name.rpartition(":")[0] or name for name in named if name]


Audit = Callable[[Site], Iterator[Finding]]
"""One question to a site."""
