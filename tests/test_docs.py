"""The manual builds without a warning, and says the same as the code."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.ext import generated
from docs.ext.links import dead_links
from flask_wsguard import Refusal
from flask_wsguard.settings import READERS, Settings, known_keys

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
EXAMPLES = sorted(
    path
    for path in (DOCS / "examples").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    flags = ["--fail-on-warning", "--keep-going", "--quiet"]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *flags, str(source), str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_manual_builds_without_a_warning(tmp_path: Path) -> None:
    """Every page is in the table of contents, every link and anchor leads somewhere."""
    built = build(DOCS, tmp_path)
    assert (built.returncode, built.stderr) == (0, "")
    assert (tmp_path / "index.html").is_file()


@pytest.mark.slow
def test_a_dead_anchor_breaks_the_build(tmp_path: Path) -> None:
    """The control: what the test above relies on does fail."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "conf.py").write_text('extensions = ["docs.ext.links"]\n')
    (source / "index.rst").write_text("Title\n=====\n\n`gone <#nowhere>`_\n")
    built = build(source, tmp_path / "built")
    assert built.returncode == 1
    assert "index.html: #nowhere leads nowhere" in built.stderr


LINKS = [
    ("other.html", True),
    ("other.html#there", True),
    ("#here", True),
    ("sub/", True),
    ("data.bin", True),
    ("https://example.org/gone#x", True),
    ("gone.html", False),
    ("other.html#here", False),
    ("#there", False),
    ("sub/gone.html", False),
]


@pytest.mark.parametrize(("link", "good"), LINKS, ids=[link for link, _ in LINKS])
def test_links_are_followed_to_page_and_anchor(tmp_path: Path, link: str, good: bool) -> None:
    """A file that is there, an anchor that is on it; other sites are not asked."""
    (tmp_path / "index.html").write_text(f'<p id="here"><a href="{link}">x</a></p>')
    (tmp_path / "other.html").write_text('<p id="there"></p>')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text("")
    (tmp_path / "data.bin").write_bytes(b"")
    assert dead_links(tmp_path) == ([] if good else [f"index.html: {link} leads nowhere"])


def test_every_setting_has_a_text_and_a_reader() -> None:
    """The configuration page is made of both."""
    assert list(generated.setting_texts()) == list(Settings.__dataclass_fields__) == list(READERS)


UNITS = re.compile(r"\b(Seconds|Tickets|Sockets|Protected sockets|Rounds)\b")


@pytest.mark.parametrize("name", [name for name in READERS if "whole" in READERS[name].meaning])
def test_every_number_begins_with_its_unit(name: str) -> None:
    """Nobody has to guess between seconds and minutes."""
    assert UNITS.match(generated.setting_texts()[name])


def test_configuration_page_lists_every_key_with_its_default() -> None:
    """In the order of the fields, as the code has it."""
    page = generated.fill(PAGES["configuration.md"])
    assert re.findall(r"^## `(\w+)`$", page, re.MULTILINE) == known_keys()
    assert "## `WSGUARD_TICKET_TTL`\n\nDefault `30` · a whole number from 1 to 59" in page
    assert "Default `('self',)`" in page


def test_refusals_page_lists_every_reason() -> None:
    """In the order of the checks."""
    page = generated.fill(PAGES["refusals.md"])
    assert re.findall(r"^## `(\w+)`$", page, re.MULTILINE) == [one.value for one in Refusal]


def keys_in(text: str) -> Iterator[str]:
    return (key for key in re.findall(r"WSGUARD_[A-Z_]*[A-Z]", text))


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_only_settings_that_exist(page: str) -> None:
    """No page sends its reader to a key that the code does not know."""
    assert set(keys_in(PAGES[page])) <= set(known_keys())


def named_as(example: Path) -> list[str]:
    """Return how a page may name an example: itself, or the folder it is a part of."""
    parts = example.relative_to(DOCS).parts
    return ["/".join(parts[:length]) for length in range(2, len(parts) + 1)]


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_every_example_is_on_a_page_and_in_a_test(example: Path) -> None:
    """A snippet that nobody runs is wrong sooner or later."""
    tests = [path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py")]
    names = named_as(example)
    stems = [example.stem, *example.relative_to(DOCS / "examples").parts[:-1]]
    assert any(name in page for page in PAGES.values() for name in names), "on no page"
    assert any(stem in text for text in tests for stem in stems), "in no test"
