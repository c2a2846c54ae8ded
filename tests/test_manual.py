"""The manual's quickstart and how-tos, done as they are written."""

from __future__ import annotations

import logging
import re
import runpy
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.cookiejar import CookieJar
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import websocket
from flask import Flask
from flask_login import LoginManager, login_user
from flask_sock import Sock
from gunicorn.config import Config

from flask_wsguard import (
    ConfigError,
    Refusal,
    WSGuard,
    connection_closed,
    connection_opened,
    handshake_accepted,
    handshake_refused,
    preauth_refused,
    ws_protected,
)
from flask_wsguard.settings import Settings
from tests.sites import User, make_site
from tests.visitor import ORIGIN, Visitor

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = DOCS / "examples"


def load(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / name))


def commands(page: str) -> list[str]:
    """Return what a page tells its reader to type."""
    blocks = re.findall(r"```console\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line[:2] == "$ "]


# The quickstart, on a real server.


@dataclass(frozen=True)
class Running:
    """The quickstart's server: where it listens, and what it wrote."""

    port: int
    log: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the quickstart by its own command."""
    (run,) = [line for line in commands("quickstart.md") if line.startswith("flask ")]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("quickstart") / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *shlex.split(run), "--port", str(port)],
            cwd=EXAMPLES / "quickstart",
            stdout=output,
            stderr=output,
        )
        try:
            _wait_for(port)
            yield Running(port, log)
        finally:
            server.terminate()
            server.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the quickstart does not listen")


@pytest.mark.slow
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_quickstart_says_hello_and_closes_at_logout(site: Running, host: str) -> None:
    """Log in with the form, connect as the client does, say a word, log out elsewhere."""
    assert host in (DOCS / "quickstart.md").read_text().partition("## Run it")[2]
    base, jar = f"http://{host}:{site.port}", CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def post(path: str, body: bytes, **headers: str) -> bytes:
        request = urllib.request.Request(f"{base}{path}", body, headers)
        with browser.open(request, timeout=10) as answer:
            return answer.read()

    assert b"data-subject=" in post("/login", b"name=alice")
    told = {"Content-Type": "application/json", "Origin": base}
    token = re.search(
        rb'"token": "([^"]+)"', post("/wsguard/preauth", b'{"path": "/echo"}', **told)
    )
    assert token
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
    ws = websocket.create_connection(
        f"ws://{host}:{site.port}/echo?wsguard_token={token[1].decode()}",
        origin=base,
        cookie=cookies,
        timeout=10,
    )
    assert ws.recv() == "hello alice"
    ws.send("a word")
    assert ws.recv() == "a word"
    post("/logout", b"")
    assert ws.recv_data()[1] == b"\x11\x31session_ended"  # 4401
    ws.shutdown()


@pytest.mark.slow
def test_quickstarts_attack_gets_the_answer_that_stands_below_it(site: Running) -> None:
    """The curl line is sent as it stands, on the test's own port; the log names the reason."""
    (attack,) = [line for line in commands("quickstart.md") if line.startswith("curl ")]
    url, *headers = re.findall(r'http://localhost:5000(/\S+)|-H "([^"]+)"', attack)
    lines = [f"GET {url[0]} HTTP/1.1", f"Host: localhost:{site.port}", *(h[1] for h in headers)]
    with socket.create_connection(("localhost", site.port), 10) as wire:
        wire.sendall("\r\n".join([*lines, "", ""]).encode())
        status = wire.recv(4096).decode().partition("\r\n")[0]
    assert status in (DOCS / "quickstart.md").read_text().splitlines()
    assert "origin_not_allowed" in site.log.read_text()


@pytest.mark.slow
def test_quickstart_installs_what_it_imports() -> None:
    """The one package that it names brings the others."""
    (install,) = [line for line in commands("quickstart.md") if line.startswith("pip ")]
    assert shlex.split(install) == ["pip", "install", "flask-wsguard"]
    setup = (DOCS.parent / "setup.py").read_text()
    source = (EXAMPLES / "quickstart" / "app.py").read_text()
    for module in re.findall(r"^from (flask\w*) ", source, re.MULTILINE):
        assert f'"{module.replace("_", "-")}' in setup


def test_quickstart_without_its_mark_is_closed() -> None:
    """What the page says of a forgotten mark."""
    source = (EXAMPLES / "quickstart" / "app.py").read_text()
    scope: dict[str, Any] = {"__name__": "app"}
    exec(source.replace("@ws_protected\n", ""), scope)
    visitor = Visitor(scope["app"])
    visitor.client.post("/login", data={"name": "alice"}, base_url=visitor.base)
    assert visitor.preauth("/echo").json["reason"] == "unguarded_route"
    assert visitor.connect("/echo").reason is Refusal.UNGUARDED_ROUTE


# From session-only sockets to guarded ones.


def test_observing_walks_from_a_session_to_a_ticket(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Observed, what would be refused works and is counted; enforced, it is refused."""
    monkeypatch.setenv("WSGUARD_OBSERVE", "1")
    with caplog.at_level(logging.WARNING, "flask_wsguard"):
        scope = load("observing.py")
    assert "WSGUARD_ENFORCE is off" in caplog.text
    seen: list[bool] = []
    visitor = Visitor(scope["app"])
    visitor.client.post("/login/ann", base_url=visitor.base)

    def heard(app: Any, observed: bool, **facts: Any) -> None:
        seen.append(observed)

    opened: list[Any] = []

    def registered(app: Any, path: str, ticket: Any) -> None:
        opened.append((path, ticket and ticket.user_id))

    # Preauth enforces meanwhile: a page on new WSGuard() would close with 4403.
    for path, origin, reason in [
        ("/old", ORIGIN, "unguarded_route"),
        ("/new", "https://evil.example", "origin_not_allowed"),
    ]:
        answer = visitor.preauth(path, origin=origin)
        assert (answer.status_code, answer.json["reason"]) == (403, reason)

    with handshake_refused.connected_to(heard), connection_opened.connected_to(registered):
        # 1: nothing changes for an old page, whatever the route.
        assert visitor.open("/old").messages == ["hello ann"]
        # 2: its route is marked.
        assert visitor.open("/new").messages == ["hello ann"]
        # 3: the page asks preauth.
        assert visitor.open("/new", visitor.token("/new")).messages == ["hello ann"]
        # 4: what is left is foreign.
        foreign = visitor.open("/new", visitor.token("/new"), origin="https://evil.example")
        assert foreign.messages == ["hello ann"]
    assert seen == [True, True, True]
    assert opened == [("/old", None), ("/new", None), ("/new", "ann"), ("/new", None)]
    assert scope["would_refuse"] == {
        "unguarded_route": 1,
        "token_missing": 1,
        "origin_not_allowed": 1,
    }
    # 5: the switch is gone.
    monkeypatch.delenv("WSGUARD_OBSERVE")
    visitor = Visitor(load("observing.py")["app"])
    visitor.client.post("/login/ann", base_url=visitor.base)
    assert visitor.connect("/old").reason is Refusal.UNGUARDED_ROUTE
    assert visitor.connect("/new").reason is Refusal.TOKEN_MISSING
    evil = {"Origin": "https://evil.example"}
    assert (
        visitor.connect("/new", visitor.token("/new"), headers=evil).reason
        is Refusal.ORIGIN_NOT_ALLOWED
    )
    assert visitor.open("/new", visitor.token("/new")).messages == ["hello ann"]


# Deployment.


def guarded(app: Flask) -> Visitor:
    """Put a login, a protected route and the guard on an example's bare app."""
    app.config["SECRET_KEY"] = app.config["SECRET_KEY"] or "k" * 32
    LoginManager(app).user_loader(User)
    WSGuard(app)

    @app.post("/login/<user_id>")
    def log_in(user_id: str) -> str:
        login_user(User(user_id))
        return "welcome"

    @Sock(app).route("/echo")
    @ws_protected
    def echo(ws: Any) -> None:
        ws.send("hello")

    return Visitor(app)


def test_pages_of_a_listed_host_reach_preauth_on_another() -> None:
    """The listed page may read the answer; a sibling that is not listed is refused."""
    visitor = guarded(load("several_hosts.py")["app"])
    visitor.base = "https://live.example.org"
    assert visitor.log_in("ann").status_code == 200
    listed = visitor.preauth(origin="https://www.example.org")
    assert listed.status_code == 200
    assert listed.headers["Access-Control-Allow-Origin"] == "https://www.example.org"
    sibling = visitor.preauth(origin="https://blog.example.org")
    assert sibling.json["reason"] == "origin_not_allowed"
    assert "Access-Control-Allow-Origin" not in sibling.headers


def reasons(before: dict[str, Any], after: dict[str, Any]) -> set[Refusal | None]:
    """Log in and ask preauth at one worker, connect at another that has been restarted, or not."""
    apps = [Flask("rotated_keys") for _ in "ab"]
    for app, keys in zip(apps, (before, after), strict=True):
        app.config.update(keys)
    (one, other), found = map(guarded, apps), set()
    for issuer, taker in ((one, other), (other, one)):
        issuer.log_in("ann")
        token = issuer.token()
        found.add(taker.connect(token=token, cookies=issuer.cookie_header()).reason)
    return found


def test_rotation_in_three_steps_refuses_nobody() -> None:
    """Whoever issued, before a step or after it, the other one takes it."""
    example = load("rotated_keys.py")
    steps = [{"SECRET_KEY": example["OLD"]}, *example["STEPS"]]
    assert [reasons(*pair) for pair in pairwise(steps)] == [{None}] * 3


def test_rotation_without_the_first_step_refuses() -> None:
    """A worker that is not restarted yet does not know the key that the others sign with."""
    example = load("rotated_keys.py")
    assert reasons({"SECRET_KEY": example["OLD"]}, example["STEPS"][1]) == {
        None,
        Refusal.TOKEN_INVALID,
    }


def test_gunicorn_believes_a_proxy_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """In scheme alone, as the pages say that send their reader to ProxyFix all the same."""
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    config = Config()
    assert {"127.0.0.1"} <= set(config.forwarded_allow_ips)
    assert config.secure_scheme_headers["X-FORWARDED-PROTO"] == "https"
    for page in ("deployment.md", "neighbours.md"):
        assert "`X-Forwarded-Proto` of a proxy" in (DOCS / page).read_text()


def test_gunicorn_example_drains_its_workers() -> None:
    """The file that is copied sets the hook and more time than the drain takes."""
    config = load("gunicorn.conf.py")
    assert callable(config["post_worker_init"])
    assert config["graceful_timeout"] > Settings().drain_seconds


# Mobile apps.


def origins_of_apps() -> list[str]:
    """Return what the page says that pages packed into an app send."""
    rows = re.findall(r"^\| .* \| (`.*`) \| .* \|$", (DOCS / "mobile.md").read_text(), re.MULTILINE)
    return [origin for row in rows for origin in re.findall(r"`([^`]+:[^`]+|null)`", row)]


def test_mobile_page_names_these_origins() -> None:
    """Those that the tests below try."""
    assert origins_of_apps() == [
        "null",
        "file://",
        "capacitor://localhost",
        "https://localhost",
        "https://appassets.androidplatform.net",
    ]


@pytest.mark.parametrize("origin", origins_of_apps())
def test_page_packed_into_an_app_opens_no_protected_socket(origin: str) -> None:
    """Refused; what can be listed is another site, which preauth says, and opens a public one."""
    foreign = Visitor(make_site(), origin=origin)
    assert foreign.preauth("/echo").json["reason"] == "origin_not_allowed"
    if not origin.startswith("https://"):
        with pytest.raises(ConfigError):
            make_site(WSGUARD_ALLOWED_ORIGINS=["self", origin])
        return
    site = make_site(WSGUARD_ALLOWED_ORIGINS=["self", origin])
    own, listed = Visitor(site), Visitor(site, origin=origin)
    own.log_in("alice")
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert listed.preauth("/echo", headers=cross).json["reason"] == "cross_site_fetch"
    token = own.token("/echo")  # were it given one: its browser sends no Strict cookie along
    sent = own.cookie_header("session")
    assert listed.connect("/echo", token, cookies=sent).reason is Refusal.TICKET_MISSING
    assert listed.connect("/ticker", headers=cross).reason is None


def request_on(page: str, number: int) -> tuple[str, str, dict[str, str], str]:
    """Return method, target, headers and body of a request that stands on a page."""
    block = re.findall(r"```text\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)[number]
    head, _, body = block.partition("\n\n")
    first, *lines = head.strip().splitlines()
    method, target, version = first.split()
    assert version == "HTTP/1.1"
    return method, target, dict(line.split(": ", 1) for line in lines), body


def test_native_clients_requests_open_a_socket_as_they_stand() -> None:
    """With the bearer and the cookie of the ticket alone; without Origin they open nothing."""
    app = load("with_flask_jwt_extended.py")["app"]
    client = app.test_client(use_cookies=False)
    base = {"base_url": ORIGIN}
    bearer = client.post("/login/alice", **base).json["access_token"]
    method, target, headers, body = request_on("mobile.md", 0)
    headers["Authorization"] = headers["Authorization"].replace("<the login's>", bearer)
    without = {name: value for name, value in headers.items() if name != "Origin"}
    refused = client.open(target, method=method, headers=without, data=body, **base)
    assert refused.json["reason"] == "origin_missing"
    granted = client.open(target, method=method, headers=headers, data=body, **base)
    assert granted.status_code == 200

    method, target, headers, body = request_on("mobile.md", 1)
    assert headers.pop("Cookie") == "<the cookie>"
    assert headers.pop("Host") == "example.org"
    assert headers.pop("Sec-WebSocket-Key").startswith("<16 random bytes")
    path, _, query = target.replace("<token>", granted.json["token"]).partition("?")
    opened = Visitor(app).connect(
        path,
        query=query,
        headers=headers,
        cookies=granted.headers["Set-Cookie"].partition(";")[0],
    )
    assert (method, body, opened.reason, opened.ticket.user_id) == ("GET", "", None, "alice")


# Logs.


def test_a_handler_of_the_sites_own_writes_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler of the example, on a logger that nobody else has cleaned."""
    monkeypatch.chdir(tmp_path)
    handler = load("logs_filter.py")["handler"]
    log = logging.Logger("the site's own")
    log.addHandler(handler)
    log.warning("GET %s", "/echo?wsguard_token=abc&room=1")
    handler.close()
    assert (tmp_path / "requests.log").read_text() == "GET /echo?wsguard_token=[redacted]&room=1\n"


def test_dictconfig_hangs_the_filter_on_a_handler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example's logger writes no token; what else is configured stays."""
    monkeypatch.chdir(tmp_path)
    log = logging.getLogger("requests")
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "level", logging.NOTSET)
    load("logs_dictconfig.py")
    log.info("GET %s", "/echo?wsguard_token=abc&room=1")
    (handler,) = log.handlers
    handler.close()
    assert (tmp_path / "requests.log").read_text() == "GET /echo?wsguard_token=[redacted]&room=1\n"


LOGGED = {
    handshake_accepted: "accepted",
    handshake_refused: "refused",
    preauth_refused: "refused",
    connection_closed: "closed",
}


def test_signals_log_who_from_where_and_until_when(
    caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    """The example: a refusal names its user, a path breaks no line and brings no token."""
    example = load("logs_connections.py")
    for signal, name in LOGGED.items():
        request.addfinalizer(partial(signal.disconnect, example[name]))
    visitor = Visitor(make_site())
    visitor.log_in("alice")
    with caplog.at_level(logging.INFO, example["log"].name):
        assert visitor.open("/write", visitor.token("/write")).messages
        visitor.preauth("/write", origin="https://evil.example")
        visitor.connect("/room/1", None)
        visitor.connect("/room/1", "x", cookies="")
        Visitor(visitor.app).preauth("/no\nway?wsguard_token=abc")
    assert [line for name, _, line in caplog.record_tuples if name == "sockets"] == [
        "open '/write' user='alice' from 127.0.0.1",
        "closed '/write' user='alice' after 0 s: not by us",
        "origin_not_allowed '' user='alice' from 127.0.0.1",
        "token_missing '/room/1' user='alice' from 127.0.0.1",
        "token_invalid '/room/1' user=None from 127.0.0.1",
        "unknown_path '/no\\nway?wsguard_token=[redacted]' user=None from 127.0.0.1",
    ]


def test_pywsgi_writes_to_the_logger_that_init_app_cleans(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its access and error lines, as the example gives them a logger."""
    app = Flask("pywsgi")
    guarded(app)
    server = load("logs_pywsgi.py")["make_server"](app, ("127.0.0.1", 0))
    with caplog.at_level(logging.INFO, "gevent.pywsgi"):
        server.log.write("GET /echo?wsguard_token=abc HTTP/1.1\n")
        server.error_log.write("GET /echo?wsguard_token=abc HTTP/1.1\n")
    assert caplog.messages == ["GET /echo?wsguard_token=[redacted] HTTP/1.1"] * 2
