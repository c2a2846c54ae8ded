"""The manual builds without a warning, and says the same as the code."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flask_wsguard
from docs.ext import generated
from docs.ext.links import dead_links
from flask_wsguard import Refusal
from flask_wsguard.core import handshake
from flask_wsguard.core.refusals import HANDSHAKE_ONLY, PREAUTH_ONLY
from flask_wsguard.settings import READERS, Settings, known_keys
from tests.sites import make_site
from tests.test_floors import FLOORS
from tests.visitor import Visitor

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
EXAMPLES = sorted(
    path.relative_to(DOCS / "examples").as_posix()
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


def test_links_of_an_example_are_none_of_the_manuals(tmp_path: Path) -> None:
    """A page that is there to be downloaded is of another site."""
    (tmp_path / "_downloads").mkdir()
    (tmp_path / "_downloads" / "index.html").write_text('<script src="/static/page.js"></script>')
    (tmp_path / "index.html").write_text('<a href="_downloads/index.html">x</a>')
    assert dead_links(tmp_path) == []


def test_every_setting_has_a_text_and_a_reader() -> None:
    """The configuration page is made of both."""
    assert list(generated.setting_texts()) == list(Settings.__dataclass_fields__) == list(READERS)


UNITS = re.compile(r"\b(Seconds|Tickets|Sockets|Protected sockets|Rounds)\b")


@pytest.mark.parametrize("name", [name for name in READERS if "whole" in READERS[name].meaning])
def test_every_number_begins_with_its_unit(name: str) -> None:
    """Nobody has to guess between seconds and minutes."""
    assert UNITS.match(generated.setting_texts()[name])


@pytest.mark.parametrize("page", PAGES)
def test_generated_parts_are_as_the_code_is(page: str) -> None:
    """Whoever reads a checkout reads no stub; `make docs` writes them anew."""
    assert generated.renew(PAGES[page]) == PAGES[page]


@pytest.mark.parametrize("page", PAGES)
def test_generated_parts_begin_and_end_by_one_name(page: str) -> None:
    """What stands between two marks that do not belong together would be lost, or stay stale."""
    marks = re.findall(r"^<!-- (generated|end): (\w+) -->$", PAGES[page], re.MULTILINE)
    begun = [name for kind, name in marks if kind == "generated"]
    assert len(set(begun)) == len(begun)
    for index, (kind, name) in enumerate(marks):
        assert kind == "generated" or marks[index - 1] == ("generated", name)


def test_generated_part_takes_nothing_that_is_written_by_hand() -> None:
    """A second mark before the end is a mistake, and no part."""
    mark, end = "<!-- generated: floors -->", "<!-- end: floors -->"
    page = f"{mark}\nby hand\n{mark}\nold\n{end}\n"
    assert generated.renew(page).startswith(f"{mark}\nby hand\n{mark}\n")
    assert "old" not in generated.renew(page)


def test_generated_part_that_is_stale_is_renewed() -> None:
    """The control, and what stands around it is left alone."""
    page = PAGES["refusals.md"]
    assert "## `token_missing`" in page
    assert generated.renew(page.replace("## `token_missing`", "## `token_gone`")) == page


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


@pytest.mark.parametrize("page", PAGES)
def test_code_on_a_page_is_a_file(page: str) -> None:
    """Python and JavaScript are included from files that tests run, never typed into a page."""
    assert re.findall(r"^```(?:python|js|javascript)$", PAGES[page], re.MULTILINE) == []


# What a test runs by serving its folder.
SERVED = {
    "quickstart/templates/index.html": "quickstart",
    "with_vite/index.html": "with_vite",
    "with_vite/vite.config.js": "with_vite",
}
TESTS = "".join(
    # A path in pieces is a path.
    path.read_text(encoding="utf-8").replace('" / "', "/")
    for path in [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("tests/js/*.test.js")]
    if path != Path(__file__)
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_on_a_page(example: str) -> None:
    """By its path, whole."""
    named = re.compile(rf"[ (]examples/{re.escape(example)}[)\n]")
    assert any(map(named.search, PAGES.values()))


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_in_a_test(example: str) -> None:
    """By its path, quoted, as it is loaded: a snippet that nobody runs is wrong sooner or later."""
    named = SERVED.get(example, example)
    assert re.search(
        rf"(?:[\"']|examples/){re.escape(named.removesuffix('.py'))}(\.py)?[\"']", TESTS
    )


# The browser client.

TYPES = (ROOT / "flask_wsguard" / "static" / "wsguard.d.ts").read_text(encoding="utf-8")
SOURCE = (ROOT / "flask_wsguard" / "static" / "wsguard.js").read_text(encoding="utf-8")


def members(interface: str) -> list[str]:
    """Return the members of an interface in wsguard.d.ts, without those it inherits."""
    body = re.search(rf"interface {interface}\b[^{{]*{{\n(.*?)\n  }}", TYPES, re.DOTALL)
    assert body, interface
    return re.findall(r"^    (\w+)\??:", body[1], re.MULTILINE)


def table(page: str, head: str) -> list[list[str]]:
    """Return the rows of the Markdown table whose first line starts so."""
    lines = PAGES[page].splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith(head)]
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def test_javascript_page_lists_every_option() -> None:
    """Those of the types, and no others."""
    options = {row[0].strip("`") for row in table("javascript.md", "| option |")}
    assert options == {*members("UrlOptions"), *members("BackoffOptions"), *members("Options")}


def test_javascript_page_has_the_defaults_of_the_code() -> None:
    """As wsguard.js writes them; an option that it leaves out has no literal default."""
    block = re.search(r"var DEFAULTS = {(.*?)}", SOURCE, re.DOTALL)
    assert block
    defaults = {name: f"`{value}`" for name, value in re.findall(r"(\w+): ([^,\s]+)", block[1])}
    rows = {row[0].strip("`"): row[1] for row in table("javascript.md", "| option |")}
    assert {name: rows[name] for name in defaults} == defaults
    others = {rows[name] for name in rows if name not in defaults}
    # `debug` is off because nothing sets it.
    assert {cell for cell in others if re.fullmatch(r"`[^`<]+`", cell)} == {"`false`"}


def test_javascript_page_has_the_headers_of_the_preflights_answer() -> None:
    """Those that a page of another origin may add."""
    answer = Visitor(make_site(WSGUARD_ALLOWED_ORIGINS=["https://www.example.org"])).client.options(
        "/wsguard/preauth",
        base_url="https://live.example.org",
        headers={"Origin": "https://www.example.org"},
    )
    said = re.search(r"only the headers (.*?) pass", PAGES["javascript.md"])
    assert said
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert re.findall(r"`([\w-]+)`", said[1]) == allowed


def test_javascript_page_lists_every_event_and_its_fields() -> None:
    """Those of EventMap, each with what it adds to a plain event."""
    rows = {row[0].strip("`"): row[1] for row in table("javascript.md", "| event |")}
    assert list(rows) == members("EventMap")
    fields = {event: re.findall(r"`(\w+)`", cell) for event, cell in rows.items()}
    assert fields == {
        "open": [],
        "message": members("MessageEvent"),
        "error": [],
        "close": members("CloseEvent"),
        "reconnecting": members("Retry"),
    }


def test_javascript_page_names_every_member() -> None:
    """Of the socket and of the class."""
    body = TYPES.partition("declare namespace")[0]
    names = set(re.findall(r"^  (?:static )?(?:readonly )?(\w+)[:(<]", body, re.MULTILINE))
    named = set(re.findall(r"\b\w+\b", PAGES["javascript.md"]))
    assert names - named - {"constructor"} == set()
    assert "backoff" in names
    assert "reconnect" in names


def test_refusals_page_says_what_the_client_does() -> None:
    """The client itself is asked, answer by answer."""
    asked = json.dumps({one.value: one.status for one in Refusal if one not in HANDSHAKE_ONLY})
    run = subprocess.run(
        ["node", str(ROOT / "tests" / "js" / "fates.js"), asked],
        capture_output=True,
        text=True,
        check=True,
    )
    page = generated.fill(PAGES["refusals.md"])
    said = re.findall(r"^## `(\w+)`\n\n.* · the client (.*)$", page, re.MULTILINE)
    assert dict(said) == json.loads(run.stdout)


def test_refusals_page_says_who_gives_each_reason() -> None:
    """Of what preauth never gives it claims no answer of preauth's."""
    page = generated.fill(PAGES["refusals.md"])
    said = dict(re.findall(r"^## `(\w+)`\n\n([^·\n]+) · ", page, re.MULTILINE))
    kinds = {kind: {one for one in said if said[one] == kind} for kind in said.values()}
    assert kinds["Preauth only"] == PREAUTH_ONLY
    assert kinds["Handshake only"] == HANDSHAKE_ONLY
    assert kinds["Preauth and handshake"] == set(Refusal) - PREAUTH_ONLY - HANDSHAKE_ONLY


def test_refusals_page_has_the_clients_own_words() -> None:
    """Those that the server's enum lacks, in the types' order or another."""
    listed = TYPES.partition("/* reasons:begin */")[2].partition("/* reasons:end */")[0]
    own = set(re.findall(r"'([a-z_]+)'", listed)) - {one.value for one in Refusal}
    assert {row[0].strip("`") for row in table("refusals.md", "| reason |")} == own


# The code.


def test_security_page_has_every_check_in_its_order() -> None:
    """And says of each what it is for."""
    rows = table("security.md", "| check |")
    assert [row[0].strip("`") for row in rows] == [check.__name__ for check in handshake.CHECKS]
    assert all(row[1] for row in rows)


def test_design_page_has_the_checks_and_the_floors() -> None:
    """The order of the handshake, and every module."""
    page = generated.fill(PAGES["design.md"])
    checks = re.findall(r"^1\. `(\w+)`: [A-Z].*\.$", page, re.MULTILINE)
    assert checks == [check.__name__ for check in handshake.CHECKS]
    floors = page.partition("From the ground up:")[2]
    assert set(re.findall(r"`([\w.]+)`", floors)) == {
        name or "__init__" for floor in FLOORS for name in floor
    }


@pytest.mark.parametrize("name", [*flask_wsguard.__all__, *dir(flask_wsguard.WSGuard)])
def test_python_page_has_every_public_name(name: str) -> None:
    """Each export, and each public member of the guard."""
    if name.startswith("_"):
        return
    text = PAGES["python.md"] + (flask_wsguard.signals.__doc__ or "")
    assert re.search(rf"\b{name}\b", text)


@pytest.mark.parametrize(
    "name", ["testing", "client", "redaction", "ops.logs", "ops.gunicorn", "ops.metrics"]
)
def test_python_page_has_the_other_public_modules(name: str) -> None:
    """Each under its own heading, with every name that it exports."""
    module = importlib.import_module(f"flask_wsguard.{name}")
    section = PAGES["python.md"].partition(f"## `flask_wsguard.{name}`\n")[2].partition("\n## ")[0]
    assert section
    if f".. automodule:: {module.__name__}\n   :members:" not in section:
        exported = getattr(module, "__all__", [])
        assert [one for one in exported if not re.search(rf":: {one}\b", section)] == []


# Sources.


COMPARED = ["| | foreign", "| | what its client", "| | permissions", "| | test kit"]


@pytest.mark.parametrize("head", COMPARED)
def test_comparison_has_a_source_in_every_cell_or_says_that_there_is_none(head: str) -> None:
    """Nothing is claimed of another project without a link; what is yours to do is no claim."""
    first, *others = table("comparison.md", head)
    assert first[0] == "**flask_wsguard**"
    assert len(others) == 9
    unfounded = [
        f"{row[0]}: {cell}"
        for row in others
        for cell in row[1:]
        if "][" not in cell and "none found" not in cell
    ]
    assert unfounded == []


def test_comparison_has_every_feature_of_every_project() -> None:
    """Four tables with the same rows, and no empty cell."""
    tables = [table("comparison.md", head) for head in COMPARED]
    names = {tuple(row[0] for row in rows) for rows in tables}
    assert len(names) == 1
    assert [cell for rows in tables for row in rows for cell in row if not cell] == []
    assert sum(len(rows[0]) - 1 for rows in tables) == 12


@pytest.mark.parametrize("page", PAGES)
def test_every_source_is_used_and_every_use_has_one(page: str) -> None:
    """Reference links and their definitions."""
    defined = set(re.findall(r"^\[([\w-]+)\]: http", PAGES[page], re.MULTILINE))
    used = set(re.findall(r"\]\[([\w-]+)\]", PAGES[page]))
    assert used == defined


def test_readme_links_lead_somewhere() -> None:
    """Every file that README points to is there."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", readme)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if "{literalinclude}" in PAGES[page]])
def test_what_a_page_includes_is_linked_for_who_reads_it_as_a_file(page: str) -> None:
    """GitHub, and an editor, show the page with a hole in its place."""
    included = re.findall(r"\{literalinclude\} (\S+)", PAGES[page])
    assert [file for file in included if f"]({file})" not in PAGES[page]] == []
