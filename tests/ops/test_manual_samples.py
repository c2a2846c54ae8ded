"""The samples in docs/cli.md are what the commands print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

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
def test_the_table_of_probe_is_what_it_prints(tmp_path: Path) -> None:
    """Against a running site, logged in."""
    ((_, printed),) = OF_PROBE
    with running("gthread", tmp_path) as server:
        jar = Browser(server.port).log_in("alice").jar
        cookie = "; ".join(f"{name}={value}" for name, value in jar.items())
        words = [f"http://localhost:{server.port}/echo", "--cookie", cookie]
        code, said = run(Flask("nobody"), "probe", *words, "--other-path", "/any")
    assert (code, said) == (0, printed)
