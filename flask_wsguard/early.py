"""The early gate: refuses a hopeless handshake before Flask opens a session for it.

A flood of hostile handshakes then costs less than as many ordinary 403s. It knows no rule of its
own: what looks hopeless is judged as the hook judges it, all but the session and what follows,
and what is not refused so goes on to Flask and the hook.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask, request_started
from flask.ctx import RequestContext
from flask.typing import BeforeRequestCallable

from . import facts, gate, reports, signals
from .core.origins import Origin
from .core.refusals import Refused
from .facts import Environ
from .marks import mark_of, naming_view
from .sessions import detach_session
from .state import State, state_of

_OFFER = "HTTP_SEC_WEBSOCKET_PROTOCOL"


class SlotKeeper:
    """WSGI around all that an app is at ``init_app``: whatever ends a request, its slot is free.

    Flask calls no teardown function behind one of the site's that raises.
    """

    __slots__ = ("_app", "_inner")

    def __init__(self, app: Flask) -> None:
        """Stand in front of the app's ``wsgi_app`` as it is."""
        self._app = app
        self._inner = app.wsgi_app

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Pass everything on."""
        try:
            return self._inner(environ, start_response)
        finally:
            gate.give_back_slot(self._app, environ)


class EarlyGate(SlotKeeper):
    """WSGI between all middleware that is applied from now on, and Flask."""

    __slots__ = ("_hook",)

    def __init__(self, app: Flask, hook: BeforeRequestCallable) -> None:
        """Stand in front of an app whose ``wsgi_app`` is still Flask's (see :func:`fits`).

        ``hook`` is the guard's own, which the gate may only anticipate while it comes first.
        """
        super().__init__(app)
        self._hook = hook

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a hopeless upgrade, pass everything else on."""
        if "HTTP_UPGRADE" not in environ:
            return self._inner(environ, start_response)
        if _looks_hopeless(self._app, environ) and _comes_first(self._app, self._hook):
            if refused := _refuse(self._app, environ):
                return reports.wire_of(refused, debug=self._app.debug).send(environ, start_response)
        return SlotKeeper.__call__(self, environ, start_response)


def fits(app: Flask) -> bool:
    """Tell whether nothing stands between the gate and Flask.

    Middleware that came first may change what is judged: ProxyFix makes http into https.
    """
    return getattr(app.wsgi_app, "__func__", None) is Flask.wsgi_app


def _looks_hopeless(app: Flask, environ: Environ) -> bool:
    """Tell cheaply what an honest handshake does not look like; nothing is decided here."""
    state = state_of(app)
    settings = state.settings
    if not settings.enforce:
        return False
    if settings.token_param not in environ.get("QUERY_STRING", "") and _OFFER not in environ:
        return True
    if settings.cookie_name not in environ.get("HTTP_COOKIE", ""):
        return True
    # A page of the site itself is seen at a glance, and it comes most often.
    came = environ.get("HTTP_ORIGIN", "")
    if came == f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST')}":
        return False
    page, own = Origin.parse(came), facts.own_origin(environ)
    return page is None or state.expected.rules.origins.rule_for(page, own) is None


def _comes_first(app: Flask, hook: BeforeRequestCallable) -> bool:
    """Tell whether nothing of the site's may answer a request before the guard's hook."""
    return app.before_request_funcs[None][0] is hook and not app.url_value_preprocessors


def _refuse(app: Flask, environ: Environ) -> Refused | None:
    """Refuse what the hook would refuse, and report it as the hook would; None when in doubt."""
    context = app.request_context(environ)
    try:
        context.match_request()
    except Exception:
        # A URL converter that wants a session, or a Host that is not trusted: Flask's to answer.
        return None
    finally:
        # Werkzeug ties the two in a circle; a flood must not wait for the garbage collector.
        environ.pop("werkzeug.request", None)
    rule = context.request.url_rule
    if rule is None or not rule.websocket:
        return None
    state, view = state_of(app), app.view_functions.get(rule.endpoint)
    path = facts.bound_path(environ)
    refused = gate.judge_request(state, environ, mark_of(view), path, upgrade=True, session=False)
    if not isinstance(refused, Refused):
        return None
    facts.hide_tokens(environ)
    refused = naming_view(refused, view)
    return refused if _report(app, state, context, refused) else None


def _report(app: Flask, state: State, context: RequestContext, refused: Refused) -> bool:
    """Tell log, counts and signals; False where the site's session cannot be opened for them."""
    environ = context.request.environ
    path = facts.readable(facts.bound_path(environ))
    heard = (request_started, signals.handshake_refused)
    if not any(reports.is_heard(signal, app) for signal in heard):
        gate.refuse(app, state, environ, refused, path)
        return True
    # A receiver may ask for request, session and user, or note when the request began.
    try:
        try:
            context.push()
            request_started.send(app, _async_wrapper=app.ensure_sync)
        except Exception:
            return False
        detach_session(context)
        gate.refuse(app, state, environ, refused, path)
    finally:
        context.pop()
    return True
