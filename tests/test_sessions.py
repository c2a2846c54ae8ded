"""Whose session: each sentence of the design, and the counterexamples that need no open socket."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from cachelib.simple import SimpleCache
from flask import Flask, Request, abort, copy_current_request_context, request, session
from flask_login import current_user, login_fresh, login_user, logout_user
from flask_session import Session as FlaskSession
from flask_session.cachelib import CacheLibSessionInterface
from flask_sock import Sock

from flask_wsguard import Identity, signals, ws_protected
from flask_wsguard.core.tickets import read_ticket

from .sites import User, make_control, make_site
from .visitor import ORIGIN, UPGRADE, Clock, Visitor

NONCE = re.compile(r"[A-Za-z0-9_-]{22}")


def content(visitor: Visitor) -> dict[str, Any]:
    """Return what the session cookie in a visitor's jar holds."""
    return opened(visitor.app, visitor.cookies()["session"])


def opened(app: Flask, cookie: str) -> dict[str, Any]:
    """Return what a session cookie holds."""
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    return dict(serializer.loads(cookie))


def sealed(app: Flask, **fields: Any) -> str:
    """Return a session cookie that this site signed, with these fields."""
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    return str(serializer.dumps(fields))


def logged_in(app: Flask, user: str = "alice", **query: str) -> Visitor:
    visitor = Visitor(app)
    visitor.log_in(user, **query)
    return visitor


@pytest.fixture
def app() -> Flask:
    return make_site()


# The nonce: written at login only, popped at logout.


def test_login_writes_a_nonce_of_128_bits(app: Flask) -> None:
    """22 letters of base64 carry 128 random bits, and no two logins share them."""
    one, two = content(logged_in(app)), content(logged_in(app))
    assert NONCE.fullmatch(one["_wsguard"])
    assert NONCE.fullmatch(two["_wsguard"])
    assert one["_wsguard"] != two["_wsguard"]


def test_nothing_but_login_writes_the_nonce(app: Flask) -> None:
    """Pages, preauth and handshakes leave the nonce as login wrote it."""
    alice = logged_in(app)
    nonce = content(alice)["_wsguard"]
    alice.client.get("/", base_url=ORIGIN)
    alice.connect("/echo", alice.token())
    assert content(alice)["_wsguard"] == nonce


def test_preauth_of_an_old_session_writes_no_nonce(app: Flask) -> None:
    """A login older than the extension has no nonce, and preauth gives it none."""
    old = Visitor(app)
    cookies = f"session={sealed(app, _user_id='alice')}"
    answer = old.preauth(cookies=cookies)
    assert answer.status_code == 200
    assert "session" not in old.cookies()


def test_two_first_preauths_of_an_old_session_are_both_usable(app: Flask) -> None:
    """Without a nonce the fingerprint is per user, so nobody has to win a race."""
    page = Visitor(app)
    page.client.set_cookie("session", sealed(app, _user_id="alice"), domain="example.org")
    first, second = page.token("/echo"), page.token("/any")
    assert page.connect("/echo", first).reason is None
    assert page.connect("/any", second).reason is None


def test_logout_pops_the_nonce(app: Flask) -> None:
    """What is left of the session names no login."""
    alice = logged_in(app)
    alice.log_out()
    left = content(alice) if "session" in alice.cookies() else {}
    assert not {"_wsguard", "_user_id"} & set(left)


def test_logout_of_an_old_session_ends_it_without_a_nonce(app: Flask) -> None:
    """There is nothing to record; the browser's unspent tickets are dropped all the same."""
    page = Visitor(app)
    page.client.set_cookie("session", sealed(app, _user_id="alice"), domain="example.org")
    page.token()
    assert page.log_out().status_code == 200
    assert not [name for name in page.cookies() if name.startswith("__Host-Http-")]


def test_second_login_ends_the_first(app: Flask) -> None:
    """The same browser logs in again: the first login's tickets and cookie are worth nothing."""
    alice = logged_in(app)
    token, old = alice.token(), alice.cookie_header()
    alice.log_in("alice")
    assert alice.preauth(cookies=old).json["reason"] == "session_ended"
    assert alice.connect(token=token, cookies=old).reason == "session_ended"


def test_second_login_gets_a_nonce_of_its_own(app: Flask) -> None:
    """The old nonce is on record as ended: the new login must not inherit it."""
    alice = logged_in(app)
    first = content(alice)["_wsguard"]
    alice.log_in("alice")
    assert content(alice)["_wsguard"] != first
    assert alice.connect(token=alice.token()).reason is None


def test_second_login_as_another_user_ends_the_first(app: Flask) -> None:
    """A switch of user without logout ends the old login too."""
    alice = logged_in(app)
    token, old = alice.token(), alice.cookie_header()
    alice.log_in("bob")
    assert alice.preauth(cookies=old).json["reason"] == "session_ended"
    assert alice.connect(token=token, cookies=old).reason == "session_ended"


def test_other_browsers_of_the_user_are_left_alone_by_login_and_logout(app: Flask) -> None:
    """A session is one browser's: phone and laptop end apart."""
    laptop, phone = logged_in(app), logged_in(app)
    token = phone.token()
    laptop.log_out()
    assert phone.connect(token=token).reason is None


# At the handshake: the session must still be the ticket's.


def test_session_of_the_ticket_connects(app: Flask) -> None:
    """The honest case."""
    alice = logged_in(app)
    assert alice.connect(token=alice.token()).reason is None


def test_logout_between_preauth_and_connect_is_session_ended(app: Flask) -> None:
    """The browser has dropped the session; the ticket alone opens nothing."""
    alice = logged_in(app)
    token, ticket = alice.token(), alice.cookie_header()
    ticket = "; ".join(part for part in ticket.split("; ") if part.startswith("__Host-Http-"))
    alice.log_out()
    assert alice.connect(token=token, cookies=ticket).reason == "session_ended"


def test_login_behind_a_cleared_session_ends_the_login_before(app: Flask) -> None:
    """Many sites clear the session against fixation: the cookie still says what it replaces."""

    @app.post("/fresh/<user_id>")
    def fresh(user_id: str) -> str:
        session.clear()
        login_user(User(user_id))
        return "in"

    alice = logged_in(app)
    old = alice.cookie_header()
    assert alice.client.post("/fresh/bob", base_url=ORIGIN).status_code == 200
    assert alice.preauth(cookies=old).json["reason"] == "session_ended"


def test_logout_behind_a_cleared_session_ends_it_all_the_same(app: Flask) -> None:
    """The order that the manual warns of costs nothing but the user's own page."""

    @app.post("/clear")
    def clear() -> str:
        session.clear()
        logout_user()
        return "out"

    alice = logged_in(app)
    old = alice.cookie_header()
    assert alice.client.post("/clear", base_url=ORIGIN).status_code == 200
    assert alice.preauth(cookies=old).json["reason"] == "session_ended"


def test_two_logins_in_one_request_end_each_other(app: Flask) -> None:
    """The first of them has no cookie yet; its nonce ends all the same."""
    nonces: list[str] = []

    @app.post("/twice")
    def twice() -> str:
        for _ in range(2):
            login_user(User("alice"))
            nonces.append(session["_wsguard"])
        return "in"

    Visitor(app).client.post("/twice", base_url=ORIGIN)
    state = app.extensions["wsguard"]
    assert [state.ended.holds(nonce) for nonce in nonces] == [True, False]


def test_logout_as_nobody_without_an_id_is_no_fault(app: Flask) -> None:
    """A site's own class for nobody need not have an id."""

    class Nobody:
        is_authenticated = is_active = False
        is_anonymous = True

    app.login_manager.anonymous_user = Nobody  # type: ignore[attr-defined]
    assert Visitor(app).log_out().status_code == 200


def test_login_of_another_user_between_is_user_changed(app: Flask) -> None:
    """The ticket is alice's, the browser is bob's by now."""
    alice, bob = logged_in(app), logged_in(app, "bob")
    token = alice.token()
    tickets = [name for name in alice.cookies() if name.startswith("__Host-Http-")]
    mixed = f"{alice.cookie_header(*tickets)}; {bob.cookie_header('session')}"
    assert alice.connect(token=token, cookies=mixed).reason == "user_changed"


def test_another_login_of_the_same_user_is_session_ended(app: Flask) -> None:
    """Same user, other nonce: tickets do not live on across logins."""
    first, second = logged_in(app), logged_in(app)
    token = first.token()
    tickets = [name for name in first.cookies() if name.startswith("__Host-Http-")]
    mixed = f"{first.cookie_header(*tickets)}; {second.cookie_header('session')}"
    assert first.connect(token=token, cookies=mixed).reason == "session_ended"


def test_session_check_off_is_the_control() -> None:
    """Without the session compare a ticket outlives logout, user switch and new login."""
    app = make_site(WSGUARD_RECHECK_SESSION=False)
    alice, bob = logged_in(app), logged_in(app, "bob")
    token = alice.token()
    tickets = [name for name in alice.cookies() if name.startswith("__Host-Http-")]
    only = alice.cookie_header(*tickets)
    alice.log_out()
    assert alice.connect(token=token, cookies=only).reason is None
    mixed = f"{only}; {bob.cookie_header('session')}"
    assert alice.connect(token=token, cookies=mixed).reason is None


def test_ticket_without_nonce_never_matches_a_session_with_one(app: Flask) -> None:
    """A ticket of an old login is of no use beside a new one, nor the reverse."""
    old = f"session={sealed(app, _user_id='alice')}"
    visitor = logged_in(app)
    new = visitor.cookie_header("session")
    for asking, connecting in ((old, new), (new, old)):
        answer = visitor.preauth(cookies=asking)
        ticket = answer.headers["Set-Cookie"].partition(";")[0]
        outcome = visitor.connect(token=answer.json["token"], cookies=f"{ticket}; {connecting}")
        assert outcome.reason == "session_ended"


@pytest.mark.parametrize("kind", [str, int], ids=["str", "int"])
def test_user_ids_are_compared_as_text(app: Flask, kind: type) -> None:
    """A site may keep a number in its session; tickets carry text."""
    visitor = Visitor(app)
    cookies = f"session={sealed(app, _user_id=kind(7), _wsguard='n' * 22)}"
    answer = visitor.preauth("/any", cookies=cookies)
    ticket = answer.headers["Set-Cookie"].partition(";")[0]
    outcome = visitor.connect("/any", answer.json["token"], cookies=f"{ticket}; {cookies}")
    assert outcome.reason is None


def test_nonce_that_is_no_text_counts_as_none(app: Flask) -> None:
    """Whatever else a site keeps under the key, nobody trips over it."""
    visitor = Visitor(app)
    cookies = f"session={sealed(app, _user_id='alice', _wsguard=[1])}"
    answer = visitor.preauth("/any", cookies=cookies)
    ticket = answer.headers["Set-Cookie"].partition(";")[0]
    outcome = visitor.connect("/any", answer.json["token"], cookies=f"{ticket}; {cookies}")
    assert outcome.reason is None


def test_handshake_loads_no_user(app: Flask) -> None:
    """Loading costs time and, with a database, a connection for the life of the socket."""
    alice = logged_in(app)
    token = alice.token()
    loaded: list[str] = []
    app.login_manager.user_loader(loaded.append)  # type: ignore[attr-defined]
    assert alice.connect(token=token).reason is None
    assert loaded == []


def test_id_of_any_text_is_granted(app: Flask) -> None:
    """A site's ids are its own; half of a surrogate pair is no UTF-8, and no reason to raise."""
    app.extensions["test_guard"].identity_loader(lambda _: Identity("\ud800", User("odd")))
    visitor = Visitor(app)
    assert visitor.connect("/any", visitor.token("/any")).ticket.user_id == "\ud800"


# Remember-me: the session names nobody, the loader is asked.


def remembered(app: Flask) -> Visitor:
    """Return a visitor whose session is gone and whose remember-me cookie is not."""
    visitor = logged_in(app, remember="1")
    visitor.client.delete_cookie("session", domain="example.org")
    assert set(visitor.cookies()) == {"remember_token"}
    return visitor


def test_remembered_user_connects_without_a_nonce(app: Flask) -> None:
    """Where the session names nobody, Flask-Login's own cookie says who it is."""
    visitor = remembered(app)
    outcome = visitor.connect(token=visitor.token())
    assert outcome.reason is None
    assert outcome.ticket.user_id == "alice"


def test_remembered_user_who_logged_out_is_session_ended(app: Flask) -> None:
    """The remember-me cookie is gone as well, so nobody is there."""
    visitor = remembered(app)
    token = visitor.token()
    tickets = [name for name in visitor.cookies() if name.startswith("__Host-Http-")]
    only = visitor.cookie_header(*tickets)
    assert visitor.connect(token=token, cookies=only).reason == "session_ended"


def test_remembered_user_who_is_another_now_is_user_changed(app: Flask) -> None:
    """The loader's answer is compared like the session's."""
    alice = remembered(app)
    token = alice.token()
    tickets = [name for name in alice.cookies() if name.startswith("__Host-Http-")]
    bob = logged_in(app, "bob", remember="1").cookie_header("remember_token")
    mixed = f"{alice.cookie_header(*tickets)}; {bob}"
    assert alice.connect(token=token, cookies=mixed).reason == "user_changed"


# A site that logs in by itself, behind a proxy that says who asks.

PROXY = {"X-Remote-User": "alice"}


def log_in_whom_the_proxy_names(asked: Request) -> User | None:
    if name := asked.headers.get("X-Remote-User"):
        login_user(User(name))
        return User(name)
    return None


def let_a_loader_log_in(app: Flask, loader: str) -> None:
    """Let the site know its user by a loader of this kind, which logs in whom the proxy names."""
    if loader == "request_loader":
        app.login_manager.request_loader(log_in_whom_the_proxy_names)  # type: ignore[attr-defined]
        return

    @app.extensions["test_guard"].identity_loader
    def identity(asked: Request) -> Identity | None:
        user = log_in_whom_the_proxy_names(asked)
        return user and Identity(user.id, user, session.get("_wsguard"))


@pytest.mark.parametrize("saved", [False, True], ids=["no-session", "session"])
@pytest.mark.parametrize("loader", ["request_loader", "identity_loader"])
def test_loader_that_logs_in_is_granted_and_connects(app: Flask, loader: str, saved: bool) -> None:
    """A login at a handshake, as at preauth, reaches no browser, and so ends nobody's session."""
    let_a_loader_log_in(app, loader)
    visitor = logged_in(app) if saved else Visitor(app)
    for _ in range(2):
        token = visitor.token(headers=PROXY)
        assert visitor.connect(token=token, headers=PROXY).reason is None


@pytest.mark.parametrize("saved", [False, True], ids=["no-session", "session"])
@pytest.mark.parametrize("loader", ["request_loader", "identity_loader"])
def test_loader_that_logs_in_passes_a_handshake_verified_by_hand(
    app: Flask, loader: str, saved: bool
) -> None:
    """Nor does a login there, whose answer is the site's own and carries the session."""
    let_a_loader_log_in(app, loader)
    guard = app.extensions["test_guard"]
    guard.protect_path("/by-hand")
    app.add_url_rule("/by-hand", view_func=lambda: guard.verify_handshake().user_id)
    visitor = logged_in(app) if saved else Visitor(app)
    for _ in range(2):
        answer = visitor.client.get(
            "/by-hand",
            base_url=ORIGIN,
            query_string={"wsguard_token": visitor.token("/by-hand", headers=PROXY)},
            headers={"Origin": ORIGIN, **PROXY},
        )
        assert (answer.status_code, answer.text) == (200, "alice")
        assert answer.headers.get("Set-Cookie") is None


def test_what_copies_the_context_of_preauth_keeps_the_session(app: Flask) -> None:
    """A thread that notes who was granted what reads it when the answer has gone."""
    later: list[Callable[[], Any]] = []

    def hear(sender: Flask, **_: Any) -> None:
        later.append(copy_current_request_context(lambda: session.get("_user_id")))

    with signals.preauth_granted.connected_to(hear, app):
        logged_in(app).token("/any")
    assert later[0]() == "alice"


def test_session_that_another_browser_shows_is_stale_behind_a_handshake_verified_by_hand(
    app: Flask,
) -> None:
    """Flask-Login looks once in a request: what it found for the guard must not stand for more."""
    guard = app.extensions["test_guard"]
    guard.protect_path("/by-hand")
    guard.identity_loader(
        lambda asked: Identity("alice", User("alice")) if current_user.is_authenticated else None
    )
    seen: list[bool] = []

    @app.get("/by-hand")
    def by_hand() -> str:
        try:
            guard.verify_handshake()
        finally:
            seen.append(current_user.is_authenticated and login_fresh())
        return "in"

    alice = logged_in(app)
    for browser in ({}, {"User-Agent": "a thief's"}):
        alice.client.get(
            "/by-hand",
            base_url=ORIGIN,
            query_string={"wsguard_token": alice.token("/by-hand")},
            headers={"Origin": ORIGIN, **browser},
        )
    assert seen == [True, False]


def test_user_and_session_of_a_view_stay_the_same_behind_a_handshake_verified_by_hand(
    app: Flask,
) -> None:
    """Whom the view asked for before; a loader that logs in somebody else is the guard's alone."""
    let_a_loader_log_in(app, "identity_loader")
    guard = app.extensions["test_guard"]
    guard.protect_path("/by-hand")
    seen: list[bool] = []

    @app.get("/by-hand")
    def by_hand() -> str:
        before = current_user._get_current_object()
        ticket = guard.verify_handshake()
        seen.append(current_user._get_current_object() is before)
        session["noted"] = True
        return f"{ticket.user_id} {current_user.id}"

    bob = logged_in(app, "bob")
    token = bob.token("/by-hand", headers=PROXY)
    answer = bob.client.get(
        "/by-hand",
        base_url=ORIGIN,
        query_string={"wsguard_token": token},
        headers={"Origin": ORIGIN, **PROXY},
    )
    assert (answer.text, seen) == ("alice bob", [True])
    assert content(bob)["noted"], "the session is the site's own again"


def test_our_script_ends_no_session_of_a_site_that_logs_in_at_each_request(app: Flask) -> None:
    """The answer with the script carries no session: the browser keeps the nonce that it has."""

    @app.before_request
    def log_in() -> None:
        log_in_whom_the_proxy_names(request)

    visitor = Visitor(app)
    visitor.client.get("/", base_url=ORIGIN, headers=PROXY)
    path = "/wsguard/static/wsguard.js"
    with visitor.client.get(path, base_url=ORIGIN, headers=PROXY) as script:
        assert (script.status_code, script.headers.get("Set-Cookie")) == (200, None)
    token = visitor.token(headers=PROXY)
    assert visitor.connect(token=token, headers=PROXY).reason is None


# Several session cookies.


def planted(app: Flask, first: str, second: str) -> dict[str, str]:
    """Return outcomes of preauth and connect for an honest session and these cookies."""
    honest = logged_in(app)
    values = {
        "honest": honest.cookies()["session"],
        "bobs": logged_in(app, "bob").cookies()["session"],
        "other login": logged_in(app).cookies()["session"],
        "anonymous": sealed(app, csrf_token="x"),
        "garbage": "garbage",
        "moved": sealed(app, **content(honest), seen=1),
        "without nonce": sealed(app, _user_id="alice"),
    }
    header = f"session={values[first]}; session={values[second]}"
    answer = honest.preauth(cookies=header)
    token = honest.token()
    tickets = [name for name in honest.cookies() if name.startswith("__Host-Http-")]
    outcome = honest.connect(token=token, cookies=f"{header}; {honest.cookie_header(*tickets)}")
    return {
        "preauth": "granted" if answer.status_code == 200 else answer.json["reason"],
        "connect": str(outcome.reason or "accepted"),
    }


SEVERAL = [
    ("honest", "honest", "granted", "accepted"),
    ("honest", "moved", "granted", "accepted"),
    ("moved", "honest", "granted", "accepted"),
    ("honest", "garbage", "granted", "accepted"),
    ("honest", "anonymous", "granted", "accepted"),
    ("bobs", "honest", "user_changed", "user_changed"),
    ("honest", "bobs", "user_changed", "user_changed"),
    ("other login", "honest", "user_changed", "user_changed"),
    ("honest", "other login", "user_changed", "user_changed"),
    ("without nonce", "honest", "user_changed", "user_changed"),
    ("garbage", "honest", "user_changed", "user_changed"),
    ("anonymous", "honest", "user_changed", "user_changed"),
    ("garbage", "anonymous", "login_required", "session_ended"),
    ("bobs", "bobs", "granted", "user_changed"),
]


@pytest.mark.parametrize(
    ("first", "second", "preauth", "connect"), SEVERAL, ids=[f"{r[0]}-then-{r[1]}" for r in SEVERAL]
)
def test_several_session_cookies(
    app: Flask, first: str, second: str, preauth: str, connect: str
) -> None:
    """Those that verify and disagree are nobody's; those that agree are one login's."""
    assert planted(app, first, second) == {"preauth": preauth, "connect": connect}


def test_session_planted_at_the_preauth_path_mints_no_ticket(app: Flask) -> None:
    """A sibling's ``session=...; Domain=...; Path=/wsguard`` is sent first, at preauth alone."""
    alice, mallory = logged_in(app), logged_in(app, "mallory")
    mallorys = mallory.cookie_header("session")
    answer = alice.preauth("/any", cookies=f"{mallorys}; {alice.cookie_header('session')}")
    assert (answer.status_code, answer.json["reason"]) == (403, "user_changed")
    assert "Set-Cookie" not in answer.headers
    # The control: were it her only session cookie, she would be given mallory's ticket.
    assert alice.preauth("/any", cookies=mallorys).status_code == 200


def test_session_planted_at_the_sockets_path_connects_nobody(app: Flask) -> None:
    """A sibling's ``Path=/any`` is sent first with the handshake alone."""
    alice, mallory = logged_in(app), logged_in(app, "mallory")
    token = alice.token("/any")
    planted = f"{mallory.cookie_header('session')}; {alice.cookie_header()}"
    outcome = alice.connect("/any", token, cookies=planted)
    assert (outcome.reason, outcome.detail) == ("user_changed", "several session cookies disagree")


def test_planted_session_and_planted_ticket_connect_nobody(app: Flask) -> None:
    """Mallory plants her session and her ticket, and lures the page with her own token."""
    alice, mallory = logged_in(app), logged_in(app, "mallory")
    token = mallory.token("/any")
    planted = f"{mallory.cookie_header()}; {alice.cookie_header()}"
    assert alice.connect("/any", token, cookies=planted).reason == "user_changed"


@pytest.mark.parametrize("planted", ["session=\xfb", "session2=\xfb", "sessions", "x=session\xe9"])
def test_planted_bytes_that_are_no_text_lock_nobody_out(app: Flask, planted: str) -> None:
    """A sibling's cookie of foreign bytes is no exception, and no session either."""
    alice = Visitor(app)
    alice.log_in("alice")
    cookies = f"{alice.cookie_header()}; {planted}"
    answer = alice.preauth("/any", cookies=cookies)
    assert answer.status_code == 200
    assert alice.log_in("alice").status_code == 200
    token = alice.token("/any")
    cookies = f"{alice.cookie_header()}; {planted}"
    assert alice.connect("/any", token, cookies=cookies).reason is None


# Cookies that hide others, and remember-me cookies.

HIDING = {
    "around-the-session": 'remember_token={bob}; a="; session={alice}; b="',
    "in-front-of-both": 'a="; remember_token={bob}; session={alice}; b="',
    "around-one-of-two": 'a="; session={alice}; b="; session={bobs}',
    "around-the-remembered": 'remember_token={bob}; a="; remember_token={remembered}; b="',
    "first-remembered": "remember_token={bob}; remember_token={remembered}",
    "second-remembered": "remember_token={remembered}; remember_token={bob}",
    "first-is-no-text": "remember_token=x|\xe9; remember_token={remembered}",
    "alone-and-no-text": "remember_token=x|\xe9",
    "quoted-and-no-text": 'remember_token="x|\\351"',
    "garbage-in-front": "remember_token=x; remember_token={remembered}",
    "more-than-anybody-has": "session={alice}; session=1; session=2; session=3; session=4",
}


@pytest.mark.parametrize("header", HIDING.values(), ids=HIDING)
def test_cookies_that_a_sibling_planted_around_others_connect_nobody(
    app: Flask, header: str
) -> None:
    """Quotes hide the honest session from Flask's parser, and Flask-Login asks the next cookie."""
    alice, bob = logged_in(app, remember="1"), logged_in(app, "bob", remember="1")
    cookies = header.format(
        alice=alice.cookies()["session"],
        remembered=alice.cookies()["remember_token"],
        bobs=bob.cookies()["session"],
        bob=bob.cookies()["remember_token"],
    )
    answer = alice.preauth("/any", cookies=cookies)
    assert (answer.status_code, answer.json["reason"]) == (403, "user_changed")
    token = alice.token("/any")
    tickets = alice.cookie_header(*[name for name in alice.cookies() if "wsguard" in name])
    outcome = alice.connect("/any", token, cookies=f"{tickets}; {cookies}")
    assert outcome.reason == "user_changed"


def test_who_shows_a_bearer_token_is_granted_beside_a_disputed_session(app: Flask) -> None:
    """It cannot be planted: no loader whose credential can is asked before it."""
    guard = app.extensions["test_guard"]
    guard.identity_loader(lambda asked: Identity("alice", User("alice")))

    @guard.identity_loader(ambient=False)
    def bearer(asked: Request) -> Identity | None:
        return Identity("bob", User("bob")) if asked.authorization else None

    alice, bob = logged_in(app), logged_in(app, "bob")
    disputed = f"{bob.cookie_header('session')}; {alice.cookie_header('session')}"
    assert alice.preauth("/any", cookies=disputed).json["reason"] == "user_changed"
    shown = {"Authorization": "Bearer bobs"}
    answer = alice.preauth("/any", cookies=disputed, headers=shown)
    ticket = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    assert read_ticket(ticket).user_id == "bob"


def test_planted_remember_cookie_behind_quotes_is_the_pages_user_to_flask(app: Flask) -> None:
    """The control: Flask and Flask-Login themselves take the page for bob."""
    alice, bob = logged_in(app), logged_in(app, "bob", remember="1")
    cookies = f'{bob.cookie_header("remember_token")}; a="; {alice.cookie_header()}; b="'
    page = app.test_client(use_cookies=False).get(
        "/", base_url=ORIGIN, environ_overrides={"HTTP_COOKIE": cookies}
    )
    assert page.json["user"] == "bob"


HONEST = {
    "quoted-value": 'theme="dark"; session={alice}',
    "lone-quote": 'height=6"; session={alice}',
    "planted-remembered-beside-a-session": "remember_token={bob}; session={alice}",
    "planted-no-text-beside-a-session": "remember_token=x|\xe9; session={alice}",
    "remembered-twice": "remember_token={remembered}; remember_token={remembered}",
    "garbage-behind": "remember_token={remembered}; remember_token=x",
}


@pytest.mark.parametrize("header", HONEST.values(), ids=HONEST)
def test_cookies_beside_an_honest_login_lock_nobody_out(app: Flask, header: str) -> None:
    """Quotes of other cookies, and what the session makes moot, disturb nobody."""
    alice, bob = logged_in(app, remember="1"), logged_in(app, "bob", remember="1")
    cookies = header.format(
        alice=alice.cookies()["session"],
        remembered=alice.cookies()["remember_token"],
        bob=bob.cookies()["remember_token"],
    )
    answer = alice.preauth("/any", cookies=cookies)
    assert answer.status_code == 200
    ticket = answer.headers["Set-Cookie"].partition(";")[0]
    outcome = alice.connect("/any", answer.json["token"], cookies=f"{ticket}; {cookies}")
    assert (outcome.reason, outcome.ticket.user_id) == (None, "alice")


def whose_user_is_gone(app: Flask) -> Visitor:
    """Return a visitor whose session names somebody whom the site has deleted."""
    visitor = logged_in(app)
    app.login_manager.user_loader(  # type: ignore[attr-defined]
        lambda user_id: None if user_id == "alice" else User(user_id)
    )
    return visitor


@pytest.mark.parametrize("loader", [None, "identity_loader"])
@pytest.mark.parametrize("planted", ["x|\xe9", '"x|\\351"'])
def test_unreadable_remember_cookie_beside_a_user_who_is_gone_is_nobody(
    app: Flask, planted: str, loader: str | None
) -> None:
    """Flask-Login raises at it, on the site's own pages too: the control."""
    if loader:

        @app.extensions["test_guard"].identity_loader
        def identity(asked: Request) -> Identity | None:
            return Identity("7", current_user) if current_user.is_authenticated else None

    alice = whose_user_is_gone(app)
    cookies = f"{alice.cookie_header('session')}; remember_token={planted}"
    answer = alice.preauth("/any", cookies=cookies)
    assert (answer.status_code, answer.json["reason"]) == (401, "login_required")
    page = app.test_client(use_cookies=False).get(
        "/", base_url=ORIGIN, environ_overrides={"HTTP_COOKIE": cookies}
    )
    assert page.status_code == 500


def test_unreadable_remember_cookie_is_hidden_only_while_the_user_is_asked_for(app: Flask) -> None:
    """All else that the site reads of its cookies is what came."""
    seen: list[list[str]] = []

    def look() -> None:
        seen.append(sorted(name for name, _ in request.cookies.items(multi=True)))

    app.after_request(lambda answer: look() or answer)
    app.extensions["test_guard"].identity_loader(lambda asked: look())
    alice = whose_user_is_gone(app)
    cookies = f"a=1; {alice.cookie_header('session')}; a=2; remember_token=x|\xe9"
    seen.clear()
    alice.preauth("/any", cookies=cookies)
    assert seen == [["a", "a", "session"], ["a", "a", "remember_token", "session"]]


def test_honest_remember_cookie_of_a_foreign_name_is_read(app: Flask) -> None:
    """Flask-Login writes any letter into it; the digest behind the last bar is what it compares."""
    jose = "jos\xe9"
    cookie = logged_in(app, jose, remember="1").cookies()["remember_token"]
    gone = whose_user_is_gone(app)
    for cookies in (f"remember_token={cookie}", f"{gone.cookie_header()}; remember_token={cookie}"):
        answer = gone.preauth("/any", cookies=cookies)
        assert answer.status_code == 200
        ticket = answer.headers["Set-Cookie"].partition(";")[0]
        assert read_ticket(ticket.partition("=")[2]).user_id == jose


def test_many_session_cookies_are_not_opened(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may cost a look into a store, and who planted hundreds need not be told apart."""
    opened: list[Any] = []
    open_session = app.session_interface.open_session

    def counted(*args: Any) -> Any:
        opened.append(args)
        return open_session(*args)

    monkeypatch.setattr(app.session_interface, "open_session", counted)
    cookies = "; ".join(f"session={number}" for number in range(500))
    assert Visitor(app).preauth("/any", cookies=cookies).json["reason"] == "user_changed"
    assert len(opened) == 1, "the one that Flask opens itself"


def test_session_cookie_under_an_interfaces_own_name_is_judged_too(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session interface may name its cookie itself."""
    monkeypatch.setattr(app.session_interface, "get_cookie_name", lambda app: "sid")
    alice, bob = logged_in(app), logged_in(app, "bob")
    cookies = f"{bob.cookie_header('sid')}; {alice.cookie_header('sid')}"
    assert alice.preauth("/any", cookies=cookies).json["reason"] == "user_changed"


@pytest.mark.parametrize("ambient", [True, False], ids=["ambient", "bearer"])
def test_disputed_session_concerns_no_bearer(app: Flask, ambient: bool) -> None:
    """A header says who asks, and no sibling can plant one."""

    @app.extensions["test_guard"].identity_loader(ambient=ambient)
    def load(request: Any) -> Identity | None:
        return Identity("carol", User("carol")) if "X-Carol" in request.headers else None

    alice, bob = logged_in(app), logged_in(app, "bob")
    cookies = f"{bob.cookie_header('session')}; {alice.cookie_header()}"
    answer = alice.preauth("/any", cookies=cookies, headers={"X-Carol": "yes"})
    assert answer.status_code == (403 if ambient else 200)


# An ended session stays ended.


def test_old_cookie_after_logout_gets_no_ticket(app: Flask) -> None:
    """Logout, and the browser still holds its old, validly signed cookie: preauth knows."""
    alice = logged_in(app)
    old = alice.cookie_header()
    alice.log_out()
    answer = alice.preauth(cookies=old)
    assert (answer.status_code, answer.json["reason"]) == (403, "session_ended")


def test_logout_then_old_cookie_then_preauth_then_connect(app: Flask) -> None:
    """A socket closed at logout reconnects before the logout's answer arrives, and gets nowhere."""
    alice = logged_in(app)
    token, old = alice.token(), alice.cookie_header()
    alice.log_out()
    assert alice.preauth(cookies=old).status_code == 403
    assert alice.connect(token=token, cookies=old).reason == "session_ended"


def test_without_the_record_the_old_cookie_would_connect(app: Flask) -> None:
    """The control: Flask's own cookie sessions cannot be revoked."""
    alice = logged_in(app)
    token, old = alice.token(), alice.cookie_header()
    alice.log_out()
    app.extensions["wsguard"].ended._until.clear()
    assert alice.connect(token=token, cookies=old).reason is None


def test_end_is_remembered_as_long_as_a_socket_may_live(app: Flask) -> None:
    """The record lapses after an hour; the cookie that somebody kept is good again by then."""
    clock = Clock(app)
    app.extensions["wsguard"].ended._clock = lambda: clock.now
    alice = logged_in(app)
    old = alice.cookie_header()
    alice.log_out()
    clock.now += 3599
    assert alice.preauth(cookies=old).json["reason"] == "session_ended"
    clock.now += 1
    assert alice.preauth(cookies=old).status_code == 200


def test_ended_session_under_a_remember_cookie_stays_ended(app: Flask) -> None:
    """A session that still names the user and whose end is known is over, whoever remembers it."""
    alice = logged_in(app, remember="1")
    old = alice.cookie_header()
    alice.log_out()
    assert alice.preauth(cookies=old).json["reason"] == "session_ended"


def test_logout_expires_the_unspent_tickets_of_this_session_only(app: Flask) -> None:
    """The browser drops its own tickets; another user's planted one is not ours to touch."""
    alice, bob = logged_in(app), logged_in(app, "bob")
    alice.token("/echo")
    alice.token("/any")
    own = {name for name in alice.cookies() if name.startswith("__Host-Http-")}
    assert len(own) == 2
    bob.token()
    for name, value in bob.cookies().items():
        if name != "session":
            alice.client.set_cookie(name, value, domain="example.org")
    answer = alice.log_out()
    expired = {
        line.partition("=")[0]
        for line in answer.headers.getlist("Set-Cookie")
        if "Max-Age=0" in line and line.startswith("__Host-Http-")
    }
    assert expired == own


def test_second_login_expires_the_unspent_tickets_of_the_first(app: Flask) -> None:
    """The tickets of the login that was replaced are dropped by the browser."""
    alice = logged_in(app)
    alice.token()
    alice.log_in("bob")
    assert set(alice.cookies()) == {"session"}


def test_logout_on_an_unusable_host_expires_nothing_and_does_not_raise(app: Flask) -> None:
    """Without a host there are no tickets to find; the login ends all the same."""
    alice = logged_in(app)
    alice.token()
    old = alice.cookie_header()
    answer = app.test_client(use_cookies=False).post(
        "/logout", environ_overrides={"HTTP_HOST": "1.2.3", "HTTP_COOKIE": old}
    )
    assert answer.status_code == 200
    assert not [line for line in answer.headers.getlist("Set-Cookie") if "wsguard-" in line]
    assert alice.preauth(cookies=old).json["reason"] == "session_ended"


# Nothing the guard answers writes the site's session or remember-me cookie.


def refused_handshake(visitor: Visitor) -> Any:
    return visitor.connect("/echo").response


def malformed_handshake(visitor: Visitor) -> Any:
    return visitor.connect("/echo", headers={"Sec-WebSocket-Version": "8"}).response


def foreign_handshake(visitor: Visitor) -> Any:
    return visitor.connect("/echo", headers={"Origin": "https://evil.example.net"}).response


def handshake_refused_by_the_hook(visitor: Visitor) -> Any:
    cookies = f"{visitor.cookie_header()}; __Host-Http-wsguard-x=y"
    return visitor.connect("/echo", "x", cookies=cookies).response


def declared_handshake(visitor: Visitor) -> Any:
    header = {"Origin": "https://evil.example.net"}
    return visitor.client.get("/socket.io/", base_url=ORIGIN, headers=header)


def limited_preauth(visitor: Visitor) -> Any:
    return visitor.preauth(headers={"X-Limit": "reached"})


def accepted_handshake(visitor: Visitor) -> Any:
    return visitor.connect("/any", visitor.token("/any")).response


def public_handshake(visitor: Visitor) -> Any:
    return visitor.connect("/ticker").response


def client_file(visitor: Visitor) -> Any:
    return visitor.client.get("/wsguard/static/wsguard.js", base_url=ORIGIN)


def no_such_file(visitor: Visitor) -> Any:
    return visitor.client.get("/wsguard/static/nothing.js", base_url=ORIGIN)


def get_of_preauth(visitor: Visitor) -> Any:
    return visitor.client.get("/wsguard/preauth", base_url=ORIGIN)


def preflight(visitor: Visitor) -> Any:
    return visitor.client.options(
        "/wsguard/preauth", base_url=ORIGIN, headers={"Origin": "https://evil.example.net"}
    )


def failing_loader(visitor: Visitor) -> Any:
    visitor.app.extensions["test_guard"].scopes_loader(lambda user: 1 / 0)
    return visitor.preauth("/echo")


def ticket_too_large(visitor: Visitor) -> Any:
    visitor.app.extensions["test_guard"].scopes_loader(lambda user: {"x" * 2000, "chat:read"})
    return visitor.preauth("/echo")


def failing_loader_at_the_handshake(visitor: Visitor) -> Any:
    token = visitor.token("/any")
    visitor.app.extensions["test_guard"].identity_loader(lambda request: 1 / 0)
    client, header = visitor.client, {**UPGRADE, "Origin": ORIGIN}
    return client.get(f"/any?wsguard_token={token}", base_url=ORIGIN, headers=header)


ANSWERS: dict[str, tuple[Callable[[Visitor], Any], int]] = {
    "preauth-granted": (lambda visitor: visitor.preauth(), 200),
    "preauth-of-a-public-path": (lambda visitor: visitor.preauth("/ticker"), 200),
    "preauth-scope-missing": (lambda visitor: visitor.preauth("/write"), 403),
    "preauth-unknown-path": (lambda visitor: visitor.preauth("/nothing"), 404),
    "preauth-bad-body": (lambda visitor: visitor.preauth(data="["), 400),
    "preauth-foreign": (lambda visitor: visitor.preauth(origin="https://evil.example.net"), 403),
    "preauth-wrong-method": (get_of_preauth, 405),
    "preauth-preflight": (preflight, 403),
    "preauth-loader-raises": (failing_loader, 500),
    "preauth-ticket-too-large": (ticket_too_large, 500),
    "handshake-refused": (refused_handshake, 403),
    "handshake-malformed": (malformed_handshake, 426),
    "handshake-foreign": (foreign_handshake, 403),
    "handshake-refused-by-the-hook": (handshake_refused_by_the_hook, 403),
    "handshake-declared-refused": (declared_handshake, 403),
    "preauth-rate-limited": (limited_preauth, 429),
    "handshake-accepted-without-a-socket": (accepted_handshake, 500),
    "handshake-public-without-a-socket": (public_handshake, 500),
    "handshake-loader-raises": (failing_loader_at_the_handshake, 500),
    "client-file": (client_file, 200),
    "no-such-file": (no_such_file, 404),
}


@pytest.mark.parametrize("kind", ["permanent", "remembered", "touched-by-a-hook"])
@pytest.mark.parametrize(("ask", "status"), ANSWERS.values(), ids=ANSWERS)
def test_no_answer_of_the_guard_writes_the_sites_cookies(
    kind: str, ask: Callable[[Visitor], Any], status: int
) -> None:
    """A preauth overtaken by a logout, or a stranger's refusal, would bring a session back."""
    app = make_site(REMEMBER_COOKIE_REFRESH_EACH_REQUEST=kind == "remembered")
    guard = app.extensions["test_guard"]
    guard.protect_path("/socket.io/")
    app.add_url_rule("/socket.io/", view_func=guard.verify_handshake)
    app.before_request(lambda: abort(429) if "X-Limit" in request.headers else None)
    if kind == "touched-by-a-hook":
        app.before_request(lambda: session.__setitem__("seen", session.get("seen", 0) + 1))
    visitor = logged_in(app, "bob", permanent="1", remember="1")
    # The control: the site's own pages do write them.
    home = visitor.client.get("/", base_url=ORIGIN).headers.getlist("Set-Cookie")
    assert [line for line in home if line.startswith(("session=", "remember_token="))]
    answer = ask(visitor)
    answer.close()
    assert answer.status_code == status
    written = [line.partition("=")[0] for line in answer.headers.getlist("Set-Cookie")]
    assert [name for name in written if not name.startswith("__Host-Http-wsguard-")] == []


def test_permanent_session_overtaken_by_logout_is_not_sent_again(app: Flask) -> None:
    """Flask re-sends permanent sessions on every answer; preauth's must not undo a logout."""
    alice = logged_in(app, permanent="1")
    old = alice.cookie_header()
    alice.log_out()
    # The answers to requests that left before the logout arrive after it.
    late = Visitor(app)
    for cookies in (old, f"{old}; {old}"):
        answer = late.preauth(cookies=cookies)
        assert "Set-Cookie" not in answer.headers
        outcome = late.connect(cookies=cookies)
        assert "Set-Cookie" not in outcome.response.headers
    # The control: the site's own page, asked with the old cookie, sends it again.
    page = app.test_client(use_cookies=False).get(
        "/", base_url=ORIGIN, environ_overrides={"HTTP_COOKIE": old}
    )
    assert page.headers["Set-Cookie"].startswith("session=")


def test_handler_may_read_the_session_and_what_it_writes_stays_in_the_request(app: Flask) -> None:
    """The throw-away copy reads like the session and takes every kind of write."""
    seen: list[Any] = []

    @Sock(app).route("/writes")
    @ws_protected
    def writes(ws: Any) -> None:
        session["a"] = 1
        session.setdefault("b", 2)
        session.update(c=3)
        session.pop("a")
        del session["b"]
        seen.append((session["_user_id"], session["c"], session.permanent))
        session.popitem()
        session.clear()
        seen.append(dict(session))

    alice = logged_in(app, permanent="1")
    before = alice.cookies()["session"]
    alice.open("/writes", alice.token("/writes"))
    assert seen == [("alice", 3, True), {}]
    assert alice.cookies()["session"] == before


# A server-side session (Flask-Session): its cookie holds an id.


def with_flask_session(app: Flask) -> None:
    app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
    FlaskSession(app)
    assert isinstance(app.session_interface, CacheLibSessionInterface)


@pytest.fixture
def server_side() -> Flask:
    return make_site(with_flask_session)


def test_server_side_session_connects(server_side: Flask) -> None:
    """The session compare reads whatever session interface the site has."""
    alice = logged_in(server_side)
    assert alice.connect(token=alice.token()).reason is None


def test_server_side_session_that_ended_is_session_ended(server_side: Flask) -> None:
    """Logout between preauth and connect is seen in the store."""
    alice = logged_in(server_side)
    token, old = alice.token(), alice.cookie_header()
    alice.log_out()
    assert alice.connect(token=token, cookies=old).reason == "session_ended"


@pytest.mark.parametrize("first", ["planted", "own"])
def test_planted_id_of_a_server_side_session_connects_nobody(
    server_side: Flask, first: str
) -> None:
    """Each id is opened by the site's own interface; two that disagree are nobody's."""
    alice, mallory = logged_in(server_side), logged_in(server_side, "mallory")
    token = alice.token("/any")
    both = [mallory.cookie_header("session"), alice.cookie_header()]
    if first == "own":
        both.reverse()
    cookies = "; ".join(both)
    assert alice.connect("/any", token, cookies=cookies).reason == "user_changed"
    assert alice.preauth("/any", cookies=cookies).json["reason"] == "user_changed"


def test_same_id_twice_is_one_session(server_side: Flask) -> None:
    """A site that moved its cookie has two honest ones."""
    alice = logged_in(server_side)
    token = alice.token()
    twice = f"{alice.cookie_header('session')}; {alice.cookie_header()}"
    assert alice.connect(token=token, cookies=twice).reason is None


def socket_that_outlives_a_logout(app: Flask) -> Any:
    """Open a socket, log its user out while it is open, and return whom its cookie names then."""
    alice = Visitor(app)

    def during(ws: Any) -> None:
        alice.log_out()

    guarded = "wsguard" in app.extensions
    Sock(app).route("/during")(ws_protected(during) if guarded else during)
    alice.log_in("alice", permanent="1")
    old = alice.cookie_header("session")
    alice.open("/during", alice.token("/during") if guarded else None)
    page = app.test_client(use_cookies=False).get(
        "/", base_url=ORIGIN, environ_overrides={"HTTP_COOKIE": old}
    )
    return page.json["user"]


def test_end_of_a_socket_saves_no_old_session_over_a_newer_one(server_side: Flask) -> None:
    """A session saved when a socket ends would undo a logout of hours ago."""
    assert socket_that_outlives_a_logout(server_side) is None


def test_end_of_an_unguarded_socket_brings_the_old_session_back() -> None:
    """The control: without the extension the logout is undone by the store."""
    app = make_control()
    with_flask_session(app)
    assert socket_that_outlives_a_logout(app) == "alice"


@pytest.mark.parametrize("config", [{}, {"SESSION_COOKIE_NAME": "__Host-session"}])
def test_session_cookie_is_found_under_the_sites_own_name(config: dict[str, str]) -> None:
    """The name that the docs recommend works like the default."""
    app = make_site(**config, SESSION_COOKIE_SECURE=True)
    alice = logged_in(app)
    name = config.get("SESSION_COOKIE_NAME", "session")
    assert name in alice.cookies()
    assert alice.connect(token=alice.token()).reason is None
    bob = logged_in(app, "bob").cookie_header(name)
    outcome = alice.connect(token=alice.token(), cookies=f"{bob}; {alice.cookie_header()}")
    assert outcome.reason == "user_changed"
