"""A page on another port asks for tickets: ``tests.browser.ie11_preauth JAR OWN EVIL SITE...``.

Ports are no part of an origin in IE 11, and so in HtmlUnit's: a script sends JSON to another port
without asking, no Origin goes along, and Sec-Fetch-Site was not known yet. The Referer alone tells.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.browser.ie11 import end_with, start

ASK = """
var xhr = new XMLHttpRequest();
xhr.open('POST', {url}, false);
xhr.setRequestHeader('Content-Type', 'application/json');
xhr.send({body});
String(xhr.status);
"""


def main(jar: str, own: str, evil: str, *sites: str) -> None:
    """Log alice in, let the evil page ask each site for a ticket, and print the statuses."""
    import jpype

    html, client = start(jar)
    login = jpype.java.net.URL(f"{own}/login/alice")
    client.getPage(html.WebRequest(login, html.HttpMethod.POST))
    page = client.getPage(f"{evil}/blank")
    end_with(json.dumps([_ask(page, f"{own}{site}/wsguard/preauth", site) for site in sites]))


def _ask(page: Any, url: str, site: str) -> str:
    body = json.dumps({"path": f"{site}/echo"})
    script = ASK.format(url=json.dumps(url), body=json.dumps(body))
    return str(page.executeJavaScript(script).getJavaScriptResult())


if __name__ == "__main__":
    main(*sys.argv[1:])
