"""Run ``flask wsguard``: in this process, or as its users do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from flask import Flask

from flask_wsguard.ops.cli import wsguard

ROOT = Path(__file__).parents[2]


def run(app: Flask, *words: str) -> tuple[int, str]:
    """Return exit status and output of a command in this process."""
    outcome = app.test_cli_runner().invoke(wsguard, words)
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome.exit_code, outcome.output


def shell(*words: str, app: str = "tests.ops.site", debug: bool = False) -> tuple[int, str]:
    """Return exit status and output of ``flask --app APP wsguard ...`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", app, *["--debug"] * debug, "wsguard", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr
