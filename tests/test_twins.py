"""The early gate against the hook, on whatever comes and however the site is set up."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flask_wsguard import Refusal, early, facts, gate
from flask_wsguard.core.handshake import Accepted
from flask_wsguard.core.refusals import Refused

from .twins import OFFER, Twins, ask
from .visitor import ORIGIN

EVIL = "https://evil.example.net"
SITES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "debug": {"DEBUG": True},
    "subprotocol": {"WSGUARD_TOKEN_CARRIERS": ("subprotocol",)},
    "both carriers, listed origins": {
        "WSGUARD_TOKEN_CARRIERS": ("query", "subprotocol"),
        "WSGUARD_ALLOWED_ORIGINS": ("self", EVIL, "https://*.partner.example"),
    },
    "missing origin": {"WSGUARD_ALLOW_MISSING_ORIGIN": True},
    "insecure transport": {
        "WSGUARD_ALLOW_INSECURE_TRANSPORT": True,
        "TRUSTED_HOSTS": ["example.org", ".localhost"],
    },
    "single use, one socket": {
        "WSGUARD_SINGLE_USE": True,
        "WSGUARD_MAX_CONNECTIONS": 1,
        "WSGUARD_RECHECK_SESSION": False,
    },
    "other names": {"WSGUARD_TOKEN_PARAM": "tok", "WSGUARD_COOKIE_NAME": "tick"},
    "server name": {
        "SERVER_NAME": "example.org",
        "APPLICATION_ROOT": "/mounted",
        "SESSION_COOKIE_PATH": "/",
    },
}


@cache
def twins_of(name: str) -> Twins:
    """Return the pair of this name, built when it is first asked for."""
    return Twins(**SITES[name])


PATHS = [
    *("/echo", "/any", "/ticker", "/anyone", "/forgotten", "/caf\xc3\xa9", "/room/1", "/room/x"),
    *("/slash", "/slash/", "/nowhere", "/", "//echo", "/login", ""),
]
ORIGINS = [
    *(ORIGIN, EVIL, "null", "", None, f"{ORIGIN}:443", "http://example.org", ORIGIN.upper()),
    *("https://shop.partner.example", f"{ORIGIN}, {ORIGIN}", "\xff", "x" * 400),
]
OTHER = {
    "REQUEST_METHOD": ["GET", "HEAD", "POST", "OPTIONS"],
    "SERVER_PROTOCOL": ["HTTP/1.1", "HTTP/1.0"],
    "HTTP_UPGRADE": ["websocket", "Websocket", "h2c", ""],
    "HTTP_CONNECTION": ["Upgrade", "keep-alive, Upgrade", "close", "\xe9"],
    "HTTP_SEC_WEBSOCKET_VERSION": ["13", "8", ""],
    "HTTP_SEC_WEBSOCKET_KEY": ["dGhlIHNhbXBsZSBub25jZQ==", "x", ""],
    "HTTP_SEC_FETCH_SITE": ["same-origin", "cross-site", "none"],
    "HTTP_HOST": ["example.org", "evil.example.net", "", "a b", "[::1"],
    "CONTENT_LENGTH": ["", "0", "5"],
    "wsgi.url_scheme": ["https", "http", "wss"],
    "SCRIPT_NAME": ["", "/mounted", "/mounted/"],
}


def queries(twins: Twins) -> st.SearchStrategy[str]:
    """Return queries near the honest one."""
    param, good = twins.param, f"{twins.param}={twins.token}"
    near = ["", param, f"{param}=", f"{good}&{good}", f"a=1&{good}", good[:-1], good.upper()]
    coded = [f"%{ord(param[0]):X}{good[1:]}", f"{good}&%{ord(param[0]):X}{param[1:]}=x", "%", "a+b"]
    return st.sampled_from(near + coded) | st.text("wsguard_token=&%+5F\xe9", max_size=30)


def cookies(twins: Twins) -> st.SearchStrategy[str | None]:
    """Return Cookie headers near the honest one."""
    own, ticket = twins.session, twins.ticket
    few = ["", None, own, ticket, f"{ticket}x", "wsguard=1", ticket.replace("__Host-Http-", "")]
    many = [f"{twins.cookies}; {ticket}", f"{ticket}; {own}; {own}x", f"{own}; x{ticket}"]
    return st.sampled_from([*few, *many])


def offers(twins: Twins) -> st.SearchStrategy[str]:
    """Return subprotocols, with a token among them or without."""
    good = f"wsguard.token.{twins.token}"
    return st.sampled_from(["chat", good, f"chat, {good}", f"{good}, {good}", f"{good}x"])


def others() -> st.SearchStrategy[dict[str, str]]:
    """Return one or two more headers and variables of the request."""
    drawn = {name: st.sampled_from(values) for name, values in OTHER.items()}
    names = st.lists(st.sampled_from(sorted(OTHER)), min_size=1, max_size=2, unique=True)
    return names.flatmap(lambda some: st.fixed_dictionaries({name: drawn[name] for name in some}))


@st.composite
def handshakes(draw: st.DrawFn) -> tuple[Twins, dict[str, Any]]:
    """Return one pair, and a handshake of its alice that is spoilt in a few places or none."""
    twins = twins_of(draw(st.sampled_from(sorted(SITES))))
    spoilt = {
        # Often the unmarked one: its refusal alone has words of the gate's own.
        "PATH_INFO": st.sampled_from(PATHS) | st.just("/forgotten"),
        "HTTP_ORIGIN": st.sampled_from(ORIGINS),
        "QUERY_STRING": queries(twins),
        "HTTP_COOKIE": cookies(twins),
        OFFER: offers(twins),
    }
    environ = twins.honest()
    for place in draw(st.sets(st.sampled_from([*sorted(spoilt), "others"]), max_size=4)):
        environ |= draw(others()) if place == "others" else {place: draw(spoilt[place])}
    return twins, {name: value for name, value in environ.items() if value is not None}


def agree(handshake: tuple[Twins, dict[str, Any]], listen: bool) -> None:
    """Ask both of a pair, with a receiver of the signal or without: all is the same."""
    twins, environ = handshake
    assert ask(twins.gated, environ, listen) == ask(twins.hooked, environ, listen)


def compare(**how: Any) -> None:
    """Ask as often as the settings say."""
    settings(deadline=None, **how)(given(handshakes(), st.booleans())(agree))()


def test_gate_and_hook_agree_on_whatever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same status, headers and bytes, same signal, same line counted; and the gate did refuse."""
    by_gate: set[Refusal] = set()
    refuse = early._refuse

    def noting(app: Flask, environ: dict[str, Any]) -> Refused | None:
        if refused := refuse(app, environ):
            by_gate.add(refused.reason)
        return refused

    monkeypatch.setattr(early, "_refuse", noting)
    compare(max_examples=500)
    assert by_gate >= {
        Refusal.ORIGIN_NOT_ALLOWED,
        Refusal.TOKEN_MISSING,
        Refusal.TICKET_MISSING,
        Refusal.UNGUARDED_ROUTE,
    }


def judge_otherwise(*request: Any, **how: Any) -> Any:
    """Judge as the gate does, but name the wrong reason."""
    outcome = gate.judge_request(*request, **how)
    return outcome if isinstance(outcome, Accepted) else Refused(Refusal.TOKEN_MISSING)


def but(module: Any, **changed: Any) -> Any:
    """Return what stands for a module, with something else in some places."""
    return SimpleNamespace(**{**vars(module), **changed})


FAULTS: dict[str, tuple[str, Any]] = {
    "tokens stay": ("facts", but(facts, hide_tokens=lambda _: None)),
    "no view is named": ("naming_view", lambda refused, _: refused),
    "the wrong reason": ("gate", but(gate, judge_request=judge_otherwise)),
    "nothing is told": ("gate", but(gate, refuse=lambda *_: False)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_comparison_sees_a_gate_at_fault(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: such a gate is told from the hook."""
    monkeypatch.setattr(early, *FAULTS[fault])
    with pytest.raises(AssertionError):
        compare(max_examples=3000, phases=[Phase.generate], report_multiple_bugs=False)


@pytest.mark.parametrize("name", SITES)
def test_one_twin_has_the_gate_and_the_other_has_not(name: str) -> None:
    """Else the comparison would compare a site with itself; and both accept what is honest."""
    twins = Twins(**SITES[name])
    assert twins.gated.extensions["wsguard"].has_early_gate
    assert not twins.hooked.extensions["wsguard"].has_early_gate
    for app in (twins.gated, twins.hooked):
        assert ask(app, twins.honest()).told == []
