"""Parts of the manual that are made of the code: ``<!-- generated: NAME -->`` in a page.

Where ``<!-- end: NAME -->`` follows, the part stands in the page itself, for whoever reads it in a
checkout: ``python -m docs.ext.generated`` writes it anew, and a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from inspect import getdoc
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from flask_wsguard import Refusal, settings
from flask_wsguard.core import handshake, preauth
from flask_wsguard.core.refusals import HANDSHAKE_ONLY, PREAUTH_ONLY
from tests.test_floors import FLOORS

DOCS = Path(__file__).parents[1]
_MARK = re.compile(r"^<!-- generated: (\w+) -->$(?!.*^<!-- end: \1 -->$)", re.M | re.S)
# No other mark may stand in between: what is written by hand there would be lost.
_PART = re.compile(
    r"^(<!-- generated: (\w+) -->)$(?:(?!^<!-- ).)*?^(<!-- end: \2 -->)$", re.MULTILINE | re.DOTALL
)


def setting_texts() -> dict[str, str]:
    """Return the text below each field of Settings, as Markdown, in the order of the fields."""
    below = ModuleAnalyzer.for_module(settings.__name__).find_attr_docs()
    return {
        name: " ".join(" ".join(lines).replace("``", "`").split())
        for (owner, name), lines in below.items()
        if owner == settings.Settings.__name__
    }


def _settings() -> Iterator[str]:
    texts = setting_texts()
    for field in fields(settings.Settings):
        # The one default that is read from elsewhere, which the text says.
        default = None if field.name == "secret_key" else field.default
        yield f"## `{settings.PREFIX}{field.name.upper()}`"
        yield f"Default `{default!r}` · {settings.READERS[field.name].meaning}"
        yield texts[field.name]


def _refusals() -> Iterator[str]:
    for reason in Refusal:
        yield f"## `{reason.value}`"
        yield _where(reason)
        yield f"{reason.meaning} {reason.remedy}"


def _where(reason: Refusal) -> str:
    """Say who gives a reason, and what comes of it."""
    if reason in HANDSHAKE_ONLY:
        return "Handshake only · the page sees `handshake_failed`"
    where = "Preauth only" if reason in PREAUTH_ONLY else "Preauth and handshake"
    return f"{where} · preauth answers {reason.status} · the client {_fate(reason)}"


def _fate(reason: Refusal) -> str:
    """Say what the browser client does; a test asks the client itself."""
    if reason.status >= 429:
        return "tries again"
    if reason in {Refusal.LOGIN_REQUIRED, Refusal.SESSION_ENDED, Refusal.USER_CHANGED}:
        return "closes with 4401"
    return "closes with 4403" if reason.status == 403 else "closes with 4400"


def _checks_of(checks: tuple[Callable[..., Any], ...]) -> Iterator[str]:
    for check in checks:
        sentence = " ".join((getdoc(check) or "").split("\n\n")[0].split())
        yield f"1. `{check.__name__}`: {sentence}"


def _floors() -> Iterator[str]:
    for floor in FLOORS:
        names = sorted(f"`{name or '__init__'}`" for name in floor)
        yield f"1. {', '.join(names)}"


def _others() -> Iterator[str]:
    """Yield the pages that no table of contents names, so that none is out of reach."""
    named = set((DOCS / "index.md").read_text(encoding="utf-8").split())
    yield from sorted({page.stem for page in DOCS.glob("*.md")} - named - {"index"})


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "settings": _settings,
    "refusals": _refusals,
    "handshake_checks": lambda: _checks_of(handshake.CHECKS),
    "floors": _floors,
    "others": _others,
    "preauth_checks": lambda: _checks_of(preauth.CHECKS),
}


def fill(text: str) -> str:
    """Return a page with each of its marks replaced by the part that it names."""
    return _MARK.sub(lambda mark: "\n\n".join(PARTS[mark[1]]()), renew(text))


def renew(text: str) -> str:
    """Return a page whose parts that stand between two marks are as the code is now."""
    return _PART.sub(lambda part: "\n\n".join((part[1], *PARTS[part[2]](), part[3])), text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Fill every page as it is read."""

    def fill_page(app: Sphinx, name: str, content: list[str]) -> None:
        content[0] = fill(content[0])

    app.connect("source-read", fill_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    for page in DOCS.glob("*.md"):
        page.write_text(renew(page.read_text(encoding="utf-8")), encoding="utf-8")
