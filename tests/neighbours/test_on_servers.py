"""Examples whose point needs a real server: pools, a real Redis."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stores.redis_server import redis_running
from tests.wire import Wire, browsers

from .examples import serving
from .pages import LOG_IN, page

pytestmark = pytest.mark.slow


def test_flask_sqlalchemy_five_open_sockets_hold_no_connection(tmp_path: Path) -> None:
    """A pool of two serves five sockets, again and again, and the pages beside them."""
    database = f"sqlite:///{tmp_path / 'site.db'}"
    with (
        serving("with_flask_sqlalchemy", tmp_path / "log", DATABASE_URI=database) as port,
        browsers(port) as make,
    ):
        alice = make().log_in("alice")
        wires: list[Wire] = []
        for _ in range(5):
            wires.append(alice.open("/inbox"))
            assert wires[-1].text() == "1"
        assert alice.fetch("GET", "/pool").json == {"in_use": 0}
        assert [wire.say("again") for wire in wires] == ["1"] * 5
        assert alice.fetch("GET", "/pool").json == {"in_use": 0}
        assert alice.fetch("POST", "/login/alice").status == 200


def test_flask_session_on_redis_logout_closes_the_socket_and_ends_the_session(
    tmp_path: Path,
) -> None:
    """4401 on the socket; the old session cookie opens nothing, for Redis has forgotten it."""
    with (
        redis_running() as redis,
        serving("with_flask_session", tmp_path / "log", REDIS_URL=redis.tcp_uri) as port,
        browsers(port) as make,
    ):
        alice = make().log_in("alice")
        old = alice.jar["session"]
        wire = alice.open("/updates")
        assert wire.text() == "hello"
        before = redis.ask("GET", f"session:{old}")
        assert isinstance(before, bytes)
        alice.preauth("/updates")
        assert redis.ask("GET", f"session:{old}") == before
        alice.log_out()
        assert wire.closing() == (4401, "session_ended")
        thief = make()
        thief._jar["session"] = (old, float("inf"))
        assert thief.ask("/updates").json["reason"] == "login_required"


def test_flask_limiter_client_waits_as_long_as_retry_after_says(tmp_path: Path) -> None:
    """Ten sockets open, the eleventh is told 429: the client backs off, and not too shortly."""
    code = """
    function run() {
      var sockets = [];
      for (var i = 0; i < 11; i++) {
        sockets[i] = new WSGuard('/updates', { minDelay: 1, maxDelay: 1 });
        sockets[i].addEventListener('reconnecting', function (event) {
          tell(event.reason, event.delay);
        });
      }
    }
    """
    with (
        serving("with_flask_limiter", tmp_path / "log") as port,
        page(f"http://localhost:{port}/page", code + LOG_IN) as visit,
    ):
        reason, delay = visit.heard()
    assert reason == "rate_limited"
    assert 1000 <= delay <= 60_000
