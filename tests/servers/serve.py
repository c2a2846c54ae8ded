"""Serve an app on a listening socket that this process inherited.

``python -m tests.servers.serve SERVER FD MAKER`` with a maker of tests.servers.apps. gunicorn has
a command of its own.
"""

from __future__ import annotations

import importlib
import logging
import socket
import sys
from typing import Any


def main(server: str, descriptor: str, maker: str) -> None:
    """Serve until killed."""
    if server == "pywsgi":
        from gevent import monkey

        monkey.patch_all()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    app = getattr(importlib.import_module("tests.servers.apps"), maker)()
    {"werkzeug": _werkzeug, "pywsgi": _pywsgi, "waitress": _waitress, "wsgiref": _wsgiref}[server](
        app, int(descriptor)
    )


def _werkzeug(app: Any, descriptor: int) -> None:
    from werkzeug.serving import make_server

    make_server("localhost", 0, app, threaded=True, fd=descriptor).serve_forever()


def _pywsgi(app: Any, descriptor: int) -> None:
    from gevent import pywsgi, socket

    listener = socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM)
    logs = {name: logging.getLogger("gevent.pywsgi") for name in ("log", "error_log")}
    pywsgi.WSGIServer(listener, app, **logs).serve_forever()


def _waitress(app: Any, descriptor: int) -> None:
    import waitress

    waitress.serve(app, sockets=[socket.socket(fileno=descriptor)])


def _wsgiref(app: Any, descriptor: int) -> None:
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

    server = WSGIServer(("localhost", 0), WSGIRequestHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=descriptor)
    server.server_name, server.server_port = "localhost", server.socket.getsockname()[1]
    server.setup_environ()
    server.set_app(app)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
