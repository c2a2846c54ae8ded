"""What is released, built once: twice over, from two copies that agree in nothing but content."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE_AT = "1767225600"
HEAVY = ("node_modules", "__pycache__", "build", "dist", "*.egg-info", "instance", ".cache")


@dataclass(frozen=True)
class Built:
    """The artefacts of one build, and what they were built from."""

    source: Path
    dist: Path

    def only(self, pattern: str) -> Path:
        """Return the one artefact of this kind."""
        (found,) = self.dist.glob(pattern)
        return found

    @property
    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every artefact."""
        files = sorted(self.dist.iterdir())
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def copy(folder: Path, umask: int) -> Built:
    """Copy the repository as somebody with this umask has it checked out, just now."""
    ignored = shutil.ignore_patterns(*HEAVY, ".git", ".venv*", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, folder, ignore=ignored, copy_function=shutil.copyfile)
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
    (folder / "dist").mkdir()
    return Built(folder, folder / "dist")


def start(built: Built, *command: str) -> subprocess.Popen[str]:
    """Start a build in a copy."""
    return subprocess.Popen(
        command,
        cwd=built.source,
        env={**os.environ, "SOURCE_DATE_EPOCH": MADE_AT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=0o022,  # as the Makefile sets it: generated files are made with it
    )


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Built, Built]:
    """Build all artefacts twice, as ``make dist`` does."""
    folder, made, running = tmp_path_factory.mktemp("release"), [], []
    for name, umask in (("one", 0o022), ("another-name", 0o077)):
        built = copy(folder / name, umask)
        python = ("-m", "build", "--no-isolation", "--outdir", "dist")
        made.append(built)
        running.append(start(built, sys.executable, *python))
        if shutil.which("npm"):
            npm = ("npm", "pack", "--silent", "--pack-destination", "dist", "./npm")
            running.append(start(built, *npm))
    for process in running:
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 0, said
    return made[0], made[1]
