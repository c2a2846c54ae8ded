"""The token as a subprotocol, in each engine and in one that knows ES5 only."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.engines import need
from tests.browser.front import World
from tests.browser.page import connect, wait_for
from tests.browser.test_old_engines import HERE, PHANTOM, flow
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


@pytest.fixture
def carried(visitor: Visitor) -> Visitor:
    """Return alice on a page of the site that takes no token in its URLs."""
    page = visitor.world.https(path="/carried/page")
    visitor.go(page)
    visitor.log_in(site="/carried")
    visitor.go(page)
    return visitor


@pytest.mark.evidence("the token as a subprotocol")
@pytest.mark.parametrize(("protocols", "shown"), [(None, ""), (["chat"], "chat")])
def test_the_token_travels_as_a_subprotocol(
    carried: Visitor, protocols: list[str] | None, shown: str
) -> None:
    """The engine takes the answer, the page sees its own protocol, the URL holds no token."""
    connect(carried, "/carried/echo", carrier="subprotocol", protocols=protocols)
    assert wait_for(carried, "message")["data"] == "ticket alice, session alice"
    asked, opened = carried.decisions()
    assert (asked["reason"], opened["reason"], opened["token"]) == (None, None, None)
    url, protocol = carried.run("return [sockets[0].url, sockets[0].protocol]")
    assert (url, protocol) == (carried.world.wss("/carried/echo"), shown)


def test_the_query_is_refused_where_only_subprotocols_are_taken(carried: Visitor) -> None:
    """The control: the same page with the default carrier does not get in."""
    connect(carried, "/carried/echo", reconnect=False)
    closed: dict[str, Any] = wait_for(carried, "close")
    assert closed["reason"] == "handshake_failed"
    assert carried.decisions()[-1]["reason"] == "token_missing"
    assert 'carrier: "subprotocol"' in carried.decisions()[-1]["detail"]


@pytest.mark.evidence("PhantomJS 2.1.1, the token as a subprotocol")
def test_the_token_travels_as_a_subprotocol_in_phantomjs(world: World) -> None:
    """Twice: with no protocol of the page's, and with one."""
    need([str(path) for path in (PHANTOM,) if not path.exists()])
    told = flow(
        [
            str(PHANTOM),
            str(HERE / "pages" / "phantom_carrier.js"),
            f"http://localhost:{world.http}",
        ],
        OPENSSL_CONF="/dev/null",
    )
    assert "PhantomJS/2.1.1" in told["agent"]
    assert told["heard"] == ["ticket alice, session alice"] * 2
    assert sorted(told["protocols"]) == ["", "chat"]
