"""The first ten minutes: each mistake ends in one sentence that says what to do."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_sock import Sock

from flask_wsguard import ConfigError, WSGuard, ws_protected
from flask_wsguard.servers import ONE_SOCKET, advice
from flask_wsguard.testing import Accepted, connect, handshake
from tests.ops.commands import run
from tests.sites import make_site
from tests.visitor import UPGRADE, Visitor

OPTIONS = {"ping_interval": 25, "max_message_size": 65536}


def asked(base: str, origin: str, **config: Any) -> dict[str, Any]:
    """Return what preauth tells alice's page of ``origin`` at a site served at ``base``."""
    visitor = Visitor(make_site(**config), base=base, origin=origin)
    visitor.log_in("alice")
    answer: dict[str, Any] = visitor.preauth().json
    return answer


# what happened, where the site is, whose page, reason, the mending words
PLACES: list[tuple[str, str, str, str, str]] = [
    (
        "opened-by-lan-address",
        "http://192.168.1.7:5000",
        "http://192.168.1.7:5000",
        "insecure_transport",
        "on a trusted network set WSGUARD_ALLOW_INSECURE_TRANSPORT = True, and TRUSTED_HOSTS to "
        "the names by which the site is opened",
    ),
    (
        "localhost-and-127.0.0.1",
        "http://127.0.0.1:5000",
        "http://localhost:5000",
        "origin_not_allowed",
        "localhost and 127.0.0.1 are two origins: use one name in both places",
    ),
    (
        "vite-with-changeorigin",
        "http://localhost:5000",
        "http://localhost:5173",
        "origin_not_allowed",
        "list its origin in WSGUARD_ALLOWED_ORIGINS",
    ),
    (
        "tls-proxy-without-proxyfix",
        "http://example.org",
        "https://example.org",
        "insecure_transport",
        "apply werkzeug's ProxyFix(x_proto=1, x_host=1)",
    ),
]


@pytest.mark.parametrize(
    ("base", "origin", "reason", "mends"), [row[1:] for row in PLACES], ids=[r[0] for r in PLACES]
)
def test_the_wrong_place_is_told_to_the_page(
    base: str, origin: str, reason: str, mends: str
) -> None:
    """Preauth is where the page can read the reason, and its developer the remedy."""
    answer = asked(base, origin)
    assert answer["reason"] == reason
    assert mends in answer["detail"]


@pytest.mark.parametrize(
    ("base", "origin", "config"),
    [
        ("http://localhost:5173", "http://localhost:5173", {}),
        (
            "http://localhost:5000",
            "http://localhost:5173",
            {"WSGUARD_ALLOWED_ORIGINS": ["self", "http://localhost:5173"]},
        ),
        (
            "http://192.168.1.7:5000",
            "http://192.168.1.7:5000",
            {"WSGUARD_ALLOW_INSECURE_TRANSPORT": True, "TRUSTED_HOSTS": ["192.168.1.7"]},
        ),
    ],
    ids=["vite-that-keeps-host", "vite-listed", "lan-allowed"],
)
def test_what_the_sentence_says_mends_it(base: str, origin: str, config: dict[str, Any]) -> None:
    """The controls: the same pages, one line later."""
    assert "token" in asked(base, origin, **config)


def test_half_of_what_the_sentence_says_is_refused_at_the_start() -> None:
    """Whoever sets the switch alone trusts whatever Host says, so the sentence names both."""
    with pytest.raises(ConfigError, match="set TRUSTED_HOSTS"):
        make_site(WSGUARD_ALLOW_INSECURE_TRANSPORT=True)


def test_gunicorn_sync() -> None:
    """One socket and then silence: the log says which worker class to take."""
    assert list(advice({"gunicorn.socket": 1}, OPTIONS, None, ("query",))) == [ONE_SOCKET]
    assert "start it with --worker-class gthread --threads 100, or gevent" in ONE_SOCKET


def test_the_mark_above_the_route() -> None:
    """It would protect nothing, so it is an error where it is written."""
    sock = Sock(Flask("site"))
    with pytest.raises(TypeError, match=r"it goes below @sock\.route\(\.\.\.\)"):

        @ws_protected
        @sock.route("/echo")
        def echo(ws: Any) -> None: ...


def test_a_forgotten_mark(caplog: pytest.LogCaptureFixture) -> None:
    """The log line names the view and what to write."""
    assert Visitor(make_site()).connect("/forgotten").reason == "unguarded_route"
    assert "make_site.<locals>.forgotten" in caplog.text
    assert "Put @ws_protected or @ws_public directly below @sock.route(...)." in caplog.text


def test_no_secret_key() -> None:
    """The message holds the command that makes one."""
    with pytest.raises(ValueError, match=r'python -c "import secrets; print\(secrets.token_hex'):
        WSGuard(Flask("site"))


def test_no_login() -> None:
    """A guard without a way to know its user says how to give it one."""
    app = Flask("site")
    app.secret_key = "k" * 32
    WSGuard(app)
    sock = Sock(app)

    @sock.route("/echo")
    @ws_protected
    def echo(ws: Any) -> None: ...

    app.testing = True
    with pytest.raises(ValueError, match=r"call LoginManager\(\)\.init_app\(app\)"):
        Visitor(app).preauth("/echo")


def test_curl_gets_no_socket_without_a_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log says that preauth comes first; ``flask wsguard ticket`` prints what works."""
    outcome = Visitor(make_site()).connect("/echo")
    assert outcome.reason is not None
    assert "POST to preauth first" in outcome.reason.remedy
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert run(make_site(), "ticket", "--user", "alice", "--path", "/echo")[0] == 0


def test_a_unit_test_of_a_socket_route(caplog: pytest.LogCaptureFixture) -> None:
    """The test client opens no socket, and answer and log say what does; it works, and quietly."""
    client = make_site().test_client()
    answer = client.get("/ticker", headers={**UPGRADE, "Origin": "http://localhost"})
    for told in (answer.text, caplog.text):
        assert "In tests open this route with flask_wsguard.testing.connect(client, path)" in told
    caplog.clear()
    with connect(client, "/ticker") as socket:
        assert socket.receive() == "public None False"
    assert handshake(client, "/ticker") == Accepted(None, frozenset())
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
