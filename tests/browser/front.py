"""Where the browsers connect: gunicorn on plain http, and haproxy in front of it with TLS.

Every port is bound here and inherited, so no port can be lost to somebody else.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from tests.browser.engines import need
from tests.wire import Wire

ROOT = Path(__file__).parents[2]
OWN, SIBLING, EVIL = "example.org", "sub.example.org", "evil.example.net"
HOSTS = (OWN, SIBLING, EVIL)

_HAPROXY = """\
global
    maxconn 200
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
frontend tls
    bind fd@{first} ssl crt {certificate}
    bind fd@{second} ssl crt {certificate}
    http-request set-header X-Forwarded-Proto https
    default_backend site
backend site
    server gunicorn 127.0.0.1:{port}
"""


@dataclass(frozen=True)
class World:
    """The servers of this suite. All of them serve all hosts; who is evil is the page's matter."""

    http: int
    other_http: int
    tls: int
    other_tls: int
    ca: Path
    log_file: Path
    proxy_log: Path

    def https(self, host: str = OWN, path: str = "") -> str:
        """Return an address behind TLS."""
        return f"https://{host}:{self.tls}{path}"

    def wss(self, path: str, host: str = OWN) -> str:
        """Return a socket's address behind TLS."""
        return f"wss://{host}:{self.tls}{path}"

    def verdicts(self) -> list[dict[str, Any]]:
        """Return what the servers decided since last asked."""
        with Wire(self.http) as wire:
            wire.send(b"POST /verdicts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            verdicts: list[dict[str, Any]] = wire.answer().json
        return verdicts

    def tell(self, **change: Any) -> None:
        """Change how the sites behave, until told otherwise (see desk.py)."""
        body = json.dumps(change).encode()
        head = b"POST /behave HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        with Wire(self.http) as wire:
            wire.send(head % len(body) + body)
            assert wire.answer().status == 200

    def drop(self) -> int:
        """Cut every open socket, and return how many there were."""
        with Wire(self.http) as wire:
            wire.send(b"POST /drop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            cut: int = wire.answer().json
        return cut


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """Run gunicorn and haproxy until the block ends."""
    need([name for name in ("haproxy",) if not shutil.which(name)])
    ca, certificate = _certify(folder)
    with ExitStack() as stack:
        plain = [stack.enter_context(listen()) for _ in range(2)]
        secure = [stack.enter_context(listen()) for _ in range(2)]
        ports = [listener.getsockname()[1] for listener in (*plain, *secure)]
        world = World(*ports, ca, folder / "gunicorn.log", folder / "haproxy.log")
        stack.enter_context(_gunicorn(world, plain))
        stack.enter_context(_haproxy(world, secure, certificate))
        yield world


def listen() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def _certify(folder: Path) -> tuple[Path, Path]:
    """Make a CA and one certificate for all hosts; return both files."""
    authority, ca, certificate = trustme.CA(), folder / "ca.pem", folder / "site.pem"
    authority.cert_pem.write_to_path(str(ca))
    issued = authority.issue_cert(*HOSTS)
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    return ca, certificate


@contextmanager
def _gunicorn(world: World, listeners: list[socket.socket]) -> Iterator[None]:
    binds = [part for one in listeners for part in ("--bind", f"fd://{one.fileno()}")]
    command = [sys.executable, "-m", "gunicorn", "--workers", "1", "--worker-class", "gthread"]
    command += [
        "--threads",
        "64",
        "--no-control-socket",
        *binds,
        "tests.browser.sites:make_sites()",
    ]
    listed = {"LISTED_ORIGIN": world.https(SIBLING), "OWN_ORIGIN": world.https()}
    with process(command, world.log_file, listeners, **listed), Wire(world.http) as wire:
        wire.send(b"GET /blank HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.answer().status == 200, world.log_file.read_text()
        yield


@contextmanager
def _haproxy(world: World, listeners: list[socket.socket], certificate: Path) -> Iterator[None]:
    first, second = (listener.fileno() for listener in listeners)
    config = world.proxy_log.with_suffix(".cfg")
    config.write_text(
        _HAPROXY.format(first=first, second=second, certificate=certificate, port=world.http)
    )
    with process(["haproxy", "-db", "-f", str(config)], world.proxy_log, listeners):
        yield


@contextmanager
def process(
    command: list[str], log: Path, listeners: list[socket.socket], **environment: str
) -> Iterator[None]:
    """Run a server that inherits the listeners; then kill its whole process group."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno() for listener in listeners],
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
