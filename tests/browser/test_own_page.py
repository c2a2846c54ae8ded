"""The site's own page always gets in: an honest visitor is refused in no engine."""

from __future__ import annotations

import pytest

from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

FETCH_SITE = {"chromium": None, "firefox": "same-origin", "webkit": "same-origin"}
"""What each engine says of a handshake from the page's own origin."""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_own_page_gets_in(visitor: Visitor, scheme: str) -> None:
    visitor.go(visitor.local("/page") if scheme == "http" else visitor.world.https(path="/page"))
    visitor.log_in()
    saw = visitor.knock(visitor.grant()["url"])
    asked, opened = visitor.world.verdicts()
    assert saw["heard"] == "ticket alice, session alice"
    assert (asked["reason"], opened["reason"]) == (None, None)
    assert asked["fetch_site"] == "same-origin"
    assert opened["fetch_site"] == FETCH_SITE[visitor.name]
