"""Incidents of other projects, each as its attack: refused here, a success where it happened."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_wsguard import ConfigError, WSGuard
from flask_wsguard.core.origins import Origin, OriginPolicy

from .conftest import Page

pytestmark = pytest.mark.slow

FOREIGN = "https://evil.example.net"
SIBLING = "https://user-content.example.org"
OTHER_PORT = "https://example.org:8443"


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(FOREIGN, id="CVE-2018-14732-webpack-dev-server"),
        pytest.param(SIBLING, id="CVE-2019-13209-Rancher"),
        pytest.param("http://example.org", id="CVE-2023-26114-code-server"),
        pytest.param("null", id="CVE-2024-23898-Jenkins"),
        pytest.param(OTHER_PORT, id="CVE-2026-34403-nginx-ui"),
    ],
)
def test_no_check_at_all(alice: Page, hostile: str) -> None:
    """The socket asked for no Origin, or its CheckOrigin always said yes: any page would do."""
    alice.attack(hostile, "origin_not_allowed", "no_check")


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(SIBLING, id="CVE-2023-0957-Gitpod"),
        pytest.param("https://a.workspace.example.org", id="GHSA-2vfc-3h43-vghh-SysReptor"),
        pytest.param(OTHER_PORT, id="GHSA-cp68-qrhr-g9h8-MeshCentral"),
    ],
)
def test_same_site_was_trusted(alice: Page, hostile: str) -> None:
    """SameSite was the only lock, and a sibling or a port is the same site: its cookies travel."""
    alice.attack(hostile, "origin_not_allowed", "same_site_cookie")


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(FOREIGN, id="CVE-2019-13611-python-engineio"),
        pytest.param("http://example.org", id="CVE-2020-28481-socket.io"),
    ],
)
def test_default_allowed_all(alice: Page, hostile: str) -> None:
    """Every origin was allowed until somebody configured some; here nothing is configured."""
    alice.attack(hostile, "origin_not_allowed", "no_check")
    with pytest.raises(ConfigError, match="would let any page in"):
        WSGuard(_configured(WSGUARD_ALLOWED_ORIGINS="*"))


@pytest.mark.parametrize(
    "hostile", ["https://203.0.113.7", "https://203.0.113.7:8443", "https://[2001:db8::7]"]
)
def test_cve_2025_30360_webpack_dev_server(alice: Page, hostile: str) -> None:
    """A page on a bare IP address was always allowed."""
    alice.attack(hostile, "origin_not_allowed", "any_address")


@pytest.mark.parametrize(
    "hostile", ["https://[::1", "https://example.org:99999", "https://example.org:abc"]
)
def test_cve_2026_14631_webpack_dev_server(alice: Page, hostile: str) -> None:
    """A malformed Origin threw inside the check, and took the process with it."""
    faults = len(alice.server.tracebacks)
    assert alice.connect("/echo", alice.preauth(), origin=hostile) == (403, "")
    assert len(alice.server.tracebacks) == faults
    assert alice.connect("/flawed/throws/echo", origin=hostile) == (500, "")
    assert alice.connect("/echo", alice.preauth()) == (101, "alice alice")


def test_cve_2026_40110_jupyter_server(alice: Page) -> None:
    """``re.match`` has no end: whatever begins like an allowed origin was one."""
    alice.attack("https://example.org.evil.net", "origin_not_allowed", "prefix_match")


@pytest.mark.parametrize("hostile", ["https://example.org.evil.net", "https://example"])
def test_cve_2026_21883_bokeh(alice: Page, hostile: str) -> None:
    """``zip`` stops at the shorter list of labels, so a longer or shorter name was equal."""
    alice.attack(hostile, "origin_not_allowed", "zip_truncation")


@pytest.mark.parametrize("hostile", ["https://evilpartner.example", "https://partner.example"])
def test_cve_2022_42975_phoenix(alice: Page, hostile: str) -> None:
    """``*.partner.example`` was compared without its dot: evilpartner.example ended so too."""
    alice.attack(hostile, "origin_not_allowed", "suffix_without_dot", prefix="/listed")


def test_issue_2770_phoenix(alice: Page) -> None:
    """``null`` has no host, and a check of no host passed."""
    alice.attack("null", "origin_not_allowed", "null_is_no_host")


@pytest.mark.parametrize(
    ("hostile", "reason"), [("null", "origin_not_allowed"), (None, "origin_missing")]
)
def test_cve_2026_27977_nextjs(alice: Page, hostile: str | None, reason: str) -> None:
    """``null``, which any page sends from a sandboxed frame, skipped the check."""
    alice.attack(hostile, reason, "null_is_skipped")


@pytest.mark.parametrize(
    "hostile",
    ["https://example.org@evil.example.net", "https://example.org[@evil.example.net"],
)
def test_cve_2024_22243_spring(alice: Page, hostile: str) -> None:
    """The parser read the user's part, or what stands before a bracket, as the host."""
    alice.attack(hostile, "origin_not_allowed", "userinfo_is_host")


def test_cve_2026_59390_spring(alice: Page) -> None:
    """The check hung on one way of registering a socket; another way had none."""
    alice.server.verdicts()
    assert alice.connect("/raw", origin=FOREIGN) == (403, "")
    assert alice.connect("/raw") == (403, "")
    assert alice.server.verdicts() == ["unguarded_route", "unguarded_route"]
    assert alice.connect("/flawed/raw", origin=FOREIGN) == (101, "alice")


def test_cve_2026_48802_socketio(alice: Page) -> None:
    """Work was done for everybody before anybody was asked who they are."""
    token = alice.preauth()
    alice.fetch("POST", "/loads")
    assert alice.connect("/echo", token, origin=FOREIGN) == (403, "")
    assert alice.connect("/echo", token[:-4] + "AAAA") == (403, "")
    assert alice.fetch("POST", "/loads").json == 0
    assert alice.connect("/flawed/scheme_ignored/echo", origin=FOREIGN) == (403, "")
    assert alice.fetch("POST", "/loads").json == 1


def test_cve_2019_1000022_sente(alice: Page) -> None:
    """The endpoint that hands out the token handed it to every origin."""
    asked = {"path": "/echo"}
    answer = alice.fetch("POST", "/wsguard/preauth", asked, Origin=FOREIGN)
    assert (answer.status, answer.json["reason"]) == (403, "origin_not_allowed")
    assert "token" not in answer.json
    assert answer.all("Access-Control-Allow-Origin") == answer.all("Set-Cookie") == []
    leak = alice.fetch("POST", "/flawed/handshake", asked, Origin=FOREIGN)
    assert leak.json["token"] == "the token of whoever is logged in"
    assert leak.get("Access-Control-Allow-Origin") == FOREIGN


@pytest.mark.parametrize("prefix", ["", "/listed"])
@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
def test_cve_2026_85183_taipy(alice: Page, method: str, prefix: str) -> None:
    """CORS let every origin read answers, with credentials."""
    answer = alice.fetch(method, f"{prefix}/wsguard/preauth", {"path": "/echo"}, Origin=FOREIGN)
    assert answer.status == 403
    assert [name for name, _ in answer.headers if name.lower().startswith("access-control")] == []
    leak = alice.fetch("POST", "/flawed/handshake", Origin=FOREIGN)
    assert leak.get("Access-Control-Allow-Credentials") == "true"
    with pytest.raises(ConfigError, match="would let any page in"):
        WSGuard(_configured(WSGUARD_ALLOWED_ORIGINS=["self", "*"]))


def test_cve_2023_3581_mattermost(alice: Page) -> None:
    """The scheme was ignored, so whoever can change plain http owned the https socket."""
    alice.attack("http://example.org", "origin_not_allowed", "scheme_ignored")


def test_cve_2024_28179_jupyter_server_proxy(alice: Page) -> None:
    """The pages asked for a login, the sockets behind them did not."""
    nobody = Page(alice.server)
    answer = nobody.fetch("POST", "/wsguard/preauth", {"path": "/echo"})
    assert (answer.status, answer.json["reason"]) == (401, "login_required")
    alice.server.verdicts()
    assert nobody.connect("/echo") == (403, "")
    assert alice.server.verdicts() == ["token_missing"]
    assert nobody.fetch("GET", "/flawed/page").status == 401
    assert nobody.connect("/flawed/no_check/echo") == (101, "None")


def test_cve_2025_24010_vite(alice: Page) -> None:
    """DNS rebinding: Host and Origin agree, on the attacker's name."""
    rebound = Page(alice.server, "http://evil.example.net", "evil.example.net", is_https=False)
    rebound.jar = {"session": alice.jar["session"]}
    answer = rebound.fetch("POST", "/wsguard/preauth", {"path": "/echo"})
    assert (answer.status, answer.json["reason"]) == (403, "insecure_transport")
    alice.server.verdicts()
    assert rebound.connect("/echo", alice.preauth()) == (403, "")
    assert alice.server.verdicts() == ["insecure_transport"]
    assert rebound.connect("/flawed/host_is_origin/echo") == (101, "alice")
    with pytest.raises(ConfigError, match="trusts whatever Host says"):
        WSGuard(_configured(WSGUARD_ALLOW_INSECURE_TRANSPORT=True))


@pytest.mark.parametrize("mode", ["navigate", "websocket", "cors", "no-cors", ""])
def test_cve_2026_40864_jupyterhub(alice: Page, mode: str) -> None:
    """``Sec-Fetch-Mode`` was read as if it said who asks; it says how."""
    alice.server.verdicts()
    token = alice.preauth()
    assert alice.connect("/echo", token, origin=FOREIGN, Sec_Fetch_Mode=mode) == (403, "")
    assert alice.server.verdicts() == ["origin_not_allowed"]
    flawed = alice.connect(
        "/flawed/fetch_mode_trusted/echo", origin=FOREIGN, Sec_Fetch_Mode="navigate"
    )
    assert flawed == (101, "alice")


def test_issue_10_linux_patch_manager(alice: Page) -> None:
    """A ticket that may be used once was enough, whichever page brought it."""
    alice.attack(FOREIGN, "origin_not_allowed", "ticket_alone")


def test_kubetail_0_1_3(alice: Page) -> None:
    """``Sec-Fetch-Site`` was required, and browsers that send none were locked out."""
    assert alice.connect("/echo", alice.preauth()) == (101, "alice alice")
    assert alice.connect("/flawed/fetch_site_required/echo") == (403, "")
    token = alice.preauth()
    assert alice.connect("/echo", token, Sec_Fetch_Site="same-origin") == (101, "alice alice")
    assert alice.connect("/echo", alice.preauth(), Sec_Fetch_Site="cross-site") == (403, "")


@pytest.mark.parametrize("flaw", ["prefix_match", "suffix_without_dot", "scheme_ignored"])
def test_flaws_are_checks(alice: Page, flaw: str) -> None:
    """The controls are no open doors: the plainly foreign page is refused by them too."""
    assert alice.connect(f"/flawed/{flaw}/echo", origin=FOREIGN) == (403, "")


def test_listed_origins_of_the_controls_are_honest() -> None:
    """What the wildcard is for is allowed, so that refusing all would pass no test here."""
    policy = OriginPolicy(("https://*.partner.example",))
    page = Origin("https", "shop.partner.example", 443)
    assert policy.rule_for(page, None) == "https://*.partner.example"


def _configured(**config: object) -> Flask:
    app = Flask("configured")
    app.config.update(SECRET_KEY="a secret key of at least thirty-two letters", **config)
    return app
