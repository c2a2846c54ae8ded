"""gunicorn's logger without tokens: ``--logger-class flask_wsguard.ops.logs.GunicornLogger``.

Needed by those only who format their own lines, or write them elsewhere: derive from this class.
What goes through gunicorn's own loggers is cleaned by ``init_app``.
"""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from ..redaction import ACCESS_AND_ERROR_LOGS, clean, filter_logs

__all__ = ["GunicornLogger"]


class GunicornLogger(Logger):  # type: ignore[misc]
    """Logs as gunicorn does, and no atom that ``access`` is made of holds a token."""

    def setup(self, cfg: Any) -> None:
        """Set up the loggers, cleaned from the first line on, before any app is loaded."""
        super().setup(cfg)
        filter_logs(ACCESS_AND_ERROR_LOGS)

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:
        """Return what a line can be made of, by gunicorn's names."""
        atoms: dict[str, Any] = clean(super().atoms(resp, req, environ, request_time))
        return atoms
