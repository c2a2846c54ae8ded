"""A user's app passes mypy --strict and pyright, and its mistakes do not."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.neighbours.pages import MODULES, need_node

from .conftest import Built

pytestmark = pytest.mark.slow

APP = Path(__file__).parent / "typed_app.py"


@pytest.fixture(scope="module")
def python(builds: tuple[Built, Built], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the wheel: checkers do not see editable ones.

    Its dependencies come by a .pth from the environment that runs the tests.
    """
    folder = tmp_path_factory.mktemp("types") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    with ZipFile(builds[0].only("*.whl")) as wheel:
        wheel.extractall(site)
    return folder / "bin" / "python"


def check(folder: Path, *command: str) -> None:
    """Run a checker on a copy of the app, where no configuration of ours is near."""
    shutil.copy(APP, folder / "app.py")
    done = subprocess.run(
        [*command, "app.py"], cwd=folder, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_strict_takes_a_users_app(python: Path, tmp_path: Path) -> None:
    """It finds the types by py.typed, and an ignored line without an error is one."""
    options = ["--strict", "--python-executable", str(python), "--cache-dir", str(tmp_path / "c")]
    check(tmp_path, sys.executable, "-m", "mypy", *options)


def test_pyright_takes_a_users_app(python: Path, tmp_path: Path) -> None:
    """The same, with needless ignores reported."""
    need_node("pyright")
    (tmp_path / "pyrightconfig.json").write_text(
        '{"reportUnnecessaryTypeIgnoreComment": "error", "enableTypeIgnoreComments": false}',
        encoding="utf-8",
    )
    check(tmp_path, "node", str(MODULES / "pyright" / "index.js"), "--pythonpath", str(python))
