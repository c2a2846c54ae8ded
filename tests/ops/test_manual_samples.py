"""The samples in docs/cli.md are what the commands print."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from subprocess import DEVNULL

import pytest
from flask import Flask

from tests.ops.commands import ROOT, run
from tests.servers.conftest import running
from tests.wire import Browser

PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SAMPLES: list[tuple[str, str]] = re.findall(
    r"```console\n\$ flask (.*?)\n(.*?)```", PAGE, re.DOTALL
)
OF_THE_DEMO = [sample for sample in SAMPLES if sample[0].startswith("--app demo.site ")]
OF_PROBE = [sample for sample in SAMPLES if sample[0].startswith("wsguard probe ")]


def test_every_sample_is_compared() -> None:
    """A new one is of the demo, or of probe."""
    assert len(OF_THE_DEMO) + len(OF_PROBE) == len(SAMPLES) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "printed"), OF_THE_DEMO, ids=[sample[0].split()[3] for sample in OF_THE_DEMO]
)
def test_sample_is_what_the_command_prints(command: str, printed: str) -> None:
    """In a process of its own, on the demo."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", *shlex.split(command)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "FLASK_DEBUG"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "status"), [("the demo's key, at least 32 letters", 101), ("another key", 403)]
)
def test_the_inline_ticket_opens_the_demos_socket_with_the_demos_key(
    key: str, status: int, tmp_path: Path
) -> None:
    """The command as it stands on the page, but for the port, and what curl then gets."""
    (command,) = re.findall(r"`flask (--debug --app demo\.site wsguard ticket [^`]+)`", PAGE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "SECRET_KEY": "the demo's key, at least 32 letters"}
    flask = [sys.executable, "-m", "flask"]
    with (tmp_path / "log").open("wb") as log:
        site = subprocess.Popen(
            [*flask, "--app", "demo.site", "run", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(port)
        printed = subprocess.run(
            [*flask, *shlex.split(command), "--site", f"http://localhost:{port}"],
            cwd=ROOT,
            env={**environment, "SECRET_KEY": key},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        note, curl, _ = printed.splitlines()
        assert note == "# as alice, within 30 seconds; then ask for another"
        with subprocess.Popen(shlex.split(curl), stdout=subprocess.PIPE, stderr=DEVNULL) as asked:
            assert asked.stdout
            first = asked.stdout.readline()
            asked.kill()
    finally:
        site.terminate()
        site.wait(10)
    assert int(first.split()[1]) == status


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the demo does not listen"
            time.sleep(0.05)
        else:
            return


@pytest.mark.slow
def test_the_table_of_probe_is_what_it_prints(tmp_path: Path) -> None:
    """Against a running site, logged in."""
    ((_, printed),) = OF_PROBE
    with running("gthread", tmp_path) as server:
        jar = Browser(server.port).log_in("alice").jar
        cookie = "; ".join(f"{name}={value}" for name, value in jar.items())
        words = [f"http://localhost:{server.port}/echo", "--cookie", cookie]
        code, said = run(Flask("nobody"), "probe", *words, "--other-path", "/any")
    assert (code, said) == (0, printed)
