"""``flask wsguard check``: a session cookie that browsers drop, or that anybody can plant."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ops.shop import findings, make, said_of

pytestmark = pytest.mark.usefixtures("folder")

SECURE = "SESSION_COOKIE_SECURE = True"
PATH = 'SESSION_COOKIE_PATH = "/"'
DOMAIN = "SESSION_COOKIE_DOMAIN = None, or a name without __Host-"

# the cookie's name, what is changed beside it, the lines to write
DROPPED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("__Host-session", {"SESSION_COOKIE_SECURE": False}, [SECURE]),
    ("__host-session", {"SESSION_COOKIE_SECURE": False}, [SECURE]),
    ("__Secure-session", {"SESSION_COOKIE_SECURE": False}, [SECURE]),
    ("__Host-session", {"SESSION_COOKIE_DOMAIN": "example.org"}, [DOMAIN]),
    ("__Host-session", {"SESSION_COOKIE_PATH": "/shop"}, [PATH]),
    ("__Host-session", {"APPLICATION_ROOT": "/shop"}, [PATH]),
    (
        "__Host-session",
        {
            "SESSION_COOKIE_SECURE": False,
            "SESSION_COOKIE_DOMAIN": "example.org",
            "SESSION_COOKIE_PATH": "/shop",
        },
        [SECURE, DOMAIN, PATH],
    ),
]


@pytest.mark.parametrize(("name", "config", "lines"), DROPPED)
def test_a_cookie_that_browsers_drop_is_an_error(
    name: str, config: dict[str, Any], lines: list[str]
) -> None:
    """Nobody can log in; that it travels over plain http, or can be planted, is no matter then."""
    app = make(SESSION_COOKIE_NAME=name, **config)
    what = f"browsers drop a cookie {name!r} that is not as its prefix demands: no login lasts"
    assert said_of(app) == [("session_cookie_refused", what, "\n".join(lines))]
    assert findings(app) == [("session_cookie_refused", "error")]


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("__Host-session", {"SESSION_COOKIE_PATH": "/", "APPLICATION_ROOT": "/shop"}),
        ("__Secure-session", {"SESSION_COOKIE_DOMAIN": "example.org"}),
        ("__Secure-session", {"SESSION_COOKIE_PATH": "/shop"}),
    ],
)
def test_a_cookie_that_browsers_take_is_no_error(name: str, config: dict[str, Any]) -> None:
    """``__Secure-`` asks for no more than Secure."""
    found = findings(make(SESSION_COOKIE_NAME=name, **config))
    assert ("session_cookie_refused", "error") not in found


# what is changed, the line to write
PLANTABLE: list[tuple[dict[str, Any], str]] = [
    ({}, 'SESSION_COOKIE_NAME = "__Host-session"'),
    (
        {"SESSION_COOKIE_DOMAIN": "example.org"},
        "SESSION_COOKIE_DOMAIN = None, or let nobody else have a host of example.org",
    ),
    ({"SESSION_COOKIE_PATH": "/shop"}, 'SESSION_COOKIE_PATH = "/", then check again'),
    ({"APPLICATION_ROOT": "/shop"}, 'SESSION_COOKIE_PATH = "/", then check again'),
]


@pytest.mark.parametrize(("config", "line"), PLANTABLE)
def test_the_advice_against_planting_breaks_no_login(config: dict[str, Any], line: str) -> None:
    """No ``__Host-`` name where a Domain or a path would make browsers drop it."""
    ((id_, _, write),) = said_of(make(SESSION_COOKIE_NAME="session", **config))
    assert (id_, write) == ("session_plantable", line)


def test_a_plain_cookie_without_secure_is_a_warning() -> None:
    """It works, and listeners read it."""
    app = make(SESSION_COOKIE_NAME="session", SESSION_COOKIE_SECURE=False)
    assert findings(app) == [("session_plantable", "warning"), ("session_not_secure", "warning")]
