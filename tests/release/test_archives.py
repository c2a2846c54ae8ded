"""The archives that are released: reproducible, valid, and whole."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from .conftest import ROOT, Built

pytestmark = pytest.mark.slow

# What a repository has and an archive needs not, and the other way round.
NOT_SHIPPED = (".git", ".github/", "npm/.gitignore", "tests/js/gates/.gitignore")
MADE = {"PKG-INFO", "setup.cfg"}


def test_two_builds_of_the_same_files_have_the_same_bytes(builds: tuple[Built, Built]) -> None:
    """Another folder, umask and moment of checkout change nothing in any artefact."""
    one, other = builds
    assert one.hashes == other.hashes
    assert {Path(name).suffix for name in one.hashes} >= {".whl", ".gz"}


def test_twine_takes_both_python_archives(builds: tuple[Built, Built]) -> None:
    """Metadata and README pass the index's checks; a warning is a failure."""
    files = [str(builds[0].only("*.whl")), str(builds[0].only("*.tar.gz"))]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_source_archive_holds_what_the_repository_holds(builds: tuple[Built, Built]) -> None:
    """Nothing is left out but git's and GitHub's own, nothing of a work tree slips in."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout: there is nothing to compare with")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {name for name in listed.stdout.splitlines() if not name.startswith(NOT_SHIPPED)}
    with tarfile.open(builds[0].only("*.tar.gz")) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers()}
    shipped = {name for name in names if ".egg-info/" not in name} - MADE
    assert {name for name in shipped if not name.startswith(NOT_SHIPPED)} == tracked


def test_source_archive_runs_its_own_tests(builds: tuple[Built, Built], tmp_path: Path) -> None:
    """Unpacked, the rules and the examples are tested with the archive's package."""
    with tarfile.open(builds[0].only("*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    chosen = ["tests/core/test_handshake.py", "tests/test_exports.py", "tests/test_readme.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
