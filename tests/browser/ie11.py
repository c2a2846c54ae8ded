"""HtmlUnit of 2018 as IE 11, in a process of its own: ``python -m tests.browser.ie11 JAR URL``.

Its WebSocket (Jetty's) sends no Origin, which IE 11 does; ``create_demo`` puts it in.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from tests.browser.flow import FLOW

PATIENCE = 60


def create_demo() -> Any:
    """Return the demo, whose handshakes from HtmlUnit carry the Origin that IE 11 would send."""
    from demo.lab import create_lab

    lab = create_lab()

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("HTTP_USER_AGENT", "").startswith("Jetty/"):
            environ.setdefault("HTTP_ORIGIN", f"http://{environ['HTTP_HOST']}")
        return lab(environ, start_response)

    return serve


def missing(jar: Path) -> list[str]:
    """Return what this machine lacks to run HtmlUnit."""
    absent = [] if shutil.which("java") else ["java"]
    absent += [] if find_spec("jpype") else ["jpype1"]
    return absent + [str(path) for path in (jar,) if not path.exists()]


def start(jar: str) -> tuple[Any, Any]:
    """Return HtmlUnit's package, and a browser of it that takes itself for IE 11."""
    import jpype

    jpype.startJVM(classpath=[jar], convertStrings=True)
    logging = jpype.JPackage("java").util.logging
    logging.Logger.getLogger("").setLevel(logging.Level.OFF)
    property_ = ("org.eclipse.jetty.util.log.class", "org.eclipse.jetty.util.log.JavaUtilLog")
    jpype.java.lang.System.setProperty(*property_)
    html = jpype.JPackage("com").gargoylesoftware.htmlunit
    client = html.WebClient(html.BrowserVersion.INTERNET_EXPLORER)
    client.setJavaScriptErrorListener(_complain(jpype))
    return html, client


def main(jar: str, url: str) -> None:
    """Go through the flow, and print what it tells."""
    _, client = start(jar)
    _log_in(client, url)
    told, end = "", time.monotonic() + PATIENCE
    while not told and time.monotonic() < end:
        client.waitForBackgroundJavaScript(50)
        page = client.getCurrentWindow().getEnclosedPage()
        told = page.executeJavaScript(f"{FLOW}\nstep()").getJavaScriptResult()
    end_with(str(told or "{}"))


def end_with(told: str) -> NoReturn:
    """Print what was seen, and end although threads of the JVM would keep the process alive."""
    print("OUT", told, flush=True)
    os._exit(0)


def _complain(jpype: Any) -> Any:
    """Return what prints each fault of a page's scripts, in whatever thread they run."""

    def tell(*fault: Any) -> None:
        print("PAGE", " ".join(str(part) for part in fault[1:]), flush=True)

    kinds = ("scriptException", "timeoutError", "malformedScriptURL", "loadScriptError")
    listener = "com.gargoylesoftware.htmlunit.javascript.JavaScriptErrorListener"
    return jpype.JProxy(listener, dict=dict.fromkeys(kinds, tell))


def _log_in(client: Any, url: str) -> None:
    """Send the login form, whose page runs no script, and come back with scripts.

    HtmlUnit closes the sockets of a page that it leaves, and holds the page's lock meanwhile. A
    message that arrives just then waits for the lock, and the close for the message: 30 s.
    """
    client.getOptions().setJavaScriptEnabled(False)
    client.getPage(url).querySelector("button[value=alice]").click()
    client.getOptions().setJavaScriptEnabled(True)
    client.getPage(url)


if __name__ == "__main__":
    main(*sys.argv[1:])
