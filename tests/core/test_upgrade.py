"""What a well-formed upgrade is, and that the WebSocket library agrees with every yes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simple_websocket import Server

from flask_wsguard.core.upgrade import Fault, _form_of, fault_of
from flask_wsguard.facts import upgrade_of

from .handshakes import upgrade

GOOD: dict[str, str] = {
    "HTTP_HOST": "example.org",
    "HTTP_CONNECTION": "keep-alive, Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
}

HONEST: dict[str, dict[str, str | None]] = {
    "chromium": {},
    "ie-11": {"upgrade": "Websocket"},
    "upper-case": {"upgrade": "WEBSOCKET", "connection": "UPGRADE"},
    "firefox": {"connection": "keep-alive, Upgrade"},
    "no-extensions": {"extensions": None},
    "unknown-extension": {"extensions": "x-webkit-deflate-frame"},
    "two-offers": {"extensions": "permessage-deflate; client_max_window_bits, permessage-deflate"},
    "bits": {"extensions": "permessage-deflate; server_max_window_bits=10"},
    "length-0": {"length": "0"},
    "subprotocols": {"subprotocols": "chat, superchat"},
    "port": {"host": "example.org:8443"},
    "ipv6": {"host": "[::1]:5000"},
    "punycode": {"host": "xn--bcher-kva.example"},
    "tab-in-a-value": {"HTTP_COOKIE": "theme=a\tb"},
    "latin-1-in-a-value": {"HTTP_COOKIE": "theme=caf\xe9\x85"},
}


@pytest.mark.parametrize("changes", HONEST.values(), ids=HONEST)
def test_honest_upgrade_has_no_fault(changes: dict[str, str | None]) -> None:
    """What browsers send, IE 11 included."""
    assert fault_of(upgrade(**changes)) is None


GET = "an upgrade is a GET of HTTP/1.1"
BODY = "an upgrade has no body"
VERSION = "Sec-WebSocket-Version is not 13"
KEY = "Sec-WebSocket-Key is not 16 bytes in base64"
HOST = "Host is missing or not a host name"
ASCII = "a header that must be ASCII is not"
BYTE = "a header has a name or a byte that HTTP forbids"
DEFLATE = "a permessage-deflate offer that RFC 7692 forbids"
FAULTS: dict[str, tuple[dict[str, str | None], str, int]] = {
    "post": ({"method": "POST"}, GET, 400),
    "head": ({"method": "HEAD"}, GET, 400),
    "http-1.0": ({"protocol": "HTTP/1.0"}, GET, 400),
    "http-2": ({"protocol": "HTTP/2"}, GET, 400),
    "body": ({"length": "5"}, BODY, 400),
    "length-as-a-header": ({"HTTP_CONTENT_LENGTH": "0"}, BODY, 400),
    "chunked-body": ({"HTTP_TRANSFER_ENCODING": "chunked"}, BODY, 400),
    "no-upgrade": ({"upgrade": None}, "Upgrade is not websocket", 400),
    "h2c": ({"upgrade": "h2c"}, "Upgrade is not websocket", 400),
    "two-upgrades": ({"upgrade": "websocket,h2c"}, "Upgrade is not websocket", 400),
    "no-connection": ({"connection": None}, "Connection does not say upgrade", 400),
    "close": ({"connection": "close"}, "Connection does not say upgrade", 400),
    "control-byte-first": ({"connection": "\x1fUpgrade"}, "Connection does not say upgrade", 400),
    "not-upgrade": ({"connection": "not-upgrade"}, "Connection does not say upgrade", 400),
    "upgrade-in-a-word": ({"connection": "XUpgrade"}, "Connection does not say upgrade", 400),
    "no-version": ({"version": None}, VERSION, 400),
    "empty-version": ({"version": ""}, VERSION, 400),
    "version-8": ({"version": "8"}, VERSION, 426),
    "version-list": ({"version": "13, 8"}, VERSION, 426),
    "version-013": ({"version": "013"}, VERSION, 426),
    "no-key": ({"key": None}, KEY, 400),
    "empty-key": ({"key": ""}, KEY, 400),
    "short-key": ({"key": "dGhlIHNhbXBsZQ=="}, KEY, 400),
    "long-key": ({"key": "dGhlIHNhbXBsZSBub25jZSBsb25n"}, KEY, 400),
    "two-keys": ({"key": "dGhlIHNhbXBsZSBub25jZQ==,dGhlIHNhbXBsZSBub25jZQ=="}, KEY, 400),
    "key-not-base64": ({"key": "dGhlIHNhbXBsZSBub25j!Q=="}, KEY, 400),
    "key-not-ascii": ({"key": "dGhlIHNhbXBsZSBub25j\xe9Q=="}, KEY, 400),
    "key-newline": ({"key": "dGhlIHNhbXBsZSBub25jZQ==\n"}, KEY, 400),
    "no-host": ({"host": None}, HOST, 400),
    "empty-host": ({"host": ""}, HOST, 400),
    "host-not-ascii": ({"host": "b\xfccher.example"}, HOST, 400),
    "host-bad-punycode": ({"host": "xn--\x80.example".replace("\x80", "a-\u007f")}, HOST, 400),
    "host-empty-punycode": ({"host": "xn--.example"}, HOST, 400),
    "connection-not-ascii": ({"connection": "upgrade, \xe9"}, ASCII, 400),
    "subprotocol-not-ascii": ({"subprotocols": "ch\xe4t"}, ASCII, 400),
    "extension-not-ascii": ({"extensions": "perm\xe9ssage"}, ASCII, 400),
    "header-name-with-space": ({"HTTP_X Y@Z": "1"}, BYTE, 400),
    "header-name-empty": ({"HTTP_": "1"}, BYTE, 400),
    "header-name-not-ascii": ({"HTTP_\xc9": "1"}, BYTE, 400),
    "header-name-of-two-lines": ({"HTTP_A\nB": "1"}, BYTE, 400),
    "nul-in-a-value": ({"HTTP_COOKIE": "a\x00b"}, BYTE, 400),
    "newline-in-a-value": ({"HTTP_COOKIE": "a\nb"}, BYTE, 400),
    "carriage-return-in-a-value": ({"HTTP_COOKIE": "a\rb"}, BYTE, 400),
    "vertical-tab-in-a-value": ({"HTTP_COOKIE": "a\x0bb"}, BYTE, 400),
    "form-feed-in-a-value": ({"HTTP_COOKIE": "a\x0cb"}, BYTE, 400),
    "bits-without-number": ({"extensions": "permessage-deflate; client_max_window_bits="},
                            DEFLATE, 400),
    "bits-text": ({"extensions": "permessage-deflate; server_max_window_bits=abc"}, DEFLATE, 400),
    "bits-arabic": ({"extensions": "permessage-deflate; server_max_window_bits=1e1"},
                    DEFLATE, 400),
    "bits-of-5000-digits": (
        {"extensions": "permessage-deflate; client_max_window_bits=" + "9" * 5000}, DEFLATE, 400),
    "second-offer": (
        {"extensions": "permessage-deflate, permessage-deflate; client_max_window_bits=x"},
        DEFLATE, 400),
    "unknown-parameter": ({"extensions": "permessage-deflate; x=1"}, DEFLATE, 400),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "text", "status"), FAULTS.values(), ids=FAULTS)
def test_fault_is_named(changes: dict[str, str | None], text: str, status: int) -> None:
    """One fault in an otherwise good upgrade, and the status it is answered with."""
    assert fault_of(upgrade(**changes)) == Fault(text, status)


# The differential test: whatever passes, the library takes without raising.


class _NoThread:
    """In place of the library's reading thread: only the handshake is of interest."""

    name = ""

    def __init__(self, target: Any) -> None:
        pass

    def start(self) -> None:
        pass


@pytest.fixture(scope="module")
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def library_answer(environ: dict[str, Any], sockets: tuple[socket.socket, socket.socket]) -> bytes:
    """Let the library shake hands on an environ; return what it wrote."""
    ours, theirs = sockets
    Server({**environ, "werkzeug.socket": theirs}, thread_class=_NoThread)
    return ours.recv(1 << 16)


def environ(**headers: str | None) -> dict[str, Any]:
    values = {**GOOD, **headers}
    return {
        "REQUEST_METHOD": "GET",
        "SERVER_PROTOCOL": "HTTP/1.1",
        **{name: value for name, value in values.items() if value is not None},
    }


DEFLATE_OFFERS = [
    "permessage-deflate",
    "permessage-deflate;",
    " permessage-deflate ;client_max_window_bits=-1",
    "PERMESSAGE-DEFLATE; client_max_window_bits=x",
    "permessage-deflatex; client_max_window_bits=x",
    "permessage-deflate\x1f; client_max_window_bits=x",
    "\x1cpermessage-deflate; client_max_window_bits=x",
    "\x85permessage-deflate",
    "x, permessage-deflate; server_max_window_bits=z",
    *(
        f"permessage-deflate; client_max_window_bits{value}"
        for value in ("", "=8", "=0", "=x", '="9"', "x=a", "=1_0", "=\x1f9", "=9\x1d", "=\u0665")
    ),
    *(
        f"permessage-deflate; server_max_window_bits{value}"
        for value in ("", "=99", "=", "=x", "==9", " = 9 ; server_no_context_takeover")
    ),
    *(",,,", ";", "=", "\xe9", 'x;y="a,b"'),
]
NASTY: list[tuple[str, str]] = [
    *(("HTTP_HOST", value) for value in (
        "", "a", "xn--", "xn--.x", "xn--a", "xn--99999999", "xn--\u007f", "XN--BCHER-KVA.x", "a..b",
        ".", "a" * 64 + ".org", "a" * 300, "b\xfccher", "[::1]:99", "a b", "a\tb", "-", "\x7f", "*",
        "xn--bcher-kva" * 9, "xn--a" + "\xdf", "example.org:99999999", "\u20acx")),
    *(("HTTP_CONNECTION", value) for value in (
        "upgrade", "Upgrade,close", "close, Upgrade", "upgrade,,", " upgrade ", "upgrade;q=1",
        "Upgrade,Upgrade", "keep-alive", "\tupgrade\t", "upgrade, \xe9", "upgrade,\x1f",
        "\x85upgrade", "upgrade\xa0")),
    *(("HTTP_UPGRADE", value) for value in (
        "websocket", "Websocket", "websocket ", "websocket, h2c", "web\xadsocket", "")),
    *(("HTTP_SEC_WEBSOCKET_KEY", value) for value in (
        "", "x", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", "=" * 24, "A" * 22 + "==",
        "\xe9" * 24, " dGhlIHNhbXBsZSBub25jZQ==")),
    *(("HTTP_SEC_WEBSOCKET_VERSION", value) for value in ("13", "8", "", "13 ", " 13", "13,13")),
    *(("HTTP_SEC_WEBSOCKET_EXTENSIONS", value) for value in DEFLATE_OFFERS),
    *(("HTTP_SEC_WEBSOCKET_PROTOCOL", value) for value in (
        "chat", "chat, superchat", "", ",", "ch\xe4t", "\x01", "a" * 9000)),
    *(("HTTP_COOKIE", value) for value in (
        "a=b", "a=\xe9", "a=\x01", "a=\x00", "a=\r\nX: y", "a=\x0b", "a=\x0c", "a=\x1c", "a=\x7f",
        "a=\x85", "\xa0", " lead", "trail ", "\t", "", "a" * 20000)),
    *(("HTTP_CONTENT_LENGTH", value) for value in ("0", "5", "x", "", "1,1", "-1")),
    *(("HTTP_TRANSFER_ENCODING", value) for value in ("chunked", "identity", "")),
    *(("HTTP_EXPECT", value) for value in ("100-continue", "x")),
    ("HTTP_", "x"), ("HTTP_A B", "x"), ("HTTP_A:B", "x"), ("HTTP_\xc9", "x"), ("HTTP_A\n", "x"),
    ("HTTP_X__Y", "x"), ("HTTP__", "x"), ("HTTP_A(B", "x"), ("HTTP_X.Y", "x"), ("HTTP_!", "x"),
    ("HTTP_PROXY", "x"), ("HTTP_HTTP2_SETTINGS", "AAA"), ("HTTP_TE", "trailers"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    NASTY,
    ids=[f"{name!a}-{value[:40]!a}".replace("\\", "") for name, value in NASTY],
)
def test_library_takes_whatever_passes(
    name: str, value: str, sockets: tuple[socket.socket, socket.socket]
) -> None:
    """An exception in there is a 500 and a traceback for whoever sends garbage."""
    request = environ(**{name: value})
    if fault_of(upgrade_of(request)) is None:
        assert library_answer(request, sockets).startswith(b"HTTP/1.1 101 ")


def test_library_raises_on_garbage_that_the_guard_keeps_out(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    """The control: without the check these are a 500 and a traceback."""
    garbage = [
        {"HTTP_SEC_WEBSOCKET_KEY": None},
        {"HTTP_SEC_WEBSOCKET_VERSION": "8"},
        {"HTTP_HOST": None},
        {"HTTP_SEC_WEBSOCKET_PROTOCOL": "ch\xe4t"},
        {"HTTP_SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate; client_max_window_bits=x"},
        {"HTTP_COOKIE": "a=\x00"},
    ]
    for headers in garbage:
        request = environ(**headers)
        assert fault_of(upgrade_of(request)) is not None
        with pytest.raises(Exception):  # noqa: B017, PT011 - each raises something else
            library_answer(request, sockets)


NAMES = sorted({name for name, _ in NASTY if name.isascii() and name.replace("_", "").isalpha()})
BYTES = st.text(st.characters(max_codepoint=255), max_size=60)
VALUES = st.one_of(
    BYTES,
    st.sampled_from([value for _, value in NASTY]),
    st.builds(str.__add__, st.sampled_from([value for _, value in NASTY]), BYTES),
    st.lists(
        st.sampled_from(
            ["permessage-deflate", "client_max_window_bits", "server_max_window_bits", ";", ",",
             "=", " ", "9", "15", "16", "client_no_context_takeover", "x", "\t", "\x1f", "\xa0"]
        ), max_size=10,
    ).map("".join),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(headers=st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1, max_size=3))
def test_library_takes_whatever_passes_of_random_headers(headers: dict[str, str]) -> None:
    """The same over combinations that nobody wrote down."""
    request = environ(**headers)
    if fault_of(upgrade_of(request)) is None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert library_answer(request, (ours, theirs)).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("where", ["names", "values"])
def test_long_forms_are_judged_and_not_kept(where: str) -> None:
    """Strangers choose them: a hundred header lines of 8 KB each, by the hundred, would stay."""
    _form_of.cache_clear()
    long = "A" * 8000
    extra = {f"HTTP_{long}": "x"} if where == "names" else {"HTTP_SEC_WEBSOCKET_EXTENSIONS": long}
    assert fault_of(upgrade_of(environ(**extra))) is None
    assert fault_of(upgrade_of(environ(**extra, HTTP_UPGRADE="no"))) is not None
    assert _form_of.cache_info().currsize == 0
    assert fault_of(upgrade_of(environ())) is None
    assert _form_of.cache_info().currsize == 1  # the control
