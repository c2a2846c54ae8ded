"""How gunicorn serves the demo at http://localhost:$PORT, over IPv4 and, where there is, IPv6."""

import logging
import os
import socket

_PORT = os.environ.get("PORT", "5000")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


_HOSTS = ["127.0.0.1", *(["[::1]"] if _has_ipv6() else [])]
# The attacker of demo/lab.py, where there is one.
_PORTS = [_PORT, *filter(None, [os.environ.get("EVIL_PORT")])]
bind = [f"{host}:{port}" for port in _PORTS for host in _HOSTS]
workers = 1
worker_class = "gthread"
# Every open socket holds one of them.
threads = 100
graceful_timeout = 1
# It would be one file in the home directory, whatever the port.
control_socket_disable = True


def worker_int(_: object) -> None:
    """Let Ctrl-C end the open sockets, which would never end by themselves."""
    os._exit(0)


logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
