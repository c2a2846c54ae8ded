"""Pictures of the demo's pages for the README and the manual, and the sizes they are seen in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.visitor import Visitor

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZES = {"": (1280, 800, 1), "-phone": (390, 844, 2)}
"""What a picture's name ends in, to width and height in CSS pixels, and pixels for each."""

LAST = {"demo-phone": "[aria-labelledby=try-title]", "lab-phone": ".buttons"}
"""What a picture ends below, so that nothing is cut in two; the others show the whole page."""

_MARGIN = 8


@contextmanager
def seen_on(visitor: Visitor, ending: str) -> Iterator[None]:
    """Show the current page in this size; only Chromium can be as narrow as a phone."""
    width, height, _ = SIZES[ending]
    if visitor.name != "chromium":
        visitor.driver.set_window_size(max(width, 500), height)
        try:
            yield
        finally:
            visitor.driver.set_window_size(1200, 900)
        return
    try:
        _resize(visitor, ending, height)
        yield
    finally:
        visitor.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def take(visitor: Visitor, name: str) -> None:
    """Take a picture of the current page from its top, as high as it must be; Chromium only."""
    ending = "-phone" if name.endswith("-phone") else ""
    height = visitor.run(
        "var log = document.getElementById('log'), root = document.documentElement;"
        "var last = arguments[0] && document.querySelector(arguments[0]);"
        "window.scrollTo(0, 0);"
        "if (log) { log.scrollTop = log.scrollHeight; }"
        "return last ? Math.ceil(last.getBoundingClientRect().bottom) + arguments[1]"
        "  : root.scrollHeight;",
        LAST.get(name),
        _MARGIN,
    )
    _resize(visitor, ending, height)
    visitor.driver.save_screenshot(str(IMAGES / f"{name}.png"))


def _resize(visitor: Visitor, ending: str, height: int) -> None:
    width, _, scale = SIZES[ending]
    size = {"width": width, "height": height, "deviceScaleFactor": scale}
    size["mobile"] = ending == "-phone"
    visitor.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    visitor.wait(
        "return document.documentElement.clientWidth <= arguments[0] "
        "&& window.innerHeight === arguments[1]",
        width,
        height,
    )
