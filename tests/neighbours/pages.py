"""A page in jsdom, driven from Python: the real client, its cookies and its sockets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
SECONDS = 30

LOG_IN = """
var xhr = new XMLHttpRequest();
xhr.open('POST', '/login/alice');
xhr.onload = function () { run(); };
xhr.send();
"""
"""Log alice in, then call the page's ``run``."""


def need_node(package: str) -> None:
    """Skip where a npm package is missing, and fail instead where CI promised to have it."""
    if shutil.which("node") is None or not (MODULES / package).is_dir():
        why = f"npm's {package} is not installed: make test installs it"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


class Page:
    """A loaded page; ``heard`` is the next thing that it told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def heard(self) -> list[Any]:
        """Wait for one ``tell(...)`` and return its arguments."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the page ended"
        told: list[Any] = json.loads(line)
        return told


@contextmanager
def page(url: str, code: str, *files: Path) -> Iterator[Page]:
    """Load a page, run files and code in it, and end it with the block or after a while."""
    need_node("jsdom")
    process = subprocess.Popen(
        ["node", str(HERE / "page.mjs"), url, *map(str, files)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    limit = threading.Timer(SECONDS, process.kill)
    limit.start()
    try:
        assert process.stdin
        process.stdin.write(code + "\0")
        process.stdin.flush()
        yield Page(process)
    finally:
        limit.cancel()
        process.kill()
        process.communicate()
