"""What the attacker's pages do. Each move returns what the attacker got, None for nothing.

It takes the visitor, whose browser the victim uses, and the prefix of the site that it attacks.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.browser.front import EVIL, OWN, SIBLING
from tests.browser.visitor import Visitor, heard, log_in, until

PREAUTH = '{"path": "/echo", "ignored": "'


def cross_site_page(visitor: Visitor, site: str) -> str | None:
    return _from_page(visitor, site, visitor.world.https(EVIL, "/blank"))


def sibling_page(visitor: Visitor, site: str) -> str | None:
    return _from_page(visitor, site, visitor.world.https(SIBLING, "/blank"))


def other_port_page(visitor: Visitor, site: str) -> str | None:
    return _from_page(visitor, site, f"https://{OWN}:{visitor.world.other_tls}/blank")


def other_port_of_localhost(visitor: Visitor, site: str) -> str | None:
    visitor.go(visitor.local("/page"))
    visitor.log_in()
    visitor.go(visitor.local("/blank", other=True))
    return heard(visitor.knock(visitor.local(f"{site}/echo", scheme="ws")))


def http_page_to_wss(visitor: Visitor, site: str) -> str | None:
    return _from_page(visitor, site, f"http://{OWN}:{visitor.world.http}/blank")


def sandboxed_frame(visitor: Visitor, site: str) -> str | None:
    log_in(visitor)
    visitor.blank(EVIL)
    return heard(visitor.call("knockFromSandbox", visitor.world.wss(f"{site}/echo")))


def file_page(visitor: Visitor, site: str) -> str | None:
    log_in(visitor)
    page = visitor.world.ca.parent / "page.html"
    page.write_text(f"<script>{(Path(__file__).parent / 'pages/probe.js').read_text()}</script>")
    visitor.go(page.as_uri())
    return heard(visitor.knock(visitor.world.wss(f"{site}/echo")))


def form_forces_preauth(visitor: Visitor, site: str) -> str | None:
    """Post a form from another site, whose text/plain body happens to be JSON."""
    log_in(visitor)
    visitor.blank(EVIL)
    url = visitor.world.https(path=f"{site}/wsguard/preauth")
    visitor.run("submit.apply(null, arguments)", url, "text/plain", _preauth(site), '"}')
    until(visitor.decisions)
    return _granted(visitor)


def text_forces_preauth(visitor: Visitor, site: str) -> str | None:
    """Send what another site may send without a preflight."""
    log_in(visitor)
    visitor.blank(EVIL)
    url = visitor.world.https(path=f"{site}/wsguard/preauth")
    visitor.ask("POST", url, "text/plain", json.dumps({"path": f"{site}/echo"}))
    return _granted(visitor)


def json_forces_preauth(visitor: Visitor, site: str) -> str | None:
    """Ask as the client does, from a sibling: the browser asks the site beforehand."""
    log_in(visitor)
    visitor.blank(SIBLING)
    url = visitor.world.https(path=f"{site}/wsguard/preauth")
    visitor.ask("POST", url, "application/json", json.dumps({"path": f"{site}/echo"}))
    return _granted(visitor)


def lifted_token_on_another_site(visitor: Visitor, site: str) -> str | None:
    token = _token_from_a_log(visitor, site)
    visitor.blank(EVIL)
    return _replay(visitor, site, token)


def lifted_token_on_a_sibling(visitor: Visitor, site: str) -> str | None:
    """Replay it where the victim's cookies travel, Strict ones too."""
    token = _token_from_a_log(visitor, site)
    visitor.blank(SIBLING)
    return _replay(visitor, site, token)


def lifted_token_on_another_path(visitor: Visitor, site: str) -> str | None:
    return _replay(visitor, site, _token_from_a_log(visitor, site, "/other"))


def lifted_token_in_another_browser(visitor: Visitor, site: str) -> str | None:
    token = _token_from_a_log(visitor, site)
    visitor.forget()
    visitor.go(visitor.world.https(path=f"{site}/page"))
    visitor.log_in("bob", site)
    return _replay(visitor, site, token)


def ticket_without_token(visitor: Visitor, site: str) -> str | None:
    """Open the socket from a sibling while the victim holds an unspent ticket."""
    log_in(visitor, site)
    visitor.grant(site)
    visitor.blank(SIBLING)
    return heard(visitor.knock(visitor.world.wss(f"{site}/echo")))


def forced_login(visitor: Visitor, site: str) -> str | None:
    """Log the victim's browser in as the attacker, by a form, while her page is open."""
    log_in(visitor, site)
    visitor.go(visitor.world.https(path=f"{site}/page"))
    own = visitor.driver.current_window_handle
    visitor.driver.switch_to.new_window("tab")
    visitor.blank(EVIL)
    login = visitor.world.https(path="/control/login/bob")
    visitor.run("submit.apply(null, arguments)", login, "text/plain", "a", "b", "_top")
    visitor.driver.switch_to.window(own)
    until(lambda: "<title>bob" in visitor.ask("GET", f"{site}/page")["text"])
    if site == "/control":
        return heard(visitor.knock(visitor.world.wss(f"{site}/echo")))
    visitor.run("connect.apply(null, arguments)", f"{site}/echo", {})
    event = visitor.wait("return last('message') || last('close')")
    visitor.page_reason = f"{event['reason']}, by the client"
    words: str | None = event["data"]
    return words


def rebinding(visitor: Visitor, site: str) -> str | None:
    """Let the attacker's name resolve to this machine: Host and Origin agree."""
    host = f"{EVIL}:{visitor.world.http}"
    visitor.go(f"http://{host}/blank")
    return heard(visitor.knock(f"ws://{host}{site}/ticker"))


def rebinding_over_https(visitor: Visitor, site: str) -> str | None:
    """Rebind where the certificate covers the attacker's name, as a careless front's may."""
    host = f"{EVIL}:{visitor.world.tls}"
    visitor.go(f"https://{host}/blank")
    return heard(visitor.knock(f"wss://{host}{site}/ticker"))


def _token_from_a_log(visitor: Visitor, site: str, path: str = "/echo") -> str:
    """Let alice connect once, and cut the token out of the line that the proxy wrote about it.

    Her server keeps tokens out of its own logs; a proxy in front of it knows nothing of them.
    """
    log_in(visitor, site)
    already = len(visitor.world.proxy_log.read_bytes())
    assert visitor.knock(visitor.grant(site, path)["url"])["heard"]
    line = re.compile(rf'"GET {site}{path}\?wsguard_token=([^ &]+) HTTP/1.1"'.encode())
    found = until(lambda: line.search(visitor.world.proxy_log.read_bytes(), already))
    return str(found[1], "ascii")


def _replay(visitor: Visitor, site: str, token: str) -> str | None:
    return heard(visitor.knock(visitor.world.wss(f"{site}/echo?wsguard_token={token}")))


def _from_page(visitor: Visitor, site: str, page: str) -> str | None:
    log_in(visitor)
    visitor.go(page)
    return heard(visitor.knock(visitor.world.wss(f"{site}/echo")))


def _preauth(site: str) -> str:
    return PREAUTH.replace("/echo", f"{site}/echo")


def _granted(visitor: Visitor) -> str | None:
    """Return for whom preauth was granted."""
    decisions = visitor.decisions()
    granted = [one for one in decisions if one["step"] == "preauth" and one["reason"] is None]
    return f"granted to {granted[0]['user']}" if granted else None
