"""Keep tokens out of logs, where one that was refused is still good for half a minute.

A token is known by the name of its parameter, however spelt, and by its own form, which needs no
name: so neither a second carrier nor a dump of the WSGI environ hides it.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from copy import copy
from typing import Any

from .core.tickets import LIKE_A_CREDENTIAL
from .settings import Settings

REDACTED = "[redacted]"

ACCESS_AND_ERROR_LOGS = ("werkzeug", "gunicorn.access", "gunicorn.error", "gevent.pywsgi")
"""The loggers of the servers. gevent.pywsgi logs to one only when it is given one."""

_CLEANED_APART = ("args", "exc_info")
"""What formatters expect in a form of its own."""

_COLLECTIONS = (list, tuple, set, frozenset)
"""Not what derives from them, whose making may want more than its elements."""

# A parameter named `t` is none of `x_host=`; what ends in a letter may be an escaped ? or &.
_BEGIN = r"(?:(?<![A-Za-z0-9_])|(?<=%3F)|(?<=%26)|(?<=u003F)|(?<=u0026))"


class Redactor:
    """Knows the token parameter of every app in this process: they share its loggers."""

    __slots__ = ("_params", "_pattern")

    def __init__(self) -> None:
        """Know the default, so that what is logged before the first app is clean too."""
        self._params: tuple[str, ...] = ()
        self.learn(Settings().token_param)

    def learn(self, param: str) -> None:
        """Redact the values of this parameter from now on."""
        if param not in self._params:
            self._params = (*self._params, param)
            names = "|".join("".join(map(_spellings, name)) for name in self._params)
            self._pattern = re.compile(
                rf"""({_BEGIN}(?:{names})(?:=|%3D))[^&\#\s"'<>\\]*|{LIKE_A_CREDENTIAL}""",
                re.IGNORECASE,
            )

    def redact(self, text: str) -> str:
        """Return the text without the tokens in it."""
        return self._pattern.sub(lambda found: f"{found[1] or ''}{REDACTED}", text)


def _spellings(letter: str) -> str:
    """Match a letter and its percent-encoded form, which means the same in a query."""
    return f"(?:{re.escape(letter)}|%{ord(letter):02X})"


_redactor = Redactor()


def redact(text: str) -> str:
    """Return the text without the tokens in it; for hooks of other tools that see URLs."""
    return _redactor.redact(text)


class TokenFilter(logging.Filter):
    """Removes tokens from whatever a log record carries, and lets every record pass.

    ``init_app`` puts one on the servers' loggers and on ``app.logger``. Put one on a handler or a
    logger of your own when it writes URLs.
    """

    def __init__(self) -> None:
        """Filter the records of every logger below the one it is put on."""
        super().__init__()

    def __eq__(self, other: object) -> bool:
        """Be equal to every other one, so that a logger takes the first alone."""
        return isinstance(other, TokenFilter)

    def __hash__(self) -> int:
        """Hash like every other one."""
        return hash(TokenFilter)

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record in place."""
        record.args = _clean_args(record.args)
        _clean_message(record)
        for name, value in list(vars(record).items()):
            if name not in _CLEANED_APART:
                setattr(record, name, clean(value))
        _clean_exception(record)
        return True


def filter_logs(loggers: Iterable[str], param: str | None = None) -> None:
    """Put a TokenFilter on loggers, given by name; ``param`` is one more name of a token."""
    if param is not None:
        _redactor.learn(param)
    for name in loggers:
        logging.getLogger(name).addFilter(TokenFilter())


def clean(value: Any, above: tuple[int, ...] = ()) -> Any:
    """Return a value without tokens, of whatever kind; a copy only where one was found.

    Mappings, lists, tuples and sets are cleaned inside; ``above`` are the ids of those that hold
    this one. Another object whose text holds a token is replaced by that text.
    """
    try:
        if isinstance(value, str):
            return value if (without := redact(value)) == value else without
        if value is None or isinstance(value, (int, float)):
            return value
        # What holds itself has no end; its text has.
        if id(value) not in above:
            if isinstance(value, Mapping):
                return _clean_mapping(value, (*above, id(value)))
            if type(value) in _COLLECTIONS:
                return _clean_collection(value, (*above, id(value)))
        text = repr(value) + str(value)
        return value if redact(text) == text else _Text(redact(str(value)), value)
    except Exception:
        # Whatever a log line holds, logging it must not end a request.
        return value


def _clean_mapping(value: Mapping[Any, Any], above: tuple[int, ...]) -> Any:
    cleaned = {key: (held, clean(held, above)) for key, held in value.items()}
    found = {key: new for key, (held, new) in cleaned.items() if new is not held}
    if found and isinstance(value, dict):
        # A copy, because the caller's mapping may be the WSGI environ; of its own class, because
        # gunicorn's atoms answer for keys they do not hold. request.args takes no writes, and what
        # is no dict, as os.environ, may write a copy's through.
        with suppress(Exception):
            copied = copy(value)
            for key, new in found.items():
                copied[key] = new
            value, found = copied, {}
    if found or _holds_more(value):
        return {clean(key, above): new for key, (_, new) in cleaned.items()}
    return value


def _holds_more(value: Mapping[Any, Any]) -> bool:
    """Tell whether there is a token in a key, or in what items() leaves out, as a MultiDict's."""
    if any(clean(key) is not key for key in value):
        return True
    own = getattr(type(value), "items", None) is dict.items
    return not own and redact(text := repr(value)) != text


def _clean_collection(value: Any, above: tuple[int, ...]) -> Any:
    cleaned = [clean(held, above) for held in value]
    if all(new is held for new, held in zip(cleaned, value, strict=True)):
        return value
    return type(value)(cleaned)


def _clean_args(args: Any) -> Any:
    return tuple(map(clean, args)) if isinstance(args, tuple) else clean(args)


class _Text(str):
    """What stands in for an object whose text holds a token; ``%r`` shows the same.

    Its attributes are the object's: without them a formatter that reads ``record.request.method``
    fails, and whoever puts a token in a URL stays out of the log.
    """

    __slots__ = ("_of",)
    _of: object
    __repr__ = str.__str__

    def __new__(cls, text: str, of: object) -> _Text:
        made = super().__new__(cls, text)
        made._of = of
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        # A queue to another process takes the text.
        return str, (str(self),)


def _clean_message(record: logging.LogRecord) -> None:
    """Clean what message and arguments make only together: ``wsguard_token=%s``."""
    try:
        message = record.getMessage()
    except Exception:
        # A format that does not fit: logging will say so, and show what is left of both.
        return
    # A format that names the parameter would lose its %s when it is cleaned by itself.
    if (without := redact(message)) != message or clean(record.msg) is not record.msg:
        record.msg, record.args = without, None


def _clean_exception(record: logging.LogRecord) -> None:
    """Put the traceback's cleaned text in the place of an exception that mentions a token."""
    if not record.exc_info or record.exc_info[0] is None:
        return
    text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    if (without := redact(text)) != text:
        record.exc_info, record.exc_text = None, without
