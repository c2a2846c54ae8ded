"""What the project is made of: few dependencies, each download by its hash, each action pinned."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REQUIREMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("benchmarks", "demo", "docs", "tests", "tests/judges", "tests/mutants")
    for path in (ROOT / folder).glob("*.txt")
    if path.name in {"requirements.txt", "lowest.txt"}
)
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def makefile() -> str:
    return (ROOT / "Makefile").read_text(encoding="utf-8")


def setup_argument(name: str) -> object:
    """Return a literal argument of setup()."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == name:
            return ast.literal_eval(node.value)
    raise LookupError(name)


def test_dependencies_are_these_five() -> None:
    """A new one is a decision: it is written here too, with the reason in the change."""
    assert setup_argument("install_requires") == [
        "flask>=3.1.1",
        "flask-login>=0.6.3",
        "flask-sock>=0.7.0",
        "simple-websocket>=1.0.0",
        "itsdangerous>=2.2.0",
    ]


def test_every_extra_has_a_floor() -> None:
    """Nobody installs a version that was never tried."""
    extras = setup_argument("extras_require")
    assert isinstance(extras, dict)
    for requirement in (line for lines in extras.values() for line in lines):
        assert re.fullmatch(r"[a-z0-9-]+>=[0-9.]+", requirement), requirement


@pytest.mark.parametrize("path", REQUIREMENTS)
def test_every_pinned_package_has_a_hash(path: str) -> None:
    """Pip refuses a file that is not the one that was looked at."""
    text = (ROOT / path).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[a-z0-9._\[\],-]+==[^ ]+ ", line), line
        assert "--hash=sha256:" in line, line


def test_every_install_asks_for_hashes() -> None:
    """The Makefile installs what is locked, and the project itself without dependencies."""
    installs = re.findall(r"pip install (.*)", makefile())
    assert len(installs) >= 4
    for options in installs:
        wanted = ("--require-hashes" in options) or ("--no-deps" in options)
        assert wanted or options == "--quiet uv", options


def test_every_npm_package_has_an_integrity() -> None:
    """Npm too refuses another file."""
    locks = [path for path in ROOT.glob("**/package-lock.json") if "node_modules" not in path.parts]
    assert locks
    for lock in locks:
        packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
        loose = [name for name, of in packages.items() if name and "integrity" not in of]
        assert [name for name in loose if not packages[name].get("link")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned(path: Path) -> None:
    """A tag can be moved, a commit cannot; and a workflow may only read."""
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[0-9.]+", action), action
    assert "permissions:\n  contents: read\n" in text


def test_workflow_is_ci_run() -> None:
    """GitHub runs the very command that everybody runs, and nothing beside it."""
    text = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    assert re.findall(r"run: (.*)", text) == ["sh .ci/run"]
    last = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()[-1]
    assert last == "exec make test"


def test_judges_and_links_are_asked_every_week() -> None:
    """The list of what a release is made of is kept, and links to other sites are followed."""
    text = (ROOT / ".github/workflows/judges.yml").read_text(encoding="utf-8")
    assert "schedule:" in text
    assert re.findall(r"run: (.*)", text) == ["make sbom", "make judges", "make linkcheck"]
    kept = text.partition("actions/upload-artifact@")[2].partition("- run:")[0]
    written = re.findall(r"^sbom:.*\n(?:\t.*\n)*?\t.*--output-file (\S+)", makefile(), re.MULTILINE)
    assert [f"path: {path}" in kept for path in written] == [True]


def test_security_policy_names_what_setup_supports() -> None:
    """SECURITY.md says how to report, and what it says of versions is what setup.py demands."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "Report a vulnerability" in text
    python = str(setup_argument("python_requires")).removeprefix(">=")
    assert f"Python {python} and later" in text
    assert "Flask 3.1.1 and later" in text
