"""What the operator reads, what an audit hears, and what neither ever gets to see."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask

from flask_wsguard import (
    Refusal,
    handshake_accepted,
    handshake_refused,
    preauth_granted,
    preauth_refused,
    reports,
)
from flask_wsguard.core.refusals import Refused
from flask_wsguard.reports import RefusalLog, printable, sentence

from .core.test_handshake import GOOD_TOKEN
from .sites import make_site
from .test_guard import ATTACKS
from .visitor import ORIGIN, UPGRADE, Visitor


@pytest.fixture
def alice(caplog: pytest.LogCaptureFixture) -> Visitor:
    caplog.set_level(logging.DEBUG)
    visitor = Visitor(make_site())
    visitor.log_in("alice")
    return visitor


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "flask_wsguard" and "hands no socket" not in record.getMessage()
    ]


# Log lines.


def test_accepted_handshake_is_one_info_line(
    alice: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """Which socket, for whom, from where."""
    alice.connect("/any", alice.token("/any"))
    alice.connect("/ticker")
    assert lines(caplog) == [
        ("INFO", "handshake accepted: /any for alice from Origin https://example.org"),
        ("INFO", "handshake accepted: /ticker for the public from Origin https://example.org"),
    ]


def test_refused_handshake_is_one_warning_that_can_be_acted_on(
    alice: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """What came, why it was refused, what to change."""
    alice.connect("/any", headers={"Origin": "https://evil.example.net"})
    assert lines(caplog) == [
        (
            "WARNING",
            "handshake refused: origin_not_allowed on /any from Origin https://evil.example.net: "
            "Pages of this Origin may not connect. (Origin 'https://evil.example.net', request to "
            "https://example.org) If the page is yours, list its origin in "
            "WSGUARD_ALLOWED_ORIGINS.",
        )
    ]


def test_refused_preauth_is_one_warning(alice: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    """The same form, and it says that it was preauth."""
    alice.preauth("/nothing", origin=None, headers={"Referer": f"{ORIGIN}/"})
    assert lines(caplog) == [
        (
            "WARNING",
            "preauth refused: unknown_path on /nothing from Origin https://example.org: No "
            "WebSocket route serves this path. (no WebSocket route matches '/nothing': compare "
            "every slash; behind a proxy that cuts a prefix off apply ProxyFix(x_prefix=1)) Send "
            "the pathname of the socket's URL, as the browser spells it.",
        )
    ]


def test_scheme_mismatch_names_the_proxy_and_both_values(
    alice: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """The first thing that goes wrong behind a TLS proxy."""
    alice.connect("/any", base_url="http://example.org")
    ((_, line),) = lines(caplog)
    assert "request to http://example.org, Origin 'https://example.org'" in line
    assert "ProxyFix(x_proto=1, x_host=1)" in line
    assert "WSGUARD_ALLOW_INSECURE_TRANSPORT = True" in line


def test_missing_origin_is_written_as_none(
    alice: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """Absent and the four letters of null are told apart."""
    alice.connect("/any", headers={"Origin": None})
    ((_, line),) = lines(caplog)
    assert "from Origin (none): The request names no Origin. (absent)" in line


HOSTILE_ORIGINS = {
    "newline": "https://evil\r\nWARNING forged line",
    "escape": "https://evil\x1b[2J",
    "latin-1": "https://\xe9vil",
    "line-separator": "https://evil\x85x",
    "long": "https://" + "e" * 5000,
}


@pytest.mark.parametrize("origin", HOSTILE_ORIGINS.values(), ids=HOSTILE_ORIGINS)
def test_hostile_origin_cannot_break_a_log_line(
    alice: Visitor, caplog: pytest.LogCaptureFixture, origin: str
) -> None:
    """Printable ASCII in one line of bounded length, whatever came."""
    overrides = {"environ_overrides": {"HTTP_ORIGIN": origin}}
    alice.connect("/any", **overrides)
    alice.connect("/caf%C3%A9", token="junk")
    alice.preauth("/any\u2028\n\x07", **overrides)
    alice.preauth(f"/{'x' * 3000}")
    written = [line for _, line in lines(caplog)]
    assert len(written) == 4
    for line in written:
        assert line.isascii()
        assert line.isprintable()
        assert len(line) < 3000


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (None, "(none)"),
        ("", ""),
        ("plain", "plain"),
        ("a\nb\r", "a\\nb\\r"),
        ("\x00\x1b", "\\x00\\x1b"),
        ("\u00e9\u2028\U0001f600", "\\xe9\\u2028\\U0001f600"),
        ("\ud800", "\\ud800"),
        ("back\\slash", "back\\\\slash"),
        ("x" * 601, "x" * 600 + "..."),
    ],
)
def test_printable(text: str | None, written: str) -> None:
    """Control and foreign characters are escaped, and the length is bounded."""
    assert printable(text) == written


def test_sentence_leaves_out_what_was_not_seen() -> None:
    """No empty brackets."""
    assert sentence(Refused(Refusal.LOGIN_REQUIRED)) == (
        "Nobody is logged in. Log in, then try again."
    )


def test_no_token_and_no_cookie_in_any_log_record(
    alice: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """Over the whole table of attacks: a token not yet spent in a log is a way in."""
    token = alice.token("/echo")
    for _, how in ATTACKS.values():
        how = dict(how)
        if "query" in how:
            how["query"] = how["query"].format(token)
        alice.connect(how.pop("path", "/echo"), how.pop("token", token), **how)
    secrets = [token, token.split(".")[1], *alice.cookies().values()]
    secrets += [name for name in alice.cookies() if "wsguard-" in name]
    cookies = "; ".join(f"{name}=x; {name}={value}" for name, value in alice.cookies().items())
    alice.connect("/echo", token, cookies=cookies)
    alice.connect("/echo", token)
    alice.log_out()
    assert len(lines(caplog)) >= len(ATTACKS) / 2
    for record in caplog.records:
        text = f"{record.getMessage()} {record.args!r} {record.__dict__.get('exc_text')}"
        assert not [secret for secret in secrets if secret in text]
    assert GOOD_TOKEN not in caplog.text


@pytest.mark.parametrize("where", ["path", "Origin", "Sec-Fetch-Site", "Content-Type"])
@pytest.mark.parametrize("kind", ["token", "ticket"])
def test_credential_where_it_does_not_belong_is_in_no_log_line(
    alice: Visitor, caplog: pytest.LogCaptureFixture, where: str, kind: str
) -> None:
    """A developer who asks preauth for the whole URL would log a token not yet spent."""
    token = alice.token("/echo")
    ticket = next(value for name, value in alice.cookies().items() if "wsguard-" in name)
    secret = {"token": token, "ticket": ticket}[kind]
    if where == "path":
        alice.preauth(f"/echo?wsguard_token={secret}")
    else:
        alice.preauth("/echo", headers={where: f"https://{secret}"}, origin=None)
        alice.connect("/echo", headers={where: f"https://{secret}"})
    assert lines(caplog)
    assert secret not in caplog.text
    assert secret.split(".")[1] not in caplog.text


# Counted, not repeated.


class Seconds:
    """The monotonic clock of the log, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(reports.time, "monotonic", lambda: self.now)


def test_repeated_refusals_are_counted_not_repeated(
    alice: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """The 1st, 10th and 100th time are lines of their own."""
    for _ in range(150):
        alice.connect("/any")
    written = [line for _, line in lines(caplog)]
    assert len(written) == 3
    assert "times within" not in written[0]
    assert written[1].endswith("[10 times within 60 s]")
    assert written[2].endswith("[100 times within 60 s]")


def test_kinds_and_origins_are_counted_apart(
    alice: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """A flood from one origin hides no other's refusal, nor another reason."""
    for _ in range(3):
        alice.connect("/any")
        alice.connect("/any", token="junk")
        alice.connect("/any", headers={"Origin": "https://evil.example.net"})
        alice.connect("/any", headers={"Origin": "https://evil.example.com"})
        alice.preauth(origin="https://evil.example.net")
    assert len(lines(caplog)) == 5


def test_next_window_sums_up_what_stayed_unsaid(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first refusal after a minute tells how many were not written."""
    clock, log = Seconds(monkeypatch), RefusalLog()
    refused = Refused(Refusal.TOKEN_MISSING)
    for _ in range(12):
        log.write("handshake", refused, "/a", ORIGIN)
    clock.now += 60.0
    log.write("handshake", refused, "/a", ORIGIN)
    clock.now += 0.5
    log.write("handshake", refused, "/a", ORIGIN)
    written = [line for _, line in lines(caplog)]
    assert len(written) == 5
    assert written[2:4] == [
        "11 more refusals in the last period were counted, not written",
        "among them 11 times: handshake refused: token_missing from Origin https://example.org",
    ]
    assert "times within" not in written[4]
    clock.now += 61.0
    log.write("handshake", refused, "/a", ORIGIN)
    assert len(lines(caplog)) == 6


def test_sum_names_what_came_most(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Three kinds; what was written in full is none of them."""
    clock, log = Seconds(monkeypatch), RefusalLog()
    for times, origin in ((1, "once"), (2, "twice"), (101, "often"), (4, "\n"), (3, None)):
        for _ in range(times):
            log.write("preauth", Refused(Refusal.NOT_JSON), "/", origin)
    clock.now += 61.0
    log.write("handshake", Refused(Refusal.TOKEN_MISSING), "/", "new")
    written = [line for _, line in lines(caplog)]
    assert written[-5:-1] == [
        "104 more refusals in the last period were counted, not written",
        "among them 98 times: preauth refused: not_json from Origin often",
        "among them 3 times: preauth refused: not_json from Origin \\n",
        "among them 2 times: preauth refused: not_json from Origin (none)",
    ]


def test_origins_past_a_thousand_share_one_count(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The hostile side picks its Origin: neither memory nor disk is its to fill."""
    Seconds(monkeypatch)
    log = RefusalLog()
    refused = Refused(Refusal.ORIGIN_NOT_ALLOWED)
    for number in range(5000):
        log.write("handshake", refused, "/a", f"https://evil{number}.example")
    assert len(log._counts) == 1001
    # A thousand origins one line each, the four thousand others at 1, 10, 100 and 1,000.
    assert len(lines(caplog)) == 1004
    log.write("handshake", refused, "/a", "https://evil7.example")
    assert len(log._counts) == 1001


# Signals.


def test_every_signal_carries_its_facts(alice: Visitor) -> None:
    """The sender is the app; the facts are those that the module documents."""
    heard: list[tuple[str, Any, dict[str, Any]]] = []

    def listen(name: str) -> Any:
        return lambda sender, **facts: heard.append((name, sender, facts))

    receivers = {
        "granted": (preauth_granted, listen("granted")),
        "preauth": (preauth_refused, listen("preauth")),
        "accepted": (handshake_accepted, listen("accepted")),
        "refused": (handshake_refused, listen("refused")),
    }
    for signal, receiver in receivers.values():
        signal.connect(receiver)
    token = alice.token("/any")
    alice.preauth("/nothing")
    headers = {"Origin": ORIGIN}
    alice.client.get(f"/any?wsguard_token={token}", base_url=ORIGIN, headers={**UPGRADE, **headers})
    alice.client.get("/any", base_url=ORIGIN, headers={**UPGRADE, **headers})
    for signal, receiver in receivers.values():
        signal.disconnect(receiver)
    assert [(name, sender) for name, sender, _ in heard] == [
        (name, alice.app) for name in ("granted", "preauth", "accepted", "refused")
    ]
    granted, preauth, accepted, refused = (facts for _, _, facts in heard)
    assert granted == {"path": "/any", "user_id": "alice", "origin": ORIGIN}
    assert preauth == {
        "reason": Refusal.UNKNOWN_PATH,
        "detail": "no WebSocket route matches '/nothing': compare every slash; behind a proxy that "
        "cuts a prefix off apply ProxyFix(x_prefix=1)",
        "path": "/nothing",
        "origin": ORIGIN,
    }
    ticket = accepted.pop("ticket")
    assert (ticket.user_id, ticket.id) == ("alice", token.split(".")[1])
    assert accepted == {"path": "/any", "origin": ORIGIN}
    assert refused == {
        "reason": Refusal.TOKEN_MISSING,
        "detail": "",
        "path": "/any",
        "origin": ORIGIN,
        "observed": False,
    }


def test_receiver_that_raises_changes_nothing(
    alice: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """An audit that is down is logged; the verdict and the other receivers stand."""
    heard: list[Any] = []

    def broken(sender: Flask, **facts: Any) -> None:
        raise OSError("audit down")

    def working(sender: Flask, **facts: Any) -> None:
        heard.append(facts["path"])

    signals = [preauth_granted, preauth_refused, handshake_accepted, handshake_refused]
    for signal in signals:
        signal.connect(broken)
        signal.connect(working)
    try:
        token = alice.token("/any")
        assert alice.preauth("/nothing").status_code == 404
        assert alice.connect("/any", token).reason is None
        assert alice.connect("/any").reason == "token_missing"
    finally:
        for signal in signals:
            signal.disconnect(broken)
            signal.disconnect(working)
    assert heard == ["/any", "/nothing", "/any", "/any"]
    logged = [line for level, line in lines(caplog) if level == "ERROR"]
    assert logged == [
        "a receiver of wsguard-preauth-granted raised",
        "a receiver of wsguard-preauth-refused raised",
        "a receiver of wsguard-handshake-accepted raised",
        "a receiver of wsguard-handshake-refused raised",
    ]
