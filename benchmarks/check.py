"""The checks alone, in units of two HMAC-SHA256 of 200 bytes, beside what others charge."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import cycle
from typing import Any

from flask import g, session
from flask_login import current_user
from itsdangerous import URLSafeTimedSerializer

from flask_wsguard import facts
from flask_wsguard.core.case import Handshake, Protected, Session
from flask_wsguard.core.handshake import Accepted, judge
from flask_wsguard.hooks import give_back_slot, guard_route
from flask_wsguard.state import State

from . import sites
from .blocks import Block, Scale, in_process, interleave
from .figures import Table, compared
from .memory import SITE, MemorySocket
from .traffic import NONCE, USER, Request, handshake

UNIT = "two HMAC-SHA256 of 200 bytes"
JUDGE = "`judge`: every check, from ready facts"
STRANGERS = "`judge`, a session that this process has not met"
FACTS = "facts read from the request, and `judge`"
HOOK = "the whole hook: session, verdict, registry, signals"


def run(scale: Scale) -> Iterator[Table]:
    """Measure the rules, and what others charge for less."""
    app, request = sites.guarded(), handshake(SITE)
    with ExitStack() as stack:
        environ = request.environ(**{"werkzeug.socket": MemorySocket()})
        stack.enter_context(app.request_context(environ))
        sides: dict[str, Block] = {
            UNIT: in_process(_two_hmacs()),
            JUDGE: in_process(_judge(app.extensions["wsguard"], environ, read=False)),
            STRANGERS: in_process(_judge_strangers(app.extensions["wsguard"])),
            FACTS: in_process(_judge(app.extensions["wsguard"], environ, read=True)),
            HOOK: in_process(_hook),
            "Flask opens its session": in_process(_open_session(app, request)),
            "`current_user`, users in a dict": in_process(_current_user),
            "itsdangerous `URLSafeTimedSerializer.loads`": in_process(_serializer()),
        }
        if find_spec("jwt"):
            sides["PyJWT `decode`, HS256"] = in_process(_pyjwt())
        if find_spec("flask_wtf"):
            sides["Flask-WTF `validate_csrf`"] = in_process(_flask_wtf(app))
        samples = interleave(sides, rounds=scale.rounds, calls=scale.calls)
    table = Table(
        "check",
        "CPU of one call. The unit is what two signatures cost in C, measured in the same run; "
        "the guard verifies two. An HMAC of the session comes on top where another process "
        "answered preauth; else it is remembered from there. The hook is called again and again "
        "in one request, which keeps the processor's caches warm; whole requests stand below.",
        ("what", "us", f"us of {UNIT}"),
    )
    goals = {JUDGE: 4.0}
    table.figures.extend(compared(samples, side, UNIT, goals.get(side)) for side in sides)
    yield table


def _two_hmacs() -> Callable[[], object]:
    key, text, digest = secrets.token_bytes(32), secrets.token_bytes(200), hmac.digest

    def call() -> None:
        digest(key, text, "sha256")
        digest(key, text, "sha256")

    return call


def _facts(state: State, environ: facts.Environ, user: str = USER) -> Callable[[], Handshake]:
    mark, whose = Protected(), Session(user, NONCE)
    return lambda: facts.handshake_of(
        environ,
        mark,
        token_param=state.settings.token_param,
        token_carriers=state.settings.token_carriers,
        path=facts.bound_path(environ),
        upgrade=True,
        session=lambda: whose,
    )


def _judge(state: State, environ: facts.Environ, *, read: bool) -> Callable[[], object]:
    facts_of = _facts(state, environ)
    ready, expected, now = facts_of(), state.expected, state.now

    def call() -> None:
        given = facts_of() if read else ready
        assert isinstance(judge(given, expected=expected, now=now()), Accepted)

    return call


def _judge_strangers(state: State) -> Callable[[], object]:
    """Judge so many users in turn that each is forgotten before he comes again."""
    users = [str(number) for number in range(1500)]
    ready = cycle([_facts(state, handshake(SITE, user=one).environ(), one)() for one in users])
    expected, now = state.expected, state.now

    def call() -> None:
        assert isinstance(judge(next(ready), expected=expected, now=now()), Accepted)

    return call


def _hook() -> None:
    assert guard_route() is None
    give_back_slot(None)


def _open_session(app: Any, request: Request) -> Callable[[], object]:
    environ = request.environ()

    def call() -> None:
        assert app.session_interface.open_session(app, app.request_class(environ))["_user_id"]

    return call


def _current_user() -> None:
    g.pop("_login_user", None)
    assert current_user.is_authenticated


def _serializer() -> Callable[[], object]:
    serializer = URLSafeTimedSerializer(sites.SECRET, salt="benchmark")
    text = serializer.dumps({"sub": USER, "scopes": ["chat:read"]})
    return lambda: serializer.loads(text, max_age=60)


def _pyjwt() -> Callable[[], object]:
    import jwt

    key = "k" * 32
    text = jwt.encode({"sub": USER, "exp": 4_000_000_000, "scope": "chat:read"}, key, "HS256")
    return lambda: jwt.decode(text, key, algorithms=["HS256"])


def _flask_wtf(app: Any) -> Callable[[], object]:
    from flask_wtf.csrf import generate_csrf, validate_csrf

    session["csrf_token"] = "a" * 40
    text = generate_csrf()
    return lambda: validate_csrf(text)
