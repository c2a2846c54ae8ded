"""What the WSGI server in front can do with a WebSocket, and what its operator should know."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

from .core.carriers import OWN_PROTOCOL, SUBPROTOCOL

NO_SOCKET = (
    "This server hands no socket to the app, so it cannot serve WebSockets: use gunicorn "
    "(gthread or gevent), gevent.pywsgi or Werkzeug's threaded server."
)
IN_A_TEST = (
    "A test client hands no socket to the app. In tests open this route with "
    "flask_wsguard.testing.connect(client, path), or ask for the verdict alone with "
    "flask_wsguard.testing.handshake(client, path)."
)
UNPATCHED_GEVENT = (
    "gevent without monkey.patch_all() cannot close a socket from elsewhere: patch first of all, "
    "or use gunicorn's gevent worker, which does."
)

ONE_SOCKET = (
    "gunicorn's sync worker serves one socket, and nothing else meanwhile: start it with "
    "--worker-class gthread --threads 100, or gevent"
)
EVERY_THREAD = (
    "under gthread each open socket holds a thread, and with all held the site hangs: set "
    "WSGUARD_MAX_CONNECTIONS some way below --threads"
)
AS_MANY_AS_THREADS = (
    "WSGUARD_MAX_CONNECTIONS is {sockets}, and of this worker's {threads} threads each open socket "
    "holds one: with all held the site hangs. Set it some way below --threads"
)
NO_OWN_PROTOCOL = (
    'SOCK_SERVER_OPTIONS was set after init_app and lost "wsguard" from its subprotocols, so '
    "browsers drop sockets whose token is a subprotocol: set it before WSGuard(app)"
)

threads_of_worker: int | None = None
"""What gunicorn tells a worker's hooks, and no request: see :mod:`flask_wsguard.ops.gunicorn`."""

VERDICT_ONLY = "flask_wsguard.verdict_only"
"""In the environ of a request that asks for a verdict and wants no socket. No client can send it:
what clients send is spelt ``HTTP_...`` there."""


def fault_of(environ: Mapping[str, Any]) -> str | None:
    """Say why this server cannot serve guarded sockets, None when it can."""
    if "werkzeug.socket" in environ or "gunicorn.socket" in environ:
        return None
    if not environ.get("SERVER_SOFTWARE", "").startswith("gevent"):
        return IN_A_TEST if _is_of_test_client(environ) else NO_SOCKET
    return None if is_gevent_patched() else UNPATCHED_GEVENT


def _is_of_test_client(environ: Mapping[str, Any]) -> bool:
    """Tell Werkzeug's test client by what it leaves out: a server says which it is."""
    return "SERVER_SOFTWARE" not in environ and isinstance(environ.get("wsgi.input"), BytesIO)


def with_own_protocol(sock_options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return SOCK_SERVER_OPTIONS by which flask-sock can choose ``wsguard``, last of all.

    A new dict: several apps may share the one that was given.
    """
    options = sock_options or {}
    names = dict.fromkeys([*_subprotocols(options), OWN_PROTOCOL])
    return {**options, "subprotocols": list(names)}


def _subprotocols(options: Mapping[str, Any]) -> list[str]:
    given = options.get("subprotocols") or []
    return [given] if isinstance(given, str) else list(given)


def advice(
    environ: Mapping[str, Any],
    sock_options: Mapping[str, Any],
    max_connections: int | None,
    token_carriers: tuple[str, ...],
) -> Iterator[str]:
    """Say what will hurt later: for the log, once, at the first socket."""
    if "gunicorn.socket" in environ and not environ.get("wsgi.multithread"):
        yield ONE_SOCKET
    elif "gunicorn.socket" in environ and not is_gevent_patched():
        yield from _advice_on_threads(max_connections)
    if SUBPROTOCOL in token_carriers and OWN_PROTOCOL not in _subprotocols(sock_options):
        yield NO_OWN_PROTOCOL
    missing = [key for key in ("ping_interval", "max_message_size") if not sock_options.get(key)]
    if missing:
        yield (
            f"SOCK_SERVER_OPTIONS sets no {' and no '.join(missing)}, so dead peers stay and "
            "messages may be of any size: "
            'SOCK_SERVER_OPTIONS = {"ping_interval": 25, "max_message_size": 65536}'
        )


def _advice_on_threads(max_connections: int | None) -> Iterator[str]:
    if max_connections is None:
        yield EVERY_THREAD
    elif threads_of_worker is not None and max_connections >= threads_of_worker:
        yield AS_MANY_AS_THREADS.format(sockets=max_connections, threads=threads_of_worker)


def is_gevent_patched() -> bool:
    """Tell whether this process's threads and sockets are gevent's."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))
