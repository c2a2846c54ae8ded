"""Check every link of the built manual that stays inside it: the page and the anchor exist."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)


class Page(HTMLParser):
    """What one page offers (``ids``) and what it asks for (``links``)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name == "id":
                self.ids.add(value)
            elif value and name in {"href", "src"}:
                self.links.add(value)


def dead_links(folder: Path) -> list[str]:
    """Return a line for every link inside the built site in ``folder`` that leads nowhere."""
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in folder.rglob("*.html")
        # An example's own page, whose links are those of the example's site.
        if "_downloads" not in path.parts
    }
    return sorted(
        f"{path.relative_to(folder)}: {link} leads nowhere"
        for path, page in pages.items()
        for link in page.links
        if not _leads_somewhere(pages, path, link)
    )


def _leads_somewhere(pages: dict[Path, Page], path: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return False
    if target.suffix != ".html" or not parts.fragment:
        return True
    return unquote(parts.fragment) in pages[target].ids


def _check(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        for line in dead_links(Path(app.outdir).resolve()):
            _log.warning("%s", line)


def setup(app: Sphinx) -> dict[str, Any]:
    """Check when the build has finished."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
