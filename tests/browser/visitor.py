"""Somebody who sits before a browser: goes to pages, and does what scripts on them can do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from selenium.common.exceptions import JavascriptException
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.front import OWN, World

PATIENCE = 15
"""Seconds to wait for a condition before the test fails."""


def until(condition: Callable[[], Any]) -> Any:
    """Wait until a condition outside of the browser is true, and return what it returned."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, condition
        time.sleep(0.02)
    return found


@dataclass
class Visitor:
    """A browser that knows the world. ``name`` is the engine's.

    ``page_reason`` is why an attack failed that reached no verdict of the server, ``stopped`` in
    what way the engine itself was seen to stop it.
    """

    name: str
    driver: Any
    world: World
    home: str = ""
    page_reason: str = ""
    stopped: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)

    def begin(self) -> None:
        """Start anew: the browser holds no cookies, the world behaves, nothing was decided yet."""
        self.forget()
        self.world.tell()
        self.world.verdicts()
        self.seen, self.page_reason, self.stopped = [], "", ""

    def go(self, url: str) -> None:
        """Load a page."""
        self.driver.get(url)

    def blank(self, host: str = OWN) -> None:
        """Load a page of this host, behind TLS, that does nothing by itself."""
        self.go(self.world.https(host, "/blank"))

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script on the page and return its result."""
        return self.driver.execute_script(script, *arguments)

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of probe.js whose last parameter is ``done``; return what it told."""
        script = f"{function}.apply(null, Array.prototype.slice.call(arguments))"
        return self.driver.execute_async_script(script, *arguments)

    def knock(self, url: str) -> dict[str, Any]:
        """Open a socket from the current page; return what the page can see."""
        saw: dict[str, Any] = self.call("knock", url)
        return saw

    def ask(self, method: str, url: str, type_: str = "", body: str = "") -> dict[str, Any]:
        """Send a request with cookies from the current page."""
        answer: dict[str, Any] = self.call("ask", method, url, type_, body)
        return answer

    def post(self, path: str) -> None:
        """POST to the page's own site, which must agree."""
        answer = self.ask("POST", path)
        assert answer["status"] == 200, answer

    def log_in(self, user: str = "alice", site: str = "") -> None:
        """Log in from a page of the site that is loaded."""
        self.post(f"{site}/login/{user}")

    def grant(self, prefix: str = "", path: str = "/echo") -> dict[str, Any]:
        """Ask preauth from the current page: token, and the socket's address with it."""
        granted: dict[str, Any] = self.call("grant", prefix, path)
        assert granted["status"] == 200, granted
        return granted

    def plant(self, *lines: str) -> None:
        """Let the current page's server set cookies, spelt like this."""
        assert self.ask("POST", "/plant", "application/json", json.dumps(lines))["status"] == 200

    def cookies(self) -> dict[str, str]:
        """Return the cookies that the browser holds for the current page."""
        return {cookie["name"]: cookie["value"] for cookie in self.driver.get_cookies()}

    def decisions(self) -> list[dict[str, Any]]:
        """Return all that the servers decided since the test began."""
        self.seen += self.world.verdicts()
        return self.seen

    def wait(self, script: str, *arguments: Any) -> Any:
        """Wait until a script returns something true, and return that."""
        # A page that is still loading has not got everything that the script asks for.
        patience = WebDriverWait(self.driver, PATIENCE, 0.02, (JavascriptException,))
        return patience.until(lambda driver: driver.execute_script(script, *arguments), script)

    def forget(self) -> None:
        """Forget every cookie, and close every tab but one."""
        first, *others = self.driver.window_handles
        for other in others:
            self.driver.switch_to.window(other)
            self.driver.close()
        self.driver.switch_to.window(first)
        if self.name == "chromium":
            self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
            return
        # No page of another host sets cookies of its own: a sibling's are its parent's.
        for url in (self.world.https(path="/blank"), self.local("/blank")):
            self.go(url)
            self.driver.delete_all_cookies()

    def local(self, path: str = "", *, scheme: str = "http", other: bool = False) -> str:
        """Return an address on plain http and localhost; ``other`` is its other port."""
        port = self.world.other_http if other else self.world.http
        return f"{scheme}://localhost:{port}{path}"


def log_in(visitor: Visitor, site: str = "") -> None:
    """Log alice in at a site, on its own page."""
    visitor.go(visitor.world.https(path=f"{site}/page"))
    visitor.log_in(site=site)


def heard(saw: dict[str, str | None]) -> str | None:
    """Return what a socket said first, None where it never opened."""
    return saw["heard"]
