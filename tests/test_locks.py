"""Locks: a forked process hangs at none that another thread of its parent held."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import flask_wsguard
from flask_wsguard import locks

ROOT = Path(__file__).parents[1]

JOB = """
import os, signal, sys
from contextlib import ExitStack
from flask_wsguard import locks
from tests.sites import make_site
app = make_site(WSGUARD_STORAGE_URI=sys.argv[1])
with ExitStack() as stack:
    for lock in list(locks._LOCKS):
        stack.enter_context(lock)
    pid = os.fork()
    if not pid:
        signal.alarm(10)
        with app.app_context():
            app.extensions["test_guard"].disconnect(user_id="alice")
        with app.test_request_context("/", method="POST"):
            app.view_functions["log_out"]()
        os._exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_job_forked_while_every_lock_is_held(tmp_path: Path) -> None:
    """A process made by a worker, for a job in the background, disconnects and logs out."""
    uri = f"sqlite:///{tmp_path}/store.db"
    done = subprocess.run(
        [sys.executable, "-c", JOB, uri], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert (done.stdout, done.returncode) == ("7\n", 0), done.stderr


def test_renewed_lock_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread of the parent held is another lock than the one that the child goes by."""
    lock = locks.Lock()
    monkeypatch.setattr(locks, "_LOCKS", {lock})
    parents = lock._lock
    parents.acquire()
    locks._renew_all()
    with lock:
        assert parents.locked()


def test_every_lock_of_the_package_is_such_a_lock() -> None:
    """A lock made elsewhere would be one that no child is freed from."""
    package = Path(flask_wsguard.__file__).parent
    made = {
        path.name
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"Lock", "RLock"}
    }
    assert made == {"locks.py"}
