"""Prometheus reads /metrics; keep it from everybody else, in the proxy or by a port of its own."""

from flask import Flask

from flask_wsguard import WSGuard
from flask_wsguard.ops.metrics import Metrics

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
guard = WSGuard(app)

metrics = Metrics(app)
app.add_url_rule("/metrics", view_func=metrics.page)
