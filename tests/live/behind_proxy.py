"""The site behind nginx: one trusted hop of headers, a shared store, each token once."""

import json
import os
from typing import Any

from flask import Response
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_wsguard import ws_protected
from flask_wsguard.ops.gunicorn import post_worker_init
from tests.sites import make_site

__all__ = ["app", "post_worker_init"]

app = make_site(
    WSGUARD_STORAGE_URI=os.environ["STORE"],
    WSGUARD_SINGLE_USE=True,
    WSGUARD_MAX_CONNECTIONS_PER_USER=100,
    WSGUARD_DRAIN_SECONDS=1,
    TRUSTED_HOSTS=[os.environ["TRUSTED"]],
    SOCK_SERVER_OPTIONS={"ping_interval": 25, "max_message_size": 65536},
    **json.loads(os.environ.get("KEYS", "{}")),
)
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]


@app.after_request
def name_instance(answer: Response) -> Response:
    """Say which gunicorn answered, by its master's process id."""
    answer.headers["X-Instance"] = str(os.getppid())
    return answer


@app.post("/disconnect/<user>")
def disconnect(user: str) -> str:
    return str(app.extensions["test_guard"].disconnect(user_id=user))


@app.extensions["test_sock"].route("/where")
@ws_protected
def where(ws: Any) -> None:
    """Say which gunicorn and which worker holds the socket."""
    ws.send(f"{os.getppid()} {os.getpid()}")
    ws.receive()
