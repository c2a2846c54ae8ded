"""A guarded site with metrics, for a real gunicorn of several workers."""

from __future__ import annotations

import os

from flask import Flask

from flask_wsguard.ops.metrics import Metrics, child_exit
from tests.sites import make_site

__all__ = ["child_exit", "make"]


def make() -> Flask:
    app = make_site()
    app.add_url_rule("/metrics", view_func=Metrics(app).page, endpoint="metrics")
    app.add_url_rule("/pid", view_func=lambda: str(os.getpid()), endpoint="pid")
    return app
