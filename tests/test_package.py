"""What people install: the wheel's files, and the client served from a fresh environment."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import HeaderParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.wire import Answer, Wire

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "flask_wsguard" / "static" / "wsguard.js"

# setuptools 77 knows `license = "BSD-3-Clause"` and builds wheels by itself.
OLDEST_SETUPTOOLS = 77

_SITE = """
import sys
import flask, flask_wsguard, werkzeug.serving
app = flask.Flask("site")
app.config["SECRET_KEY"] = "a secret key of at least thirty-two letters"
flask_wsguard.WSGuard(app)
app.add_url_rule("/where", "where", view_func=lambda: flask_wsguard.__file__)
tag = "{{ wsguard_script() }}"
app.add_url_rule("/tag", "tag", view_func=lambda: flask.render_template_string(tag))
werkzeug.serving.make_server("localhost", 0, app, fd=int(sys.argv[1])).serve_forever()
"""


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _pip(*arguments: str | Path, python: Path | None = None) -> None:
    target = ["--python", python] if python else []
    quiet = ["--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "20"]
    _run(sys.executable, "-m", "pip", *quiet, *target, *arguments)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the repository, so that a build leaves nothing in it; what is heavy stays behind."""
    try:
        found = version("setuptools")
    except PackageNotFoundError:
        found = "0"
    if int(found.split(".")[0]) < OLDEST_SETUPTOOLS:
        why = f"setuptools {OLDEST_SETUPTOOLS} is needed to build offline, {found} is installed"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    folder = tmp_path_factory.mktemp("package") / "source"
    heavy = ("node_modules", "__pycache__", "build", "dist", "*.egg-info", ".*", "instance")
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*heavy))
    for other in ("demo", "tests", "templates", "static", "benchmarks", "docs"):
        (folder / other).mkdir(exist_ok=True)
        (folder / other / "__init__.py").touch()
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    """Build the wheel with the setuptools at hand: isolation would ask the network for another."""
    folder = source.parent / "dist"
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (built,) = folder.iterdir()
    return built


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Make an environment and return its interpreter.

    The dependencies come by a .pth from the environment that runs the tests: installing them
    takes half a minute and the network. A .pth found on a path is not followed further, so an
    editable install over there stays invisible here.
    """
    interpreter = _environment(tmp_path / "venv")
    dependencies = _packages(interpreter) / "dependencies.pth"
    dependencies.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return interpreter


@pytest.fixture
def clean_python(tmp_path: Path) -> Path:
    """Make an environment that borrows nothing; the package index must be there."""
    try:
        _pip("download", "--quiet", "--no-deps", "--dest", tmp_path / "probe", "itsdangerous")
    except AssertionError:
        why = "the package index is out of reach: pip downloads nothing"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    return _environment(tmp_path / "venv")


def _environment(folder: Path) -> Path:
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def _packages(python: Path) -> Path:
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    return site


@contextmanager
def _site(python: Path) -> Iterator[int]:
    """Serve a guarded site with this interpreter alone (-I: neither cwd nor PYTHONPATH)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        process = subprocess.Popen(
            [python, "-I", "-c", _SITE, str(listener.fileno())],
            cwd=python.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    try:
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _get(port: int, path: str) -> Answer:
    with Wire(port) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
        answer = wire.answer()
    assert answer.status == 200
    return answer


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every module, the marker for types and the client; nothing of demo, tests or benchmarks."""
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read("flask_wsguard/static/wsguard.js") == CLIENT.read_bytes()
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    modules = {str(file.relative_to(ROOT)) for file in ROOT.glob("flask_wsguard/**/*.py")}
    assert names - about - modules == {
        "flask_wsguard/py.typed",
        "flask_wsguard/static/wsguard.js",
        "flask_wsguard/static/wsguard.d.ts",
    }
    assert modules <= names
    assert {"flask_wsguard/__init__.py", "flask_wsguard/core/handshake.py"} <= modules
    assert {name.partition("/")[2] for name in about} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
        "top_level.txt",
    }


def test_wheel_says_what_it_needs(wheel: Path) -> None:
    """The promises about versions stand in the metadata, where installers read them."""
    with ZipFile(wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = HeaderParser().parsestr(archive.read(path).decode("utf-8"))
    assert metadata["Name"] == "flask-wsguard"
    assert metadata["Requires-Python"] == ">=3.10"
    assert "BSD-3-Clause" in {metadata["License"], metadata["License-Expression"]}
    required = {line for line in metadata.get_all("Requires-Dist", []) if "extra" not in line}
    assert required == {
        "flask>=3.1.1",
        "flask-login>=0.6.3",
        "flask-sock>=0.7.0",
        "simple-websocket>=1.0.0",
        "itsdangerous>=2.2.0",
    }


def _assert_serves_the_client(python: Path, installed_in: Path) -> None:
    with _site(python) as port:
        where = Path(_get(port, "/where").body.decode())
        assert where == installed_in / "flask_wsguard" / "__init__.py"
        client = _get(port, "/wsguard/static/wsguard.js")
        tag = _get(port, "/tag").body.decode()
    assert client.body == CLIENT.read_bytes()
    assert (client.get("Content-Type") or "").startswith("text/javascript")
    assert 'src="/wsguard/static/wsguard.js?v=' in tag


def test_installed_wheel_serves_the_client(wheel: Path, python: Path) -> None:
    """From a fresh environment the blueprint serves the repository's client, byte for byte."""
    _pip("install", "--no-deps", "--no-index", wheel, python=python)
    _assert_serves_the_client(python, _packages(python))


def test_wheel_brings_all_that_it_needs(wheel: Path, clean_python: Path, tmp_path: Path) -> None:
    """``pip install`` of it alone: the client is served, and ``flask wsguard routes`` answers."""
    _pip("install", wheel, python=clean_python)
    _assert_serves_the_client(clean_python, _packages(clean_python))
    quickstart = shutil.copytree(ROOT / "docs" / "examples" / "quickstart", tmp_path / "site")
    flask = [clean_python, "-I", "-m", "flask", "--app", quickstart / "app.py"]
    assert _run(*flask, "wsguard", "routes").split() == [
        *("rule", "endpoint", "guard", "scopes"),
        *("/echo", "echo", "protected", "-"),
    ]


def test_editable_install_serves_the_client(source: Path, python: Path) -> None:
    """``pip install -e .`` serves the same bytes, from where they are edited."""
    _pip("install", "--no-deps", "--no-build-isolation", "--editable", source, python=python)
    _assert_serves_the_client(python, source)
