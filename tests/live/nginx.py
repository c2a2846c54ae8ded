"""Two gunicorn instances of two workers behind nginx with the configuration that docs/ gives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websocket

from .gunicorn import until

ROOT = Path(__file__).parents[2]
NAME = "localhost"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass
class Cluster:
    """What stands behind nginx, and how to talk to it."""

    port: int
    redis_port: int
    folder: Path
    tls: ssl.SSLContext
    redis: subprocess.Popen[bytes]
    gunicorns: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_redis(self) -> None:
        """Start the store, or start it again, empty."""
        self.redis = redis_server(self.redis_port)
        wait_for(self.redis_port)

    @property
    def origin(self) -> str:
        return f"https://{NAME}:{self.port}"

    @property
    def workers(self) -> set[int]:
        """Return the process ids of all workers."""
        return {pid for one in self.gunicorns for pid in workers_of(one)}

    def roll(self, **keys: Any) -> Iterator[None]:
        """Restart one instance after the other with these keys; yield as often."""
        write_keys(self.folder, **keys)
        for one in self.gunicorns:
            restart(one)
            yield

    def ask(self, method: str, path: str, cookie: str = "", body: bytes | None = None):
        """Send a request; return the answer's body, cookies, and instance."""
        request = urllib.request.Request(f"{self.origin}{path}", body, method=method)
        request.add_header("Origin", self.origin)
        request.add_header("Cookie", cookie)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, context=self.tls, timeout=10) as answer:
            cookies = answer.headers.get_all("Set-Cookie") or []
            instance = int(answer.headers["X-Instance"])
            return answer.read(), [one.partition(";")[0] for one in cookies], instance

    def log_in(self, user: str) -> str:
        return self.ask("POST", f"/login/{user}", body=b"")[1][0]

    def preauth(self, session: str, path: str = "/any") -> tuple[str, str, int]:
        """Return token, ticket, and which instance gave them."""
        asked = json.dumps({"path": path}).encode()
        body, cookies, instance = self.ask("POST", "/wsguard/preauth", session, asked)
        return json.loads(body)["token"], cookies[0], instance

    def connect(self, session: str, path: str = "/any", granted: Any = None):
        token, ticket, _ = granted or self.preauth(session, path)
        return websocket.create_connection(
            f"wss://{NAME}:{self.port}{path}?wsguard_token={token}",
            origin=self.origin,
            cookie=f"{session}; {ticket}",
            timeout=10,
            sslopt={"context": self.tls},
        )

    def knock(self, session: str, granted: tuple[str, str, int]) -> int:
        """Return the status that a handshake gets, and hang up."""
        token, ticket, _ = granted
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        with self.tls.wrap_socket(plain, server_hostname=NAME) as wire:
            wire.sendall(
                f"GET /any?wsguard_token={token} HTTP/1.1\r\nHost: {NAME}:{self.port}\r\n"
                f"Origin: {self.origin}\r\nCookie: {session}; {ticket}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            return int(wire.recv(4096).split()[1])


def workers_of(gunicorn: subprocess.Popen[bytes]) -> set[int]:
    """Return the process ids of an instance's workers."""
    file = Path(f"/proc/{gunicorn.pid}/task/{gunicorn.pid}/children")
    return {int(child) for child in file.read_text().split()}


def restart(gunicorn: subprocess.Popen[bytes]) -> None:
    """Let an instance read its configuration again, and wait until its old workers have gone."""
    before = workers_of(gunicorn)
    gunicorn.send_signal(signal.SIGHUP)
    until(lambda: len(now := workers_of(gunicorn)) == 2 and now.isdisjoint(before), 30)


@contextmanager
def cluster_running(folder: Path, **keys: Any) -> Iterator[Cluster]:
    """Run nginx, two gunicorns of two workers with these keys, and Redis, until the block ends."""
    if NGINX is None or shutil.which("redis-server") is None or shutil.which("openssl") is None:
        message = "needs nginx, redis-server and openssl (apt-get install)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    port, one, two, redis_port = (free_port() for _ in range(4))
    make_certificate(folder)
    write_config(folder, port, one, two)
    write_keys(folder, **keys)
    tls = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    with ExitStack() as stack:
        made = Cluster(port, redis_port, folder, tls, redis_server(redis_port))
        stack.callback(lambda: end(made.redis))
        log = stack.enter_context((folder / "log").open("wb"))
        made.gunicorns = [start_gunicorn(made, number, log) for number in (one, two)]
        command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g"]
        nginx = subprocess.Popen([*command, f"daemon off; pid {folder}/nginx.pid;"], stderr=log)
        for process in (*made.gunicorns, nginx):
            stack.callback(end, process)
        for number in (redis_port, one, two, port):
            wait_for(number)
        yield made


def start_gunicorn(cluster: Cluster, port: int, log: Any) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STORE": f"redis://127.0.0.1:{cluster.redis_port}/0",
        "TRUSTED": NAME,
    }
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
    command += ["--config", str(cluster.folder / "gunicorn.conf.py"), "--no-control-socket"]
    command += ["--worker-class", "gthread", "--threads", "80", "tests.live.behind_proxy:app"]
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=ROOT)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def redis_server(port: int) -> subprocess.Popen[bytes]:
    """Start an empty store on this port."""
    command = ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def make_certificate(folder: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip


def write_keys(folder: Path, **keys: Any) -> None:
    """Write a gunicorn.conf.py by which the next workers have these keys."""
    hook, variable = "from flask_wsguard.ops.gunicorn import *", f"KEYS={json.dumps(keys)}"
    (folder / "gunicorn.conf.py").write_text(f"{hook}\nraw_env = [{variable!r}]\n")


def write_config(folder: Path, port: int, one: int, two: int) -> None:
    """Put the test's ports and files in; everything else stays what users are told to use."""
    text = (ROOT / "docs" / "nginx.conf").read_text(encoding="utf-8")
    for ours, theirs in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "server_name example.org": f"server_name {NAME}",
        "/etc/ssl/example.org.pem": f"{folder}/cert.pem",
        "/etc/ssl/example.org.key": f"{folder}/key.pem",
        "/var/log/nginx/": f"{folder}/",
        "127.0.0.1:8001": f"127.0.0.1:{one}",
        "127.0.0.1:8002": f"127.0.0.1:{two}",
    }.items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
