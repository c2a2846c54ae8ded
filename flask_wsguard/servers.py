"""What the WSGI server in front can do with a WebSocket."""

from __future__ import annotations

from typing import Any

NO_SOCKET = (
    "This server hands no socket to the app, so it cannot serve WebSockets: use gunicorn "
    "(gthread or gevent), gevent.pywsgi or Werkzeug's threaded server."
)
ONE_SOCKET = (
    "gunicorn's sync worker serves one socket, and nothing else meanwhile: "
    "start it with --worker-class gthread --threads 100, or gevent"
)


def offers_socket(environ: dict[str, Any]) -> bool:
    """Tell whether simple-websocket will find a socket in this request."""
    return (
        "werkzeug.socket" in environ
        or "gunicorn.socket" in environ
        or environ.get("SERVER_SOFTWARE", "").startswith("gevent")
    )


def is_gunicorn_sync(environ: dict[str, Any]) -> bool:
    """Tell whether one open socket keeps this whole worker."""
    return "gunicorn.socket" in environ and not environ.get("wsgi.multithread")
