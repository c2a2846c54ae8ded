"""What a test does with the browser client on the page that a visitor has open."""

from __future__ import annotations

from typing import Any

from tests.browser.visitor import Visitor


def connect(visitor: Visitor, path: str = "/echo", **options: Any) -> None:
    """Open one more WSGuard, whose events the page writes down."""
    visitor.run("connect.apply(null, arguments)", path, options)


def wait_for(visitor: Visitor, type_: str, times: int = 1) -> dict[str, Any]:
    """Wait for so many events of a type, and return the last."""
    visitor.wait("return count(arguments[0]) >= arguments[1]", type_, times)
    event: dict[str, Any] = visitor.run("return last(arguments[0])", type_)
    return event


def load(visitor: Visitor, url: str) -> None:
    """Load a script into the page, and wait for it."""
    script = (
        "var done = arguments[1], tag = document.createElement('script');"
        "tag.src = arguments[0]; tag.onload = function () { done(true); };"
        "tag.onerror = function () { done(false); }; document.body.appendChild(tag);"
    )
    assert visitor.driver.execute_async_script(script, url), url
