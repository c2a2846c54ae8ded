"""The npm package: the very same client, by require, by import and by TypeScript."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from .conftest import ROOT, Built

pytestmark = pytest.mark.slow

STATIC = ROOT / "flask_wsguard" / "static"
TSC = ROOT / "tests" / "js" / "gates" / "node_modules" / "typescript" / "bin" / "tsc"
USES = Path(__file__).parent / "npm"


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def tarball(builds: tuple[Built, Built]) -> Path:
    """Return the packed package."""
    if shutil.which("npm") is None:
        why = "npm is not installed"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    return builds[0].only("*.tgz")


@pytest.fixture(scope="module")
def project(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of a user's that has it installed."""
    folder = tmp_path_factory.mktemp("npm") / "project"
    shutil.copytree(USES, folder)
    run(folder, "npm", "install", "--silent", "--offline", "--ignore-scripts", str(tarball))
    return folder


def test_package_holds_the_very_same_client(tarball: Path) -> None:
    """Byte for byte; and nothing but wrappers, types, README and license beside it."""
    with tarfile.open(tarball) as archive:
        held = {}
        for member in archive.getmembers():
            content = archive.extractfile(member)
            assert content
            held[member.name.removeprefix("package/")] = content.read()
    assert set(held) == {
        "LICENSE", "README.md", "index.d.mts", "index.mjs", "package.json", "wsguard.d.ts",
        "wsguard.js",
    }  # fmt: skip
    assert held["wsguard.js"] == (STATIC / "wsguard.js").read_bytes()
    assert held["wsguard.d.ts"] == (STATIC / "wsguard.d.ts").read_bytes()
    assert json.loads(held["package.json"])["version"] == version("flask-wsguard")


@pytest.mark.parametrize("script", ["required.cjs", "imported.mjs"])
def test_client_is_the_same_by_require_and_by_import(project: Path, script: str) -> None:
    """Default and named export are the constructor that require gives."""
    assert run(project, "node", script) == "function 4000 true"


@pytest.mark.parametrize("module", ["node16", "preserve"])
def test_types_reach_users_of_typescript(project: Path, module: str) -> None:
    """Under node's resolution and a bundler's; the wrong lines are found wrong."""
    if not TSC.is_file():
        why = "TypeScript is not installed: make test installs it"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    options = ["--noEmit", "--strict", "--target", "es2020", "--lib", "es2020,dom"]
    bundler = ["--moduleResolution", "bundler"] if module == "preserve" else []
    run(project, "node", str(TSC), *options, "--module", module, *bundler, "uses.mts")
