"""Pictures of the demo's pages for the README and the manual, and the sizes they are seen in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.visitor import Visitor

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZES = {"": (1280, 800, 1), "-phone": (390, 844, 2)}
"""What a picture's name ends in, to width and height in CSS pixels, and pixels for each."""


@contextmanager
def seen_on(visitor: Visitor, ending: str) -> Iterator[None]:
    """Show the current page in this size; only Chromium can be as narrow as a phone."""
    width, height, scale = SIZES[ending]
    if visitor.name != "chromium":
        visitor.driver.set_window_size(max(width, 500), height)
        yield
        visitor.driver.set_window_size(1200, 900)
        return
    size = {"width": width, "height": height, "deviceScaleFactor": scale}
    size["mobile"] = ending == "-phone"
    visitor.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    visitor.wait("return document.documentElement.clientWidth <= arguments[0]", width)
    yield
    visitor.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def take(visitor: Visitor, name: str) -> None:
    """Take a picture of the top of the current page."""
    visitor.run(
        "var log = document.getElementById('log'); window.scrollTo(0, 0);"
        "if (log) { log.scrollTop = log.scrollHeight; }"
    )
    visitor.driver.save_screenshot(str(IMAGES / f"{name}.png"))
