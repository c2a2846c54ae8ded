"""``flask wsguard check``: each finding alone, and a site that has none."""

from __future__ import annotations

import json
import re
from ast import literal_eval
from typing import Any

import pytest
from flask import Flask
from flask_login import LoginManager
from flask_sock import Sock
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_wsguard import WSGuard, ws_public
from tests.ops.commands import run, shell
from tests.ops.shop import GOOD, SERVED, findings, make, said_of
from tests.ops.site import create_app

pytestmark = pytest.mark.usefixtures("folder")


def test_a_good_site_has_no_findings() -> None:
    """The control for every row below."""
    assert run(make(), "check", "--strict", *SERVED) == (0, "0 errors, 0 warnings\n")


# id, severity, what is changed
CONFIGURED: list[tuple[str, str, dict[str, Any]]] = [
    ("secret_default", "error", {"SECRET_KEY": "change me: at least 32 random bytes"}),
    ("secret_default", "error", {"SECRET_KEY": b"dev"}),
    ("secret_short", "error", {"SECRET_KEY": "a1b2c3d4e5f6"}),
    ("secret_short", "error", {"SECRET_KEY_FALLBACKS": ["9f8b2c9f8b2c9f8"]}),
    ("secret_short", "error", {"SECRET_KEY": b"\xf1\xe2\xd3\xc4\xb5\xa6\x97\x88"}),
    ("observe_only", "error", {"WSGUARD_ENFORCE": False}),
    ("insecure_transport", "error", {"WSGUARD_ALLOW_INSECURE_TRANSPORT": True}),
    ("missing_origin", "warning", {"WSGUARD_ALLOW_MISSING_ORIGIN": True}),
    ("session_not_rechecked", "warning", {"WSGUARD_RECHECK_SESSION": False}),
    ("self_without_hosts", "warning", {"TRUSTED_HOSTS": None}),
    ("cross_site_origin", "warning", {"WSGUARD_ALLOWED_ORIGINS": ["https://partner.example"]}),
    (
        "cross_site_origin",
        "warning",
        {
            "TRUSTED_HOSTS": None,
            "SERVER_NAME": "example.org:8443",
            "WSGUARD_ALLOWED_ORIGINS": ["https://evil-example.org"],
        },
    ),
    (
        "cross_site_origin",
        "warning",
        {"TRUSTED_HOSTS": "example.org", "WSGUARD_ALLOWED_ORIGINS": ["https://www.example.net"]},
    ),
    ("http_origin", "warning", {"WSGUARD_ALLOWED_ORIGINS": ["http://app.example.org"]}),
    ("no_ping", "warning", {"SOCK_SERVER_OPTIONS": {"max_message_size": 1}}),
    ("no_message_limit", "warning", {"SOCK_SERVER_OPTIONS": {"ping_interval": 1}}),
    ("no_store", "warning", {"WSGUARD_STORAGE_URI": None}),
    ("all_threads", "warning", {"WSGUARD_MAX_CONNECTIONS": None}),
    ("all_threads", "warning", {"WSGUARD_MAX_CONNECTIONS": 100}),
    ("session_plantable", "warning", {"SESSION_COOKIE_NAME": "session"}),
    ("session_cookie_refused", "error", {"SESSION_COOKIE_SECURE": False}),
]


@pytest.mark.parametrize(
    ("id_", "severity", "config"),
    CONFIGURED,
    ids=[f"{row[0]}-{number}" for number, row in enumerate(CONFIGURED)],
)
def test_each_fault_of_the_configuration_is_found(
    id_: str, severity: str, config: dict[str, Any]
) -> None:
    """It, and nothing else."""
    assert findings(make(**config)) == [(id_, severity)]


# the keys of a site, what is said of the faulty one, and what to write
FAULTY: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "newest",
        {"SECRET_KEY": "default_secret_key"},
        "SECRET_KEY reads like a placeholder",
        "SECRET_KEY = \"<the output of: python -c 'import secrets; print(secrets.token_hex())'>\"",
    ),
    (
        "fallback",
        {"SECRET_KEY_FALLBACKS": ["8e7a1b" * 8, "default_secret_key"]},
        "an older key in SECRET_KEY_FALLBACKS reads like a placeholder",
        "leave it out of SECRET_KEY_FALLBACKS",
    ),
    (
        "the-guards-own",
        {"WSGUARD_SECRET_KEY": "a1b2c3d4e5f6"},
        "WSGUARD_SECRET_KEY has 12 bytes, fewer than 16",
        "WSGUARD_SECRET_KEY = "
        "\"<the output of: python -c 'import secrets; print(secrets.token_hex())'>\"",
    ),
    (
        "the-guards-older",
        {"WSGUARD_SECRET_KEY": ["8e7a1b" * 8, b"default_secret_key"]},
        "an older key in WSGUARD_SECRET_KEY reads like a placeholder",
        "leave it out of WSGUARD_SECRET_KEY",
    ),
    (
        "the-sessions-beside-the-guards",
        {"WSGUARD_SECRET_KEY": "8e7a1b" * 8, "SECRET_KEY": "default_secret_key"},
        "SECRET_KEY reads like a placeholder",
        "SECRET_KEY = \"<the output of: python -c 'import secrets; print(secrets.token_hex())'>\"",
    ),
]


@pytest.mark.parametrize(
    ("keys", "what", "write"), [row[1:] for row in FAULTY], ids=[row[0] for row in FAULTY]
)
def test_the_faulty_key_is_called_by_its_setting(
    keys: dict[str, Any], what: str, write: str
) -> None:
    """Changing another one would mend nothing."""
    (found,) = json.loads(run(make(**keys), "check", "--json", *SERVED)[1])
    assert (found["what"], found["write"]) == (what, write)


def test_the_line_that_is_printed_is_no_key() -> None:
    """Pasted as it stands it is found again, under the same name."""
    (found,) = json.loads(run(make(SECRET_KEY="dev"), "check", "--json", *SERVED)[1])
    setting, _, pasted = found["write"].partition(" = ")
    assert setting == "SECRET_KEY"
    assert findings(make(SECRET_KEY=literal_eval(pasted))) == [("secret_default", "error")]


def test_a_guard_with_its_own_key_needs_none_of_flasks() -> None:
    """Sessions may be kept elsewhere."""
    assert findings(make(SECRET_KEY=None, WSGUARD_SECRET_KEY="8e7a1b" * 8)) == []


# where the site is served, a listed origin, whether its pages may be of the same site
SITES: list[tuple[str, str, bool]] = [
    ("example.org", "https://app.example.org", True),
    ("example.org", "https://*.example.org", True),
    ("example.org", "https://example.org:8443", True),
    (".example.org", "https://app.example.org", True),
    ("www.example.org:8443", "https://app.example.org", True),
    ("example.org", "https://example.org.", True),
    ("example.org", "https://example.net", False),
    ("example.org", "https://evil-example.org", False),
    ("10.0.0.1", "https://10.0.0.1:8443", True),
    ("10.0.0.1", "https://10.9.0.1", False),
    ("[::1]:5000", "http://[::1]:5173", True),
    ("[2001:db8::1]", "https://[2001:db8::2]", False),
    ("app.localhost", "http://*.localhost", True),
    ("app.localhost", "http://localhost", False),
]


@pytest.mark.parametrize(("host", "listed", "same"), SITES)
def test_origins_of_another_site_are_found(host: str, listed: str, same: bool) -> None:
    """The Strict cookie travels from a sibling and another port; addresses have no siblings."""
    found = findings(make(TRUSTED_HOSTS=[host], WSGUARD_ALLOWED_ORIGINS=["self", listed]))
    assert found == ([] if same else [("cross_site_origin", "warning")])


@pytest.mark.parametrize("trusted", ["example.org", ".example.org", ("example.org",)])
def test_trusted_hosts_are_read_as_werkzeug_reads_them(trusted: Any) -> None:
    """A str is one name, not its letters."""
    listed = ["self", "https://www.example.org"]
    assert findings(make(TRUSTED_HOSTS=trusted, WSGUARD_ALLOWED_ORIGINS=listed)) == []


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        (["https://app.example.org"], "nobody can tell whether https://app.example.org can work"),
        (
            ["https://partner.example", "https://www.other.net", "https://other.net"],
            "other.net and partner.example are different sites, and the Strict ticket cookie "
            "travels within one: at most one of them can work",
        ),
    ],
    ids=["one-site", "two-sites"],
)
def test_a_site_that_is_served_nobody_knows_where_is_asked(listed: list[str], says: str) -> None:
    """With --site it can be judged, and each origin that cannot work is named."""
    app = make(TRUSTED_HOSTS=None, WSGUARD_ALLOWED_ORIGINS=listed)
    (found,) = json.loads(run(app, "check", "--json", *SERVED)[1])
    assert found["id"] == "site_unknown"
    assert says in found["what"]
    assert found["write"] == "--site https://example.org, or TRUSTED_HOSTS"
    site = listed[0].replace("app.", "www.")
    _, said = run(app, "check", *SERVED, "--site", site)
    assert re.findall(r"^warning: \w+: (\S+) is another site", said, re.MULTILINE) == listed[1:]


def test_a_site_that_is_no_origin_is_a_usage_error() -> None:
    """As for explain."""
    code, said = run(make(), "check", "--site", "example.org")
    assert (code, "is not scheme://host[:port]" in said) == (2, True)


def test_routes_that_nobody_can_open_are_found() -> None:
    """No mark, no scopes_loader, no login."""
    assert findings(make(marked=False)) == [("unguarded_route", "error")]
    assert findings(make(scopes="buy")) == [("scopes_without_loader", "error")]
    assert findings(make(logins=False)) == [("no_login", "error")]


def test_another_librarys_sockets_are_not_advised_on_flask_socks() -> None:
    """Neither its options nor a cap on our slots reaches them."""
    app = Flask("shop")
    app.config.update({**GOOD, "SOCK_SERVER_OPTIONS": {}, "WSGUARD_MAX_CONNECTIONS": None})
    LoginManager(app)
    guard = WSGuard(app)
    guard.protect_path("/socket.io/")
    assert findings(app) == []
    Sock(app).route("/echo")(ws_public(lambda ws: None))
    assert [id_ for id_, _ in findings(app)] == ["no_ping", "no_message_limit", "all_threads"]


def test_single_use_needs_a_store() -> None:
    """In each worker a token would open a socket."""
    app = make(WSGUARD_SINGLE_USE=True, WSGUARD_STORAGE_URI=None)
    assert findings(app) == [("single_use_without_store", "error"), ("no_store", "warning")]
    assert findings(app, "--workers", "1") == []


def test_a_lost_subprotocol_is_found() -> None:
    """SOCK_SERVER_OPTIONS set after init_app took it away."""
    app = make(WSGUARD_TOKEN_CARRIERS=["subprotocol"])
    assert findings(app) == []
    app.config["SOCK_SERVER_OPTIONS"] = GOOD["SOCK_SERVER_OPTIONS"]
    assert findings(app) == [("protocol_lost", "error")]


# what is set behind WSGuard(app), what is said of it
LATE: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "settings",
        {"WSGUARD_MAX_CONNECTIONS": 10, "WSGUARD_TICKET_TTL": 20},
        ["set after init_app, which reads the settings once: "
         "WSGUARD_TICKET_TTL, WSGUARD_MAX_CONNECTIONS"],
    ),
    (
        "faults",
        {"WSGUARD_ALOWED_ORIGINS": ["https://x.org"], "WSGUARD_TICKET_TTL": "20"},
        [
            "set after init_app: WSGUARD_ALOWED_ORIGINS is unknown: did you mean "
            "WSGUARD_ALLOWED_ORIGINS?",
            "set after init_app: WSGUARD_TICKET_TTL must be a whole number from 1 to 59, not '20'",
        ],
    ),
    (
        "key",
        {"SECRET_KEY": "8e7a1b" * 8},
        ["set after init_app, which reads the settings once: SECRET_KEY"],
    ),
    (
        "older-key",
        {"SECRET_KEY_FALLBACKS": ["8e7a1b" * 8]},
        ["set after init_app, which reads the settings once: SECRET_KEY_FALLBACKS"],
    ),
    (
        "the-guards-own-key",
        {"WSGUARD_SECRET_KEY": "8e7a1b" * 8},
        ["set after init_app, which reads the settings once: WSGUARD_SECRET_KEY"],
    ),
    (
        "keys-that-are-none",
        {"SECRET_KEY_FALLBACKS": 5},
        ["set after init_app: SECRET_KEY_FALLBACKS must be a list of keys, none empty"],
    ),
    ("what-says-the-same", {"WSGUARD_ENFORCE": True, "WSGUARD_ALLOWED_ORIGINS": "self"}, []),
    ("what-is-read-at-each-request", {"SESSION_COOKIE_NAME": "__Host-shop"}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "said"), [row[1:] for row in LATE], ids=[row[0] for row in LATE]
)
def test_what_is_set_behind_init_app_is_found(config: dict[str, Any], said: list[str]) -> None:
    """It is not heeded, and nobody else would say so."""
    app = make()
    app.config.update(config)
    line = "set it above WSGuard(app), or guard.init_app(app)"
    assert said_of(app) == [("set_late", what, line) for what in said]
    assert {severity for _, severity in findings(app)} <= {"error"}


@pytest.mark.parametrize("late", ["SECRET_KEY", "WSGUARD_SECRET_KEY"])
def test_the_key_that_signs_is_audited_whatever_is_written_now(late: str) -> None:
    """A good key that came too late does not hide the bad one that the guard goes by."""
    app = make(SECRET_KEY="default_secret_key")
    app.config[late] = "8e7a1b" * 8
    if late != "SECRET_KEY":
        app.config["SECRET_KEY"] = "7d6f2a" * 8
    _, (id_, what, line) = said_of(app)
    assert (id_, what) == ("secret_default", "a key that the guard uses reads like a placeholder")
    assert line == "replace it above WSGuard(app)"


def test_a_wrapped_app_is_found() -> None:
    """A middleware put on before init_app keeps the early gate out."""
    app = Flask("shop")
    app.config.update(GOOD)
    LoginManager(app)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    WSGuard(app)
    assert findings(app) == [("no_early_gate", "warning")]


def test_debug_mode_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Flask's command line reads it, whatever the configuration says."""
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert findings(make()) == [("debug", "error")]


def test_exit_code_is_for_ci() -> None:
    """Errors fail, warnings only when asked; each comes with what to write."""
    app = make(WSGUARD_RECHECK_SESSION=False)
    code, said = run(app, "check", *SERVED)
    assert (code, run(app, "check", "--strict", *SERVED)[0]) == (0, 1)
    assert said == (
        "warning: session_not_rechecked: a ticket outlives logout and a change of user\n"
        "    WSGUARD_RECHECK_SESSION = True\n"
        "0 errors, 1 warning\n"
    )


@pytest.mark.slow
def test_check_as_its_users_run_it() -> None:
    """The tests' own site is not fit for production."""
    code, said = shell("check")
    assert code == 1
    assert said.splitlines()[-1] == "2 errors, 7 warnings"
    assert "error: unguarded_route: /forgotten carries no mark and is refused (the view is " in said
    assert run(create_app(), "check")[1] == said
