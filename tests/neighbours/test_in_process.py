"""Examples that need no server: each with the real library, and a control without it."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask_cors import CORS
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_wsguard import HandshakeRefused, Refusal, WSGuard
from flask_wsguard.testing import Accepted, assert_only_own_origin, connect, handshake
from tests.sites import make_site
from tests.visitor import Visitor

from .examples import FOLDER, load

FOREIGN = "https://evil.example.net"
PAGE = "https://app.example.org"


def with_csrf_token(visitor: Visitor, path: str) -> int:
    """POST a form with the token that the page shows."""
    token = visitor.client.get("/", base_url=visitor.base).text
    headers = {"X-CSRFToken": token, "Referer": f"{visitor.base}/"}
    return int(visitor.client.post(path, base_url=visitor.base, headers=headers).status_code)


def test_flask_wtf_protects_forms_and_asks_preauth_for_no_token() -> None:
    """A form without its token is refused; preauth is granted, and refused to another origin."""
    visitor = Visitor(load("with_flask_wtf")["app"])
    assert visitor.client.post("/login/alice", base_url=visitor.base).status_code == 400
    assert with_csrf_token(visitor, "/login/alice") == 200
    assert visitor.connect("/updates", visitor.token("/updates")).reason is None
    assert visitor.preauth("/updates", origin=FOREIGN).json["reason"] == "origin_not_allowed"
    assert visitor.preauth("/updates", content_type="text/plain", data="{}").status_code == 415


def test_flask_wtf_tokens_that_outlive_an_hour_stop_forms_and_no_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two hours after the page was loaded its forms are dead and its socket still comes back."""
    visitor = Visitor(load("with_flask_wtf")["app"])
    assert with_csrf_token(visitor, "/login/alice") == 200
    old = {"X-CSRFToken": visitor.client.get("/", base_url=visitor.base).text}
    now = time.time
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now() + 7200)
    headers = {**old, "Referer": f"{visitor.base}/"}
    form = visitor.client.post("/login/alice", base_url=visitor.base, headers=headers)
    assert (form.status_code, "expired" in form.text) == (400, True)
    assert visitor.preauth("/updates", headers=old).status_code == 200


@pytest.mark.parametrize("csrf_first", [True, False], ids=["csrf_first", "guard_first"])
def test_csrf_exemption_does_not_depend_on_the_order(
    csrf_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever is initialised first, preauth needs no token, and one line says so."""
    caplog.set_level(logging.INFO, "flask_wsguard")
    app = make_site(prepare=CSRFProtect if csrf_first else None)
    if not csrf_first:
        CSRFProtect(app)
    visitor = Visitor(app)
    assert visitor.client.post("/login/alice", base_url=visitor.base).status_code == 400
    for _ in range(2):
        assert visitor.preauth("/echo").json["reason"] == "login_required"
    said = [line for line in caplog.messages if "CSRFProtect" in line]
    assert len(said) == 1


def test_control_flask_wtf_would_refuse_a_json_post_without_a_token() -> None:
    """Without the exemption the same request is a 400: nothing else spares preauth."""
    app = make_site()
    CSRFProtect(app)
    app.add_url_rule("/other", "other", view_func=lambda: "never", methods=["POST"])
    visitor = Visitor(app)
    answer = visitor.client.post(
        "/other", base_url=visitor.base, json={}, headers={"Origin": visitor.base}
    )
    assert answer.status_code == 400


def security_visitor(app: Flask, email: str) -> Visitor:
    visitor = Visitor(app)
    form = {"email": email, "password": "correct horse"}
    assert visitor.client.post("/login", data=form, base_url=visitor.base).status_code == 302
    return visitor


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_flask_security_login_opens_sockets_and_its_roles_are_scopes() -> None:
    """Whoever logged in on its form gets a ticket; without the role it is scope_missing."""
    app = load("with_flask_security")["app"]
    assert Visitor(app).preauth("/reports").json["reason"] == "login_required"
    alice = security_visitor(app, "alice@example.org")
    opened = alice.open("/reports", alice.token("/reports"))
    assert opened.messages == ["auditor"]
    problem = security_visitor(app, "bob@example.org").preauth("/reports").json
    assert (problem["reason"], problem["required"]) == ("scope_missing", ["auditor"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_flask_security_asks_for_its_csrf_token_at_its_own_views_and_not_at_preauth() -> None:
    """With SECURITY_CSRF_PROTECT_MECHANISMS a login without the token is a 400, preauth is not."""
    text = (FOLDER / "with_flask_security.py").read_text(encoding="utf-8")
    changes = {
        "WTF_CSRF_ENABLED=False": 'SECURITY_CSRF_PROTECT_MECHANISMS=["session", "basic"],\n'
        "    WTF_CSRF_CHECK_DEFAULT=False",  # which it demands
        "db = SQLAlchemy(app)": "CSRFProtect(app)\ndb = SQLAlchemy(app)",
    }
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    scope: dict[str, Any] = {"__name__": "with_csrf", "CSRFProtect": CSRFProtect}
    exec(compile(text, "with_flask_security.py", "exec"), scope)
    visitor = Visitor(scope["app"])
    form = {"email": "alice@example.org", "password": "correct horse"}

    def log_in(**headers: str) -> int:
        sent = {"Referer": f"{visitor.base}/login", **headers}
        answer = visitor.client.post("/login", base_url=visitor.base, json=form, headers=sent)
        return int(answer.status_code)

    assert log_in() == 400
    page = visitor.client.get(
        "/login", base_url=visitor.base, headers={"Accept": "application/json"}
    )
    assert log_in(**{"X-CSRFToken": page.json["response"]["csrf_token"]}) == 200
    assert visitor.connect("/reports", visitor.token("/reports")).reason is None
    assert visitor.preauth("/reports", origin=FOREIGN).json["reason"] == "origin_not_allowed"


def test_flask_jwt_extended_bearer_opens_a_socket_without_a_session() -> None:
    """The header is read at preauth alone; forged, revoked or missing it is login_required."""
    visitor = Visitor(load("with_flask_jwt_extended")["app"])
    bearer = {"Authorization": f"Bearer {visitor.log_in('alice').json['access_token']}"}
    assert visitor.cookies() == {}
    token = visitor.token("/updates", headers=bearer)
    assert visitor.open("/updates", token).messages == ["alice"]
    assert visitor.connect("/updates", token, headers={"Origin": FOREIGN}).reason is (
        Refusal.ORIGIN_NOT_ALLOWED
    )
    forged = {"Authorization": bearer["Authorization"][:-4] + "AAAA"}
    for headers in ({}, forged, {"Authorization": "Bearer x"}, {"Authorization": "Bearer"}):
        answer = visitor.preauth("/updates", headers=headers)
        assert (answer.status_code, answer.json["reason"]) == (401, "login_required"), headers
    assert visitor.client.post("/logout", base_url=visitor.base, headers=bearer).text == "bye"
    assert visitor.preauth("/updates", headers=bearer).json["reason"] == "login_required"


def test_test_kit_asks_preauth_with_the_bearer_header() -> None:
    """At preauth alone: a browser sends none on the handshake."""
    client = load("with_flask_jwt_extended")["app"].test_client()
    jwt = client.post("/login/alice").get_json()["access_token"]
    bearer = {"preauth_headers": {"Authorization": f"Bearer {jwt}"}}
    assert handshake(client, "/updates", **bearer) == Accepted("alice", frozenset())
    with connect(client, "/updates", **bearer) as socket:
        assert socket.receive() == "alice"
    assert_only_own_origin(client, "/updates", **bearer)
    with pytest.raises(HandshakeRefused) as refused:
        connect(client, "/updates", headers=bearer["preauth_headers"])
    assert refused.value.reason == "login_required"


def cors_of(answer: Any) -> dict[str, list[str]]:
    """Return every CORS header of an answer, with all of its values."""
    names = {name.lower() for name, _ in answer.headers if name.lower().startswith("access-")}
    return {name: answer.headers.getlist(name) for name in names}


ONCE = {
    "access-control-allow-origin": [PAGE],
    "access-control-allow-credentials": ["true"],
    "access-control-allow-methods": ["POST"],
    "access-control-allow-headers": ["content-type, authorization, x-csrftoken"],
    "access-control-expose-headers": ["Retry-After"],
}


def test_flask_cors_and_the_guard_share_a_list_and_double_no_header() -> None:
    """A listed page opens its socket; every header stands once at preauth; the API has its own."""
    app = load("with_flask_cors")["app"]
    visitor = Visitor(app, base="https://api.example.org", origin=PAGE)
    site = {"headers": {"Sec-Fetch-Site": "same-site"}}
    login = visitor.client.post("/login/alice", base_url=visitor.base, headers={"Origin": PAGE})
    assert login.headers.getlist("Access-Control-Allow-Origin") == [PAGE]
    answer = visitor.preauth("/updates", **site)
    assert (answer.status_code, cors_of(answer)) == (200, ONCE)
    assert visitor.connect("/updates", answer.json["token"]).reason is None
    preflight = visitor.client.options(
        "/wsguard/preauth", base_url=visitor.base, headers={"Origin": PAGE}
    )
    assert (preflight.status_code, cors_of(preflight)) == (204, ONCE)
    foreign = visitor.preauth("/updates", origin=FOREIGN)
    assert (foreign.status_code, cors_of(foreign)) == (403, {})


@pytest.mark.parametrize("cors_first", [True, False], ids=["cors_first", "guard_first"])
def test_flask_cors_open_to_all_does_not_open_preauth(cors_first: bool) -> None:
    """``CORS(app)`` lets everybody read the site; preauth it lets nobody read."""

    def open_to_all(app: Flask) -> None:
        CORS(app, supports_credentials=True)

    app = make_site(open_to_all if cors_first else None, WSGUARD_ALLOWED_ORIGINS=[PAGE])
    if not cors_first:
        open_to_all(app)
    visitor = Visitor(app)
    control = visitor.client.get("/login", base_url=visitor.base, headers={"Origin": FOREIGN})
    assert control.headers["Access-Control-Allow-Origin"] == FOREIGN
    assert cors_of(visitor.preauth("/echo", origin=FOREIGN)) == {}
    assert cors_of(visitor.preauth("/echo", origin=PAGE)) == ONCE


def test_flask_limiter_answers_preauth_with_429_and_spares_the_client_file() -> None:
    """The eleventh ticket in a minute is refused with Retry-After; static files are not counted."""
    visitor = Visitor(load("with_flask_limiter")["app"])
    visitor.log_in("alice")
    answers = [visitor.preauth("/updates") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].headers["Cache-Control"] == "no-store"
    with visitor.client.get("/wsguard/static/wsguard.js", base_url=visitor.base) as script:
        assert script.status_code == 200


def test_test_kit_says_that_a_limiter_answered_in_preauths_place() -> None:
    """Half-way through the table of hostile origins."""
    client = load("with_flask_limiter")["app"].test_client()
    client.post("/login/alice")
    said = r"in preauth's place: 429 TOO MANY REQUESTS\. .* must leave the blueprint wsguard out"
    with pytest.raises(LookupError, match=said):
        assert_only_own_origin(client, "/updates")


def test_a_429_in_preauths_place_can_be_read_by_a_listed_page_of_another_origin() -> None:
    """Without these headers its client would see a network error, and not how long to wait."""
    app = make_site(WSGUARD_ALLOWED_ORIGINS=[PAGE])
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://", headers_enabled=True)
    limiter.limit("1 per minute")(app.extensions["test_guard"].blueprint)
    visitor = Visitor(app)
    assert visitor.preauth("/echo", origin=PAGE).status_code == 401
    limited = visitor.preauth("/echo", origin=PAGE)
    assert (limited.status_code, cors_of(limited)) == (429, ONCE)
    assert cors_of(visitor.preauth("/echo", origin=FOREIGN)) == {}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_flask_talisman_nonce_is_the_one_of_the_policy() -> None:
    """The tag carries the nonce that the header allows; the socket opens under Talisman."""
    visitor = Visitor(load("with_flask_talisman")["app"])
    visitor.log_in("alice")
    page = visitor.client.get("/", base_url=visitor.base)
    policy = page.headers["Content-Security-Policy"]
    allowed = re.search(r"script-src 'strict-dynamic' 'nonce-([\w-]{16,})'", policy)
    assert allowed, policy
    assert f' nonce="{allowed[1]}"></script>' in page.text
    assert visitor.connect("/updates", visitor.token("/updates")).reason is None


def test_flask_principal_roles_are_needs_of_pages_and_scopes_of_sockets() -> None:
    """An editor edits and opens the editors' socket, a reader neither."""
    app = load("with_flask_principal")["app"]
    alice, bob = Visitor(app), Visitor(app)
    alice.log_in("alice")
    bob.log_in("bob")
    pages = [one.client.get("/edit", base_url=one.base).status_code for one in (alice, bob)]
    assert pages == [200, 403]
    assert alice.open("/edits", alice.token("/edits")).messages == ["editor reader"]
    assert bob.preauth("/edits").json["reason"] == "scope_missing"


def behind_tls_proxy(app: Flask) -> Visitor:
    """Return a browser on https://example.org whose proxy ends TLS and talks http to the app."""
    inner: Any = app.wsgi_app

    def front(environ: dict[str, Any], start_response: Any) -> Any:
        forwarded = {
            "HTTP_X_FORWARDED_FOR": "203.0.113.9",
            "HTTP_X_FORWARDED_PROTO": environ["wsgi.url_scheme"],
            "HTTP_X_FORWARDED_HOST": environ["HTTP_HOST"],
            "HTTP_HOST": "10.0.0.7:8000",
            "wsgi.url_scheme": "http",
        }
        return inner({**environ, **forwarded}, start_response)

    app.wsgi_app = front  # type: ignore[method-assign]
    return Visitor(app)


def test_proxy_fix_tells_the_guard_what_the_browser_asked_for() -> None:
    """Behind TLS the ticket is a __Host-Http- cookie and the socket opens."""
    visitor = behind_tls_proxy(load("with_proxy_fix")["app"])
    visitor.log_in("alice")
    granted = visitor.preauth("/updates")
    assert granted.headers["Set-Cookie"].startswith("__Host-Http-wsguard-")
    assert visitor.connect("/updates", granted.json["token"]).reason is None


def test_control_without_proxy_fix_nobody_connects_and_the_answer_names_it() -> None:
    """The app sees plain http, and says which line is missing."""
    app = load("with_proxy_fix")["app"]
    assert isinstance(app.wsgi_app, ProxyFix)
    app.wsgi_app = app.wsgi_app.app  # type: ignore[method-assign]
    problem = behind_tls_proxy(app).preauth("/updates").json
    assert problem["reason"] == "insecure_transport"
    assert "ProxyFix" in problem["detail"]


@pytest.mark.parametrize("observed", [False, True], ids=["enforced", "observed"])
def test_flask_socketio_example_lets_a_refusal_through_only_while_observing(
    observed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Her old page brings no token: it is refused; observed, it connects and is served."""
    scope = load("with_flask_socketio")
    app = scope["app"]
    state = app.extensions["wsguard"]
    app.extensions["wsguard"] = replace(
        state, settings=replace(state.settings, enforce=not observed)
    )
    visitor = Visitor(app, base="http://localhost")
    visitor.log_in("alice")
    client = scope["socketio"].test_client(
        app, headers={"Origin": visitor.base}, flask_test_client=visitor.client
    )
    assert client.is_connected() is observed
    assert "refused: token_missing on /socket.io/" in caplog.text
    if observed:
        client.emit("who")
        assert [event["args"] for event in client.get_received()] == [["alice"]]


def test_apps_without_neighbours_are_left_alone() -> None:
    """No CSRFProtect, no exemption: an app's extensions may hold anything under that name."""
    app = make_site()
    assert "csrf" not in app.extensions
    assert Visitor(app).preauth("/echo").json["reason"] == "login_required"
    assert app.extensions["wsguard"].exempt_from == []
    assert isinstance(app.extensions["test_guard"], WSGuard)
