"""No log record keeps a token, wherever it carries it; the control has no filter."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import secrets
import sys
from datetime import timedelta
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
from flask import Flask
from gunicorn.config import Config
from gunicorn.glogging import SafeAtoms
from werkzeug.datastructures import ImmutableMultiDict, MultiDict

from flask_wsguard.core.tickets import Keys, Token, new_id
from flask_wsguard.ops.logs import GunicornLogger
from flask_wsguard.redaction import ACCESS_AND_ERROR_LOGS, TokenFilter, filter_logs, redact
from tests.sites import make_site

TOKEN = Keys(["a key"]).mint_token(Token(new_id(), "b" * 22, 1_800_000_000, 1_800_000_030))
SECRET = TOKEN.rpartition(".")[2]
URL = f"/echo?room=1&wsguard_token={TOKEN}&x=2"


class Request:
    """An object whose text holds a token, as Werkzeug's requests do."""

    method = "GET"

    def __repr__(self) -> str:
        return f"<Request '{URL}'>"


class Grumpy:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.fixture
def lines() -> tuple[logging.Logger, io.StringIO]:
    """Return a logger without a filter and what it wrote."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.Logger("tests.redaction")
    logger.addHandler(handler)
    return logger, stream


def raise_with_url() -> None:
    try:
        raise LookupError(URL)
    except LookupError as fault:
        raise ValueError("no room") from fault


def hear_cleaned(logger: logging.Logger) -> list[logging.LogRecord]:
    """Return the list to which the logger's records come, cleaned, and which no line shows."""
    records: list[logging.LogRecord] = []
    logger.addFilter(TokenFilter())
    logger.addFilter(lambda record: not records.append(record))
    return records


CARRIED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "in the message": (f"GET {URL}", ()),
    "in an argument": ("GET %s", (URL,)),
    "in one of several arguments": ("%s %d %s", ("GET", 403, URL)),
    "in an object": ("%s", (Request(),)),
    "in an object's repr": ("%r", (Request(),)),
    "in a list": ("%s", ([URL],)),
    "in bytes": ("%s", (URL.encode(),)),
    "in a dictionary": ("%(q)s", ({"q": URL},)),
    "in a dictionary of dictionaries": ("%(q)s %(inner)s", ({"q": URL, "inner": {"q": URL}},)),
    "in a mapping that takes no writes": ("%(q)s", (MappingProxyType({"q": URL}),)),
    "in gunicorn's atoms": ('"%(r)s" %(missing)s', (SafeAtoms({"r": URL, "D": 1}),)),
    "name and value apart": ("?wsguard_token=%s", (TOKEN,)),
    "an odd value apart": ("?wsguard_token=%s", (f"%74{TOKEN[1:]}",)),
    "the name percent-encoded": (f"?wsguard%5Ftoken={TOKEN}", ()),
    "name and value percent-encoded": (f"?%77sguard%5ftoken=%74{TOKEN[1:]}", ()),
    "inside another URL": ("%s", (f"/login?next=%2Fecho%3Fwsguard_token%3D{TOKEN}",)),
    "in a subprotocol": ("%s", (f"Sec-WebSocket-Protocol: chat, wsguard.{TOKEN}",)),
    "in JSON": ("%s", (f'{{"token": "{TOKEN}"}}',)),
    "in colour": (f"\x1b[31m{TOKEN}\x1b[0m", ()),
    "in a cookie's neighbour": ("%s", (f"a={TOKEN}; b=c",)),
}


@pytest.mark.parametrize("carried", CARRIED)
def test_token_is_gone_from_the_line(
    carried: str, lines: tuple[logging.Logger, io.StringIO]
) -> None:
    """The control writes it, the filter writes a mark in its place."""
    logger, stream = lines
    message, arguments = CARRIED[carried]
    logger.warning(message, *arguments)
    assert SECRET in stream.getvalue()
    stream.truncate(0)
    logger.addFilter(TokenFilter())
    logger.warning(message, *arguments)
    assert SECRET not in stream.getvalue()
    assert "[redacted]" in stream.getvalue()


def test_the_rest_of_the_line_stays() -> None:
    """An operator still sees what was asked for."""
    assert redact(f'"GET {URL} HTTP/1.1" 403') == (
        '"GET /echo?room=1&wsguard_token=[redacted]&x=2 HTTP/1.1" 403'
    )
    assert redact(f"chat, wsguard.{TOKEN}") == "chat, wsguard.[redacted]"
    assert redact("/echo?wsguard_tokens=1&t1.txt") == "/echo?wsguard_tokens=1&t1.txt"


def test_exception_is_cleaned_with_its_causes(
    lines: tuple[logging.Logger, io.StringIO],
) -> None:
    """Tracebacks show messages; one without a token keeps its exc_info for other tools."""
    logger, stream = lines
    records = hear_cleaned(logger)
    try:
        raise_with_url()
    except ValueError:
        logger.exception("crashed")
    said = stream.getvalue()
    assert SECRET not in said
    assert "LookupError: /echo?room=1&wsguard_token=[redacted]&x=2" in said
    assert "ValueError: no room" in said
    try:
        raise KeyError("harmless")
    except KeyError:
        logger.exception("crashed")
    logger.error("no exception at all", exc_info=True)
    assert records[0].exc_info is None
    assert records[1].exc_info is not None
    assert records[1].exc_info[0] is KeyError


def test_stack_and_extra_fields_are_cleaned(lines: tuple[logging.Logger, io.StringIO]) -> None:
    """What JSON formatters read beside the message."""
    logger, _ = lines
    records = hear_cleaned(logger)
    atoms = {"q": f"wsguard_token={TOKEN}", "status": 403}
    logger.warning("refused", atoms, extra={"url": URL, "environ": {"QUERY_STRING": URL}})
    (record,) = records
    assert SECRET not in repr(vars(record))
    assert record.args == {"q": "wsguard_token=[redacted]", "status": 403}
    assert atoms["q"] == f"wsguard_token={TOKEN}"


class Place(NamedTuple):
    """What a list of its fields does not make."""

    url: str
    status: int


def own_knot() -> dict[str, Any]:
    knot: dict[str, Any] = {"url": URL}
    knot["self"] = knot
    return knot


CLEAN_URL = "/echo?room=1&wsguard_token=[redacted]&x=2"
CLEAN_REQUEST = f"<Request '{CLEAN_URL}'>"

EXTRA: dict[str, tuple[Any, Any]] = {
    "two levels, as ECS has them": (
        {"request": {"url": URL, "method": "GET"}},
        {"request": {"url": CLEAN_URL, "method": "GET"}},
    ),
    "five levels": ({1: {2: {3: {4: {5: URL}}}}}, {1: {2: {3: {4: {5: CLEAN_URL}}}}}),
    "a list": ([URL, 403], [CLEAN_URL, 403]),
    "a list in a dictionary": ({"urls": [URL]}, {"urls": [CLEAN_URL]}),
    "a dictionary in a list": ([{"url": URL}], [{"url": CLEAN_URL}]),
    "a tuple": ((URL, None), (CLEAN_URL, None)),
    "a set": ({URL}, {CLEAN_URL}),
    "a named tuple": (Place(URL, 403), f"Place(url='{CLEAN_URL}', status=403)"),
    "an object": (Request(), CLEAN_REQUEST),
    "an object in a dictionary": ({"request": Request()}, {"request": CLEAN_REQUEST}),
    "an object in a list": ([Request()], [CLEAN_REQUEST]),
    "bytes": (URL.encode(), f"b'{CLEAN_URL}'"),
    "a key": ({URL: 1, "n": 2}, {CLEAN_URL: 1, "n": 2}),
    "a mapping that takes no writes": (MappingProxyType({"q": URL}), {"q": CLEAN_URL}),
    "a dictionary that takes no writes": (
        ImmutableMultiDict([("a", "1"), ("q", TOKEN)]),
        {"a": "1", "q": "[redacted]"},
    ),
    "a second value": (MultiDict([("a", "1"), ("a", TOKEN)]), {"a": "1"}),
    "what holds itself": (
        own_knot(),
        {"url": CLEAN_URL, "self": f"{{'url': '{CLEAN_URL}', 'self': {{...}}}}"},
    ),
}


@pytest.mark.parametrize("extra", EXTRA)
def test_extra_field_is_cleaned_however_deep(
    extra: str, lines: tuple[logging.Logger, io.StringIO]
) -> None:
    """What a formatter of JSON would write out; the caller's own stays as it was."""
    logger, _ = lines
    given, expected = EXTRA[extra]
    before = repr(given)
    records: list[logging.LogRecord] = []
    logger.addFilter(lambda record: not records.append(record))
    logger.warning("refused", extra={"field": given})
    assert SECRET in repr(vars(records[0])["field"])
    logger.filters.insert(0, TokenFilter())
    logger.warning("refused", extra={"field": given})
    cleaned = vars(records[1])["field"]
    assert cleaned == expected
    assert SECRET not in repr(cleaned) + json.dumps(cleaned, default=list)
    assert repr(given) == before


def test_extra_field_without_a_token_is_the_callers_own(
    lines: tuple[logging.Logger, io.StringIO],
) -> None:
    """A handler may want the object; nothing is copied in vain."""
    logger, _ = lines
    records = hear_cleaned(logger)
    nested = {"a": [1, {"b": ("c", 2.5, None)}]}
    for field in (nested, ["d"], object(), MultiDict({"a": "1"}), Grumpy()):
        logger.warning("refused", extra={"field": field})
        assert vars(records.pop())["field"] is field


def test_object_whose_text_is_cleaned_still_has_its_attributes(
    lines: tuple[logging.Logger, io.StringIO],
) -> None:
    """Or a token in a URL would keep its sender out of a log that names record.request.method."""
    logger, stream = lines
    logger.handlers[0].setFormatter(
        logging.Formatter("{request.method} {request} {request!r}", style="{")
    )
    records: list[logging.LogRecord] = []
    logger.addFilter(TokenFilter())
    logger.addFilter(lambda record: not records.append(record) or True)
    logger.warning("refused", extra={"request": Request()})
    assert stream.getvalue() == f"GET {CLEAN_REQUEST} {CLEAN_REQUEST}\n"
    request = vars(records[0])["request"]
    with pytest.raises(AttributeError):
        _ = request.nothing
    again = pickle.loads(pickle.dumps(request))
    assert (type(again), again) == (str, CLEAN_REQUEST)


def test_environment_of_the_process_is_not_written(
    lines: tuple[logging.Logger, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of os.environ writes to the same environment."""
    logger, _ = lines
    records: list[logging.LogRecord] = []
    monkeypatch.setenv("QUERY_STRING", URL)
    logger.addFilter(TokenFilter())
    logger.addFilter(lambda record: not records.append(record))
    logger.warning("%(QUERY_STRING)s", os.environ, extra={"field": os.environ})
    assert os.environ["QUERY_STRING"] == URL
    assert vars(records[0])["field"]["QUERY_STRING"] == CLEAN_URL
    assert records[0].getMessage() == CLEAN_URL


def test_query_of_a_request_as_an_argument_ends_no_request(
    lines: tuple[logging.Logger, io.StringIO],
) -> None:
    """What takes no writes raised from the filter, where logging catches nothing."""
    logger, stream = lines
    logger.addFilter(TokenFilter())
    logger.warning("%s", ImmutableMultiDict([("wsguard_token", TOKEN)]))
    assert stream.getvalue() == "{'wsguard_token': '[redacted]'}\n"


def test_gunicorns_atoms_stay_what_they_are(lines: tuple[logging.Logger, io.StringIO]) -> None:
    """A copy of another class would raise on the atoms that a line may ask for in vain."""
    logger, stream = lines
    logger.addFilter(TokenFilter())
    logger.info("%(a)s", SafeAtoms({"a": 'a "quoted" word'}))
    logger.setLevel(logging.INFO)
    logger.info("%(a)s|%(nothing)s|%(q)s", SafeAtoms({"a": 'a "word"', "q": URL}))
    assert stream.getvalue().splitlines()[-1] == (
        r"a \"word\"|-|/echo?room=1&wsguard_token=[redacted]&x=2"
    )


def test_filter_raises_at_nothing(
    lines: tuple[logging.Logger, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object without text and a format that does not fit stay logging's own trouble."""
    logger, _ = lines
    complaints = io.StringIO()
    monkeypatch.setattr(sys, "stderr", complaints)
    logger.addFilter(TokenFilter())
    logger.warning("%s", Grumpy())
    logger.warning("%d", URL)
    assert complaints.getvalue().count("--- Logging error ---") == 2
    assert SECRET not in complaints.getvalue()


def test_init_app_cleans_the_servers_loggers_and_the_apps_own() -> None:
    """Nothing to remember; two apps put one filter on each."""
    make_site()
    make_site()
    for name in (*ACCESS_AND_ERROR_LOGS, "site", "flask_wsguard"):
        assert logging.getLogger(name).filters.count(TokenFilter()) == 1, name
    assert {"werkzeug", "gunicorn.access", "gunicorn.error"} <= set(ACCESS_AND_ERROR_LOGS)
    assert TokenFilter() != logging.Filter()
    assert hash(TokenFilter()) == hash(TokenFilter())


def test_app_whose_token_has_another_name_is_cleaned_by_it() -> None:
    """Even a value that is no token's form goes; the default name stays known."""
    # Another one each time: a process forgets no name that it was told.
    end = secrets.token_hex(8)
    assert redact(f"?pass{end}=%74oken") == f"?pass{end}=%74oken"
    make_site(WSGUARD_TOKEN_PARAM=f"pass{end}")
    assert redact(f"?pass{end}=%74oken&p%61ss{end}=2") == (
        f"?pass{end}=[redacted]&p%61ss{end}=[redacted]"
    )
    assert redact("?wsguard_token=1") == "?wsguard_token=[redacted]"


def test_longer_name_is_another_one() -> None:
    """Unless it begins behind an escaped ? or &, as in JSON or in another query."""
    name = f"w{secrets.token_hex(8)}"
    make_site(WSGUARD_TOKEN_PARAM=name)
    for longer in (f"x{name}", f"x_{name}", f"3F{name}"):
        assert redact(f"({longer}=1)") == f"({longer}=1)"
    for before in ("", "?", "&", "; ", "'", "x-", "%3f", "%26", "\\u003f", "\\u0026"):
        assert redact(f"{before}{name}=1") == f"{before}{name}=[redacted]"


def test_loggers_of_the_sites_own_take_a_filter_too() -> None:
    """By name; a record passes, cleaned."""
    filter_logs(["tests.own.urls"])
    record = logging.LogRecord("tests.own.urls", logging.INFO, "", 0, URL, None, None)
    assert logging.getLogger("tests.own.urls").filter(record)
    assert SECRET not in record.getMessage()


def test_gunicorn_logger_gives_atoms_without_a_token(tmp_path: Any) -> None:
    """For those who derive from it and format their own."""
    config = Config()
    config.set("accesslog", str(tmp_path / "access.log"))
    config.set("errorlog", str(tmp_path / "error.log"))
    config.set("access_log_format", "%(r)s %({raw_uri}e)s %({sec-websocket-protocol}i)s")
    logger = GunicornLogger(config)
    environ = {
        "REQUEST_METHOD": "GET",
        "RAW_URI": URL,
        "QUERY_STRING": URL.partition("?")[2],
        "SERVER_PROTOCOL": "HTTP/1.1",
        "werkzeug.request": Request(),
    }
    answer = SimpleNamespace(status="403 FORBIDDEN", headers=[], sent=38)
    asked = SimpleNamespace(headers=[("SEC-WEBSOCKET-PROTOCOL", f"chat, wsguard.{TOKEN}")])
    atoms = logger.atoms(answer, asked, environ, timedelta(seconds=1))
    assert SECRET not in repr(atoms)
    assert (atoms["s"], atoms["m"], atoms["T"]) == ("403", "GET", 1)
    logger.access(answer, asked, environ, timedelta(seconds=1))
    assert (tmp_path / "access.log").read_text() == (
        "GET /echo?room=1&wsguard_token=[redacted]&x=2 HTTP/1.1 "
        "/echo?room=1&wsguard_token=[redacted]&x=2 chat, wsguard.[redacted]\n"
    )
    for name in ("gunicorn.access", "gunicorn.error"):
        for handler in logging.getLogger(name).handlers[:]:
            logging.getLogger(name).removeHandler(handler)
            handler.close()


def test_handshake_of_the_guard_itself_logs_no_token(caplog: pytest.LogCaptureFixture) -> None:
    """Its own lines name path and Origin, never the query."""
    from tests.visitor import Visitor

    app: Flask = make_site()
    visitor = Visitor(app)
    visitor.log_in("alice")
    token = visitor.token()
    with caplog.at_level(logging.DEBUG):
        assert visitor.connect("/echo", token, headers={"Origin": "https://evil"}).reason
        assert visitor.connect("/echo", token).reason is None
    assert "handshake refused: origin_not_allowed on /echo" in caplog.text
    assert token not in caplog.text
