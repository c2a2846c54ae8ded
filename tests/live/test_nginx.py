"""Two gunicorn instances of two workers behind nginx with the configuration that docs/ gives."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import websocket

pytestmark = pytest.mark.slow

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

    def start_redis(self) -> None:
        """Start the store, or start it again, empty."""
        self.redis = redis_server(self.redis_port)
        wait_for(self.redis_port)

    @property
    def origin(self) -> str:
        return f"https://{NAME}:{self.port}"

    def ask(self, method: str, path: str, cookie: str = "", body: bytes | None = None):
        request = urllib.request.Request(f"{self.origin}{path}", body, method=method)
        request.add_header("Origin", self.origin)
        request.add_header("Cookie", cookie)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, context=self.tls, timeout=10) as answer:
            cookies = answer.headers.get_all("Set-Cookie") or []
            return answer.read(), [one.partition(";")[0] for one in cookies]

    def log_in(self, user: str) -> str:
        return self.ask("POST", f"/login/{user}", body=b"")[1][0]

    def preauth(self, session: str) -> tuple[str, str]:
        body, cookies = self.ask("POST", "/wsguard/preauth", session, b'{"path": "/any"}')
        return json.loads(body)["token"], cookies[0]

    def connect(self, session: str):
        token, ticket = self.preauth(session)
        return websocket.create_connection(
            f"wss://{NAME}:{self.port}/any?wsguard_token={token}",
            origin=self.origin,
            cookie=f"{session}; {ticket}",
            timeout=10,
            sslopt={"context": self.tls},
        )

    def knock(self, session: str, granted: tuple[str, str]) -> int:
        """Return the status that a handshake gets, and hang up."""
        token, ticket = granted
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        with self.tls.wrap_socket(plain, server_hostname=NAME) as wire:
            wire.sendall(
                f"GET /any?wsguard_token={token} HTTP/1.1\r\nHost: {NAME}:{self.port}\r\n"
                f"Origin: {self.origin}\r\nCookie: {session}; {ticket}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            return int(wire.recv(4096).split()[1])


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


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if NGINX is None or shutil.which("redis-server") is None or shutil.which("openssl") is None:
        message = "needs nginx, redis-server and openssl (apt-get install)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    folder = tmp_path_factory.mktemp("nginx")
    port, one, two, redis_port = (free_port() for _ in range(4))
    make_certificate(folder)
    write_config(folder, port, one, two)
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "STORE": f"redis://127.0.0.1:{redis_port}/0",
        "TRUSTED": NAME,
    }  # fmt: skip
    redis = redis_server(redis_port)
    processes: list[subprocess.Popen[bytes]] = []
    gunicorn = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "80"]
    log = (folder / "gunicorn.log").open("wb")
    for number in (one, two):
        command = [*gunicorn, "--workers", "2", "--no-control-socket"]
        command += ["--bind", f"127.0.0.1:{number}", "tests.live.behind_proxy:app"]
        processes.append(
            subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=ROOT)
        )
    processes.append(
        subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g",
                          f"daemon off; pid {folder}/nginx.pid;"], stderr=log)
    )  # fmt: skip
    tls = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    made = Cluster(port, redis_port, folder, tls, redis)
    try:
        for number in (redis_port, one, two, port):
            wait_for(number)
        yield made
    finally:
        processes.append(made.redis)
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        log.close()


def redis_server(port: int) -> subprocess.Popen[bytes]:
    """Start an empty store on this port."""
    command = ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def make_certificate(folder: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip


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


def test_preauth_on_one_and_handshake_on_another(cluster: Cluster) -> None:
    """Every worker with the same secret accepts what another issued."""
    session = cluster.log_in("alice")
    sockets = [cluster.connect(session) for _ in range(8)]
    assert [one.recv() for one in sockets] == ["alice"] * 8
    for one in sockets:
        one.shutdown()


def test_disconnect_on_one_ends_fifty_sockets_on_all(cluster: Cluster) -> None:
    """Within a second, whichever of four workers was asked."""
    session = cluster.log_in("bob")
    sockets = [cluster.connect(session) for _ in range(50)]
    assert {one.recv() for one in sockets} == {"bob"}
    began = time.monotonic()
    cluster.ask("POST", "/disconnect/bob", session, b"")
    closes = Counter(one.recv_data()[1][:2] for one in sockets)
    assert time.monotonic() - began < 1
    assert closes == {(4401).to_bytes(2, "big"): 50}
    for one in sockets:
        one.shutdown()


def test_token_raced_twenty_ways_opens_once(cluster: Cluster) -> None:
    """Single use holds across instances."""
    session = cluster.log_in("carol")
    granted = cluster.preauth(session)
    with ThreadPoolExecutor(20) as racers:
        statuses = list(racers.map(lambda _: cluster.knock(session, granted), range(20)))
    assert sorted(statuses) == [101] + [403] * 19


def test_killed_redis_loses_no_socket_and_hangs_nobody(cluster: Cluster) -> None:
    """Open sockets stay, single use refuses within three seconds, and it comes back by itself."""
    session = cluster.log_in("erin")
    held = cluster.connect(session)
    assert held.recv() == "erin"
    granted = cluster.preauth(session)
    cluster.redis.kill()
    cluster.redis.wait()
    began = time.monotonic()
    assert cluster.knock(session, granted) == 403
    assert cluster.ask("GET", "/", session)[0]
    assert time.monotonic() - began < 3
    held.ping()
    assert held.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_PONG
    cluster.start_redis()
    deadline = time.monotonic() + 10
    while (again := knock_with_new_ticket(cluster, session)) != 101:
        assert time.monotonic() < deadline, again
    held.shutdown()


def knock_with_new_ticket(cluster: Cluster, session: str) -> int:
    """Return the status of a fresh try, preauth's own where that refuses."""
    try:
        return cluster.knock(session, cluster.preauth(session))
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_no_token_in_nginx_logs(cluster: Cluster) -> None:
    """Neither an accepted nor a refused handshake leaves one behind."""
    session = cluster.log_in("dave")
    granted = cluster.preauth(session)
    assert [cluster.knock(session, granted) for _ in range(2)] == [101, 403]
    logs = "".join((cluster.folder / name).read_text() for name in ("access.log", "error.log"))
    assert '"GET /any" 403' in logs
    assert "wsguard_token" not in logs
    assert granted[0] not in logs
