"""A page served by a real Vite dev server that proxies login, preauth and the socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .examples import FOLDER, serving
from .pages import LOG_IN, MODULES, need_node, page

pytestmark = pytest.mark.slow

CONNECT = """
function run() {
  var ws = new WSGuard('/updates', { reconnect: false });
  ws.onmessage = function (event) { tell('message', event.data); };
  ws.onclose = function (event) { tell('close', event.code, event.reason); };
}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def vite(folder: Path, port: int, flask: int, *, change_origin: bool) -> Iterator[str]:
    """Run Vite on a copy of the example, so that its cache stays out of docs; give its origin."""
    need_node("vite")
    shutil.copytree(FOLDER / "with_vite", folder, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"FLASK": f"http://localhost:{flask}"}
    if change_origin:
        environment["CHANGE_ORIGIN"] = "1"
    process = subprocess.Popen(
        [
            *("node", str(MODULES / "vite" / "bin" / "vite.js"), "--host", "127.0.0.1"),
            *("--port", str(port), "--strictPort"),
        ],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(process, port)
        yield f"http://localhost:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, "vite ended"
            assert time.monotonic() < deadline, "vite does not listen"
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("change_origin", "listed", "told"),
    [
        (False, False, ["message", "alice"]),
        (True, True, ["message", "alice"]),
        (True, False, ["close", 4403, "origin_not_allowed"]),
    ],
    ids=["host_kept", "change_origin_listed", "change_origin_not_listed"],
)
def test_page_behind_vite_connects_where_the_guard_knows_its_origin(
    tmp_path: Path, change_origin: bool, listed: bool, told: list[object]
) -> None:
    """With Host kept nothing is to be configured; with changeOrigin the page must be listed."""
    need_node("jsdom")
    port = free_port()
    page_origin = {"PAGE": f"http://localhost:{port}"} if listed else {}
    with (
        serving("with_vite/app", tmp_path / "log", **page_origin) as flask,
        vite(tmp_path / "vite", port, flask, change_origin=change_origin) as origin,
        page(origin, CONNECT + LOG_IN) as visit,
    ):
        assert visit.heard() == told
