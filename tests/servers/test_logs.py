"""The log files of real servers hold no token, however its handshake ended."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.live.gunicorn import until
from tests.servers.conftest import SERVERS, running
from tests.wire import Attempt, Browser, Grant, browsers

pytestmark = pytest.mark.slow

# What each server writes of a handshake by itself: without the filter these tokens are in its log.
OF_THE_APP = {"refused", "other spelling", "malformed", "handler crashed", "loader crashed"}
LEAKED = {
    "werkzeug": {*OF_THE_APP, "accepted", "no HTTP"},
    "gthread": OF_THE_APP,
    "gunicorn-gevent": OF_THE_APP,
    "pywsgi": {*OF_THE_APP, "accepted", "no HTTP"},
}


def run(server: str, folder: Path, maker: str) -> tuple[dict[str, str], str]:
    """Let handshakes end in every way; return each token's signature, and the log."""
    with running(server, folder, maker) as served:
        seen = handshakes(served.port)
        # What the server says of a request may follow its answer, and the crash is the last.
        until(lambda: "LookupError: no room at" in served.log)
    return seen, served.log


def handshakes(port: int) -> dict[str, str]:
    """Let handshakes end in every way; return the signature of each one's token."""
    with browsers(port) as make:
        alice: Browser = make().log_in("alice")
        seen: dict[str, str] = {}
        for name, path in {
            "accepted": "/any",
            "refused": "/echo",
            "other spelling": "/echo",
            "malformed": "/echo",
            "loader crashed": "/any",
            "no HTTP": "/echo",
            "handler crashed": "/crash",
        }.items():
            grant = alice.preauth(path)
            seen[name] = grant.token.rpartition(".")[2]
            _end(alice, name, alice.attempt(path, grant), grant)
    return seen


def _end(alice: Browser, name: str, attempt: Attempt, grant: Grant) -> None:
    statuses = {"accepted": 101, "handler crashed": 101, "loader crashed": 500, "malformed": 400}
    match name:
        case "refused":
            attempt.put(b"Origin", b"https://evil.example.net")
        case "other spelling":
            attempt.put(b"Origin", b"https://evil.example.net")
            attempt.query = b"wsguard%5Ftoken=" + quote(grant.token).encode()
        case "malformed":
            attempt.drop(b"Sec-WebSocket-Key")
        case "loader crashed":
            attempt.query += b"&boom=1"
        case "no HTTP":
            attempt.protocol = b"HTTP/nine"
    wire = alice.send(attempt)
    if name == "no HTTP":
        wire.rest()
        return
    assert wire.answer().status == statuses.get(name, 403), name
    if name == "accepted":
        assert wire.text() == "alice"
    # gunicorn waits for a peer that stays; what follows a crash is another test's matter.
    wire.close()


@pytest.fixture(autouse=True)
def access_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let gunicorn write one; by itself it writes none."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--access-logfile -")


@pytest.mark.parametrize("name", SERVERS)
def test_no_token_is_in_the_log_of(name: str, tmp_path: Path) -> None:
    """Accepted, refused, malformed, crashed in a loader and in a handler, and no HTTP at all."""
    seen, log = run(name, tmp_path, "make_logged")
    assert {name for name, signature in seen.items() if signature in log} == set()
    assert log.count("[redacted]") >= len(LEAKED[name])
    assert "no room at" in log
    assert "no database for" in log


@pytest.mark.parametrize("name", SERVERS)
def test_without_the_filter_tokens_are_in_the_log_of(name: str, tmp_path: Path) -> None:
    """The control: exactly these, so the test above would notice."""
    seen, log = run(name, tmp_path, "make_leaky")
    assert {name for name, signature in seen.items() if signature in log} == LEAKED[name]


def test_gunicorns_own_formats_stay_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the logger class, a format that names every place of a query, and a debug log."""
    monkeypatch.setenv(
        "GUNICORN_CMD_ARGS",
        "--access-logfile - --logger-class flask_wsguard.ops.logs.GunicornLogger "
        "--log-level debug --access-logformat "
        "'%(r)s|%(q)s|%({raw_uri}e)s|%({query_string}e)s|%({werkzeug.request}e)s'",
    )
    seen, log = run("gthread", tmp_path, "make_logged")
    assert {name for name, signature in seen.items() if signature in log} == set()
    assert log.count("[redacted]") >= 4
