"""HtmlUnit of 2018 as IE 11, in a process of its own: ``python -m tests.browser.ie11 JAR URL``.

Its WebSocket (Jetty's) sends no Origin, which IE 11 does; ``create_demo`` puts it in.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

PATIENCE = 60
FLOW = Path(__file__).parent / "pages" / "flow.js"


def create_demo() -> Any:
    """Return the demo, whose handshakes from HtmlUnit carry the Origin that IE 11 would send."""
    from demo.lab import create_lab

    lab = create_lab()

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("HTTP_USER_AGENT", "").startswith("Jetty/"):
            environ.setdefault("HTTP_ORIGIN", f"http://{environ['HTTP_HOST']}")
        return lab(environ, start_response)

    return serve


def main(jar: str, url: str) -> None:
    """Go through the flow, and print what it tells."""
    import jpype

    jpype.startJVM(classpath=[jar], convertStrings=True)
    logging = jpype.JPackage("java").util.logging
    logging.Logger.getLogger("").setLevel(logging.Level.OFF)
    property_ = ("org.eclipse.jetty.util.log.class", "org.eclipse.jetty.util.log.JavaUtilLog")
    jpype.java.lang.System.setProperty(*property_)
    html = jpype.JPackage("com").gargoylesoftware.htmlunit
    client = html.WebClient(html.BrowserVersion.INTERNET_EXPLORER)
    _log_in(client, url)
    told, end = "", time.monotonic() + PATIENCE
    while not told and time.monotonic() < end:
        client.waitForBackgroundJavaScript(50)
        page = client.getCurrentWindow().getEnclosedPage()
        told = page.executeJavaScript(f"{FLOW.read_text()}\nstep()").getJavaScriptResult()
    print("OUT", told or "{}", flush=True)
    # Threads of the JVM would keep the process alive.
    os._exit(0)


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
