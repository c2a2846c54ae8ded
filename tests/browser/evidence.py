"""``docs/evidence.md``: what each attack did in each engine, as the last full run saw it.

``python -m pytest tests/browser --write-evidence`` writes it. Every other run compares its own
verdicts with it, so that a stale one fails; date and versions are not compared.
"""

from __future__ import annotations

import re
from importlib import import_module
from inspect import isfunction
from pathlib import Path

from tests.browser.attacks import ATTACKS
from tests.browser.engines import ENGINES
from tests.browser.lacking import LACKING

FILE = Path(__file__).parents[2] / "docs" / "evidence.md"
BUDGET = 240
"""Seconds that all tests of this folder may take, browsers and servers started."""

ATTACK_COLUMNS = [f"{engine}, {site}" for engine in ENGINES for site in ("control", "guarded")]

Results = dict[str, dict[str, str]]
"""Row to column to verdict."""

_HEAD = """\
# Evidence

Written by `python -m pytest tests/browser --write-evidence`, which runs everything below; a run
without the option fails where it sees anything else. Not edited by hand.

Run on {run}.

## Attacks

*control*: the same site without the extension, or, for attacks that only a guarded site can
suffer, guarded with checks left out of `judge`
(the name in brackets, below). There the attack must succeed. *guarded*: the
server's own reason, from its signal. A reason without brackets is that of the whole guard. Where an
earlier check answers for the one that a row is about, the attack also meets that one without the
earlier: those reasons come first, with the site in brackets. An engine that stops an attack by
itself is named so in both columns. Third-party cookies are allowed and the session is
`SameSite=None`, so that no default of a browser helps. A lifted token is cut out of the line that
the proxy in front logged when its owner connected.

"""
_CONTROLS = """
The controls. `control`: no extension. `listed`: the sibling stands in `WSGUARD_ALLOWED_ORIGINS`.
`self`: guarded in full, but the Origin is compared with the request's own Host, and the front's
certificate covers the attacker's name; `named` lists the site's one origin instead. The others are
guarded, with these checks left out; without those of the session there is no
record of ended sessions either:

"""
_CLIENT = """
## The client

Each on a page under `script-src 'self'; connect-src 'self'`, but for the listed sibling's own page.

"""
_OLD = """
## Old engines

The demo's whole flow over ws, by its own buttons: log in, connect, send, receive, drop, reconnect,
lose a scope (`scope_missing`), get it back, end the session (`login_required`).
**Real Internet Explorer 11 was not run.** PhantomJS is a WebKit that knows ES5 only; with the token
as a subprotocol it connects twice, on a page of the suite. HtmlUnit emulates IE 11: it logs in with
JavaScript off, because it may hang where it leaves a page with open sockets, its sockets send no
`Origin`, so the test server adds the one that IE 11 sends, and none is closed inside `onmessage`,
where it hangs too. To IE a page on another port is of the same origin: it asks preauth in JSON
without `Origin` and `Sec-Fetch-Site`, and its `Referer` alone betrays it.

"""


def read() -> Results:
    """Return the verdicts of the committed file; none where there is no file."""
    if not FILE.exists():
        return {}
    results: Results = {}
    columns: list[str] = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            columns = []
        elif not columns:
            columns = cells[1:]
        elif set(line) - set("|-: "):
            results.setdefault(cells[0], {}).update(zip(columns, cells[1:], strict=True))
    return results


def marked() -> list[str]:
    """Return the row of every test that is marked ``evidence``, in the order of a whole run."""
    files = sorted(Path(__file__).parent.glob("test_*.py"))
    modules = [import_module(f"{__package__}.{file.stem}") for file in files]
    tests = [test for module in modules for test in vars(module).values() if isfunction(test)]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", [])]
    return [mark.args[0] for mark in marks if mark.name == "evidence"]


def gaps(seen: Results) -> list[str]:
    """Return what a run did not see, which so cannot be written: row and column."""
    wanted = [(attack.name, column) for attack in ATTACKS for column in ATTACK_COLUMNS]
    for row in marked():
        wanted += [(row, column) for column in _columns_of(seen.get(row, {}))]
    return [f"{row}, {column}" for row, column in wanted if column not in seen.get(row, {})]


def _columns_of(cells: dict[str, str]) -> list[str]:
    """Return the columns of the table in which a row without attack stands."""
    return ["verdict"] if "verdict" in cells else list(ENGINES)


def run_of_file() -> str:
    """Return when and with what the committed file was written."""
    found = re.search(r"^Run on (.+)\.$", FILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, FILE
    return found[1]


def text_of(seen: Results, run: str) -> str:
    """Return the file's text. Raises KeyError where an engine has not run everything."""
    rows = {row: seen[row] for row in marked()}
    text = _HEAD.format(run=run)
    text += _table("attack", ATTACK_COLUMNS, {attack.name: seen[attack.name] for attack in ATTACKS})
    text += _CONTROLS + "".join(
        f"- `lacking-{name}`: {', '.join(sorted(checks))}\n" for name, checks in LACKING.items()
    )
    client = {row: cells for row, cells in rows.items() if "verdict" not in cells}
    text += _CLIENT + _table("what", list(ENGINES), client)
    old = {row: cells for row, cells in rows.items() if "verdict" in cells}
    return text + _OLD + _table("engine", ["verdict"], old)


def _table(title: str, columns: list[str], rows: Results) -> str:
    lines = [[title, *columns], ["---"] * (len(columns) + 1)]
    lines += [[name, *(cells[column] for column in columns)] for name, cells in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
