"""Run ``flask wsguard probe``, and the sites that it attacks."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import trustme
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.serving import make_server

from tests.ops.commands import run
from tests.sites import make_site
from tests.wire import Browser


def probe(url: str, *words: str) -> tuple[int, list[tuple[str, str, int]]]:
    """Return exit status, and attack, verdict and status of every row."""
    code, said = run(Flask("nobody"), "probe", url, "--json", *words)
    return code, [(one["attack"], one["verdict"], one["status"]) for one in json.loads(said)]


@contextmanager
def telling(*answers: bytes) -> Iterator[int]:
    """Give each answer to one client, in turn."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                peer, _ = listener.accept()
                with peer:
                    read_request(peer)
                    peer.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@contextmanager
def limited(limit: str, **config: Any) -> Iterator[tuple[str, str]]:
    """Serve the tests' site with a limit on preauth; give a socket's URL and alice's session."""
    app = make_site(**config)
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://", headers_enabled=True)
    limiter.limit(limit)(app.extensions["test_guard"].blueprint)
    with serving(lambda port: app) as served:
        yield served


@contextmanager
def serving(make: Callable[[int], Flask]) -> Iterator[tuple[str, str]]:
    """Serve a tests' site, made for a port; give the URL of /echo and alice's session."""
    server = make_server("127.0.0.1", 0, Flask("nobody"), threaded=True)
    server.app = make(server.port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    jar = Browser(server.port).log_in("alice").jar
    try:
        yield (
            f"http://localhost:{server.port}/echo",
            "; ".join(f"{name}={value}" for name, value in jar.items()),
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def open_to_all(authority: trustme.CA, host: str, family: socket.AddressFamily) -> Iterator[int]:
    """Serve TLS: no preauth, and a 101 for whoever comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    listener = socket.create_server((host, 0), family=family)
    no = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with context.wrap_socket(peer, server_side=True) as secure:
                    asks = read_request(secure).startswith(b"POST")
                    secure.sendall(no if asks else b"HTTP/1.1 101 Switching Protocols\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def read_request(wire: socket.socket) -> bytes:
    """Return a request with its body: who closes with a part unread resets the connection."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += wire.recv(65536)
    head, _, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += wire.recv(65536)
    return head
