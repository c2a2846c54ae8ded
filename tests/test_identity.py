"""Who is asking: the order of the loaders, and what their answers may be."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Request
from flask_sock import Sock

from flask_wsguard import Identity, WSGuard, current_ticket, ws_protected
from flask_wsguard.ended import digest_of
from flask_wsguard.identity import Loaders

from .sites import SECRET, make_site
from .visitor import ORIGIN, UPGRADE, Visitor


def bearer(request: Request) -> Identity | None:
    """Know the user by ``Authorization: Bearer <name>``."""
    kind, _, name = request.headers.get("Authorization", "").partition(" ")
    return Identity(name, {"name": name}) if kind == "Bearer" and name else None


def by_cookie(request: Request) -> Identity | None:
    """Know the user by a cookie of the site's own, ``sid=<name>.<session>``."""
    name, _, session = request.cookies.get("sid", "").partition(".")
    return Identity(name, None, session or None) if name else None


def site(*loaders: tuple[Any, bool]) -> Flask:
    """Return a site without Flask-Login and these loaders, ``ambient`` beside each."""
    app = Flask("site")
    app.config["SECRET_KEY"] = SECRET
    guard = WSGuard(app)
    for loader, ambient in loaders:
        guard.identity_loader(ambient=ambient)(loader)

    @Sock(app).route("/hello")
    @ws_protected
    def hello(ws: Any) -> None:
        ws.send(f"{current_ticket.user_id} {current_ticket.session!r}")

    return app


def test_bearer_site_connects_and_its_ticket_skips_the_session() -> None:
    """A header cannot travel on a handshake: the ticket says so, signed, and stands alone."""
    visitor = Visitor(site((bearer, False)))
    token = visitor.token("/hello", headers={"Authorization": "Bearer alice"})
    assert visitor.open("/hello", token).messages == ["alice ''"]


def test_bearer_site_without_the_header_is_login_required() -> None:
    """No login page to name: Flask-Login is not there."""
    answer = Visitor(site((bearer, False))).preauth("/hello")
    assert (answer.status_code, answer.json["reason"]) == (401, "login_required")
    assert "login_url" not in answer.json


def test_bearer_loader_is_not_asked_at_the_handshake() -> None:
    """Its credential is not there anyway."""
    asked: list[str] = []

    def loader(request: Request) -> Identity | None:
        asked.append(request.path)
        return bearer(request)

    visitor = Visitor(site((loader, False)))
    token = visitor.token("/hello", headers={"Authorization": "Bearer alice"})
    assert visitor.connect("/hello", token).reason is None
    assert asked == ["/wsguard/preauth"]


def test_bearer_header_on_a_handshake_is_not_believed() -> None:
    """No browser can send it there; the ambient credential alone says whose session it is."""
    visitor = Visitor(site((bearer, False), (by_cookie, True)))
    answer = visitor.preauth("/hello", cookies="sid=alice.one")
    ticket = answer.headers["Set-Cookie"].partition(";")[0]
    outcome = visitor.connect(
        "/hello",
        answer.json["token"],
        headers={"Authorization": "Bearer alice"},
        cookies=f"sid=bob.one; {ticket}",
    )
    assert outcome.reason == "user_changed"
    outcome = visitor.connect(
        "/hello",
        answer.json["token"],
        headers={"Authorization": "Bearer bob"},
        cookies=f"sid=alice.one; {ticket}",
    )
    assert outcome.reason is None


def test_ambient_loader_is_asked_again_at_the_handshake() -> None:
    """The session of the cookie must still be the ticket's."""
    visitor = Visitor(site((by_cookie, True)))
    token = visitor.preauth("/hello", cookies="sid=alice.one")
    ticket = token.headers["Set-Cookie"].partition(";")[0]

    def connect(sid: str) -> Any:
        return visitor.connect("/hello", token.json["token"], cookies=f"{sid}; {ticket}").reason

    assert connect("sid=alice.one") is None
    assert connect("sid=alice.two") == "session_ended"
    assert connect("sid=alice") == "session_ended"
    assert connect("sid=bob.one") == "user_changed"
    assert connect("x=y") == "session_ended"


def test_cookie_of_flask_logins_name_is_any_cookie_to_a_site_without_it() -> None:
    """Nothing is hidden from its loaders: nobody compares it but they."""

    def by_name(asked: Request) -> Identity | None:
        name = asked.cookies.get("remember_token")
        return Identity(name, name) if name else None

    visitor = Visitor(site((by_name, True)))
    answer = visitor.preauth("/hello", cookies="remember_token=x|jos\xc3\xa9")
    assert answer.status_code == 200


def test_loaders_are_asked_in_order_and_flask_login_last() -> None:
    """The first Identity wins."""
    app = make_site()
    guard: WSGuard = app.extensions["test_guard"]
    guard.scopes_loader(lambda user: ())
    assert guard.identity_loader(by_cookie) is by_cookie
    guard.identity_loader(ambient=False)(bearer)
    visitor = Visitor(app)
    visitor.log_in("carol")

    def user(**kwargs: Any) -> Any:
        answer = visitor.preauth("/any", **kwargs)
        cookies = kwargs.get("cookies", visitor.cookie_header("session"))
        ticket = answer.headers["Set-Cookie"].partition(";")[0]
        return visitor.connect("/any", answer.json["token"], cookies=f"{cookies}; {ticket}").ticket

    header = {"Authorization": "Bearer bob"}
    both = f"sid=alice.one; {visitor.cookie_header('session')}"
    assert user(cookies=both, headers=header).user_id == "alice"
    assert user(headers=header).user_id == "bob"
    assert user().user_id == "carol"


def test_loader_that_raises_at_preauth_is_a_500() -> None:
    """Never an open door, never hidden."""
    app = site((lambda request: 1 / 0, True))
    assert Visitor(app).preauth("/hello").status_code == 500


def test_loader_that_raises_at_the_handshake_is_a_500_before_the_upgrade() -> None:
    """No verdict is given, no socket opened, no refusal invented."""
    down: list[bool] = []

    def loader(request: Request) -> Identity | None:
        if down:
            raise ConnectionError("the user database is away")
        return by_cookie(request)

    visitor = Visitor(site((loader, True)))
    visitor.client.set_cookie("sid", "alice.one", domain="example.org")
    token = visitor.token("/hello")
    assert visitor.connect("/hello", token).reason is None
    down.append(True)
    answer = visitor.client.get(
        f"/hello?wsguard_token={token}", base_url=ORIGIN, headers={**UPGRADE, "Origin": ORIGIN}
    )
    assert answer.status_code == 500
    assert "hands no socket" not in answer.text
    visitor.app.testing = True
    with pytest.raises(ConnectionError):
        visitor.connect("/hello", token)


@pytest.mark.parametrize(
    "rubbish",
    ["alice", True, 5, ("alice", None), {"id": "alice"}, Identity("", None),
     Identity(7, None), Identity(None, None), Identity("7", None, 7)],  # type: ignore[arg-type]
    ids=["str", "true", "number", "tuple", "dict", "empty-id", "number-id", "no-id", "session"],
)  # fmt: skip
def test_loader_that_returns_rubbish_is_a_clear_error(rubbish: Any) -> None:
    """What is not an Identity with an id is the developer's error."""
    app = site((lambda request: rubbish, True))
    app.testing = True
    with pytest.raises(TypeError, match="an identity_loader returns Identity"):
        Visitor(app).preauth("/hello")


def test_falsy_rubbish_is_rubbish_too() -> None:
    """Only None means nobody: an empty str, False or 0 is a bug that must not pass as a no."""
    for rubbish in ("", False, 0, [], {}):
        app = site((lambda request, answer=rubbish: answer, True))
        app.testing = True
        with pytest.raises(TypeError, match="or None, not"):
            Visitor(app).preauth("/hello")


def test_ended_session_of_a_custom_loader_is_its_own_business() -> None:
    """The record knows nonces that our login hook wrote; a loader's own names are compared too."""
    app = site((by_cookie, True))
    visitor = Visitor(app)
    state = app.extensions["wsguard"]
    state.ended.add(digest_of("one"))
    answer = visitor.preauth("/hello", cookies="sid=alice.one")
    assert answer.json["reason"] == "session_ended"
    assert visitor.preauth("/hello", cookies="sid=alice.two").status_code == 200


def test_bearer_tickets_are_counted_apart_from_those_of_a_login() -> None:
    """The cap counts the tickets of the credential that asks."""
    app = make_site(WSGUARD_MAX_PENDING_TICKETS=1)
    app.extensions["test_guard"].identity_loader(ambient=False)(bearer)
    app.extensions["test_guard"].scopes_loader(lambda user: ())
    visitor = Visitor(app)
    visitor.log_in("carol")
    header = {"Authorization": "Bearer carol"}
    mine = visitor.token("/any")
    first = visitor.token("/any", headers=header)
    assert visitor.connect("/any", mine).reason is None
    second = visitor.token("/any", headers=header)
    reasons = [visitor.connect("/any", token).reason for token in (mine, first, second)]
    assert reasons == [None, "ticket_missing", None]


def test_loaders_know_whether_any_is_ambient() -> None:
    """Only then must the handshake ask."""
    loaders = Loaders()
    assert not loaders.has_ambient
    loaders.add(bearer, ambient=False, reload=None)
    assert not loaders.has_ambient
    loaders.add(by_cookie, ambient=True, reload=None)
    assert loaders.has_ambient


@pytest.mark.parametrize(
    ("options", "asked"), [({}, True), ({"ambient": True}, True), ({"ambient": False}, False)]
)
def test_loader_is_ambient_unless_it_says_otherwise(options: dict[str, bool], asked: bool) -> None:
    """Who forgets to say it is asked at the handshake too: once more, not once too few."""
    app = Flask("site")
    app.config["SECRET_KEY"] = SECRET
    WSGuard(app).identity_loader(**options)(by_cookie)
    assert app.extensions["wsguard"].site.loaders.has_ambient is asked


def test_user_loader_of_flask_login_that_knows_nobody_is_login_required() -> None:
    """A session of a user who was deleted gets no ticket."""
    app = make_site()
    visitor = Visitor(app)
    visitor.log_in("alice")
    app.login_manager.user_loader(lambda user_id: None)  # type: ignore[attr-defined]
    assert visitor.preauth().json["reason"] == "login_required"


def test_user_id_is_what_flask_login_says() -> None:
    """``get_id``, or what the site put in its place, as text."""
    app = make_site()

    class Numbered:
        is_authenticated = True
        id = "ignored"

        def get_id(self) -> int:
            return 7

    visitor = Visitor(app)
    visitor.log_in("alice")
    app.login_manager.user_loader(lambda user_id: Numbered())  # type: ignore[attr-defined]
    answer = visitor.preauth("/any")
    assert answer.status_code == 200
    outcome = visitor.connect("/any", answer.json["token"])
    assert outcome.reason == "user_changed"  # the session still says alice
