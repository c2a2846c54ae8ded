"""WSGuard: wires everything into an app, and owns the hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from flask import Blueprint, Flask, Response, after_this_request, current_app, request, session
from flask_login import user_logged_in, user_logged_out

from . import facts, gate, grants, servers
from .core.case import Protected
from .core.refusals import Refused
from .errors import HandshakeRefused
from .identity import NONCE_KEY, Found, Identity, Loader, new_nonce
from .marks import CurrentTicket, current_ticket, mark_of, naming_view
from .reports import HandshakeRefusal
from .sessions import detach_session
from .settings import Settings
from .state import EXTENSION, Site, State, state_of
from .views import make_blueprint, script_tag, set_ticket_cookie

_log = logging.getLogger("flask_wsguard")

LoaderT = TypeVar("LoaderT", bound=Loader)
ScopesT = TypeVar("ScopesT", bound=Callable[[Any], Iterable[str]])


class WSGuard:
    """Guard the WebSocket routes of a Flask app: no page of another origin opens one.

    ``WSGuard(app)``, or ``WSGuard()`` and ``init_app``; one guard serves any number of apps.
    """

    def __init__(self, app: Flask | None = None) -> None:
        """Guard ``app`` at once when it is given. Raises ConfigError for a bad configuration."""
        self.blueprint: Blueprint = make_blueprint()
        self._site = Site()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Guard an app. Raises ConfigError that lists every fault of its configuration."""
        settings = Settings.from_config(app.config)
        if EXTENSION in app.extensions:
            raise RuntimeError("flask_wsguard guards this app already: call init_app once")
        app.extensions[EXTENSION] = State.build(settings, self._site)
        app.register_blueprint(self.blueprint, url_prefix=settings.url_prefix)
        # First, so that no hook of the site works for a request that will be refused.
        app.before_request_funcs.setdefault(None, []).insert(0, _guard_route)
        app.jinja_env.globals["wsguard_script"] = script_tag
        user_logged_in.connect(_on_login, app)
        user_logged_out.connect(_on_logout, app)
        if not settings.enforce:
            _log.warning(
                "WSGUARD_ENFORCE is off: handshakes that should be refused are let through "
                "and reported"
            )

    def scopes_loader(self, loader: ScopesT) -> ScopesT:
        """Register the function that says what a user may do: user object -> iterable of str."""
        self._site.scopes_loader = loader
        return loader

    @overload
    def identity_loader(self, loader: LoaderT, /) -> LoaderT: ...
    @overload
    def identity_loader(
        self, loader: None = ..., /, *, ambient: bool = ...
    ) -> Callable[[LoaderT], LoaderT]: ...
    def identity_loader(self, loader: Any = None, /, *, ambient: bool = True) -> Any:
        """Register a way the site knows its user: request -> Identity or None.

        ``ambient=False`` says that the credential (a bearer header) cannot travel on a
        handshake; its tickets skip the session step. Several are asked in order, Flask-Login
        last; the first Identity wins.
        """

        def register(loader: LoaderT) -> LoaderT:
            self._site.loaders.add(loader, ambient=ambient)
            return loader

        return register if loader is None else register(loader)

    def protect_path(self, path: str, *, scopes: str | Iterable[str] = ()) -> None:
        """Declare a socket that no Flask rule serves, at exactly this path below the app."""
        if not path.startswith("/"):
            raise ValueError(f"a path starts with a slash, {path!r} does not")
        demanded = frozenset({scopes} if isinstance(scopes, str) else scopes)
        self._site.protected_paths[path] = Protected(demanded)

    def verify_handshake(self, path: str | None = None) -> CurrentTicket:
        """Judge the current request as a handshake at ``path``, all but the upgrade's form.

        For sockets that no Flask rule serves, declared with ``protect_path``; ``path`` is below
        the app and defaults to the request's. Raises HandshakeRefused, and LookupError for a
        path that is not declared.
        """
        app, state = _current()
        at = request.path if path is None else path
        if (mark := self._site.protected_paths.get(at)) is None:
            raise LookupError(f"no guard.protect_path({at!r}, ...) declares this path")
        bound = facts.prefix_of(request.environ) + at.encode("utf-8").decode("latin-1")
        outcome = gate.judge_request(state, mark, bound, upgrade=False)
        if not isinstance(outcome, Refused):
            gate.admit(app, state, outcome, mark, bound)
        elif gate.may_observe(state, outcome):
            gate.report_refusal(app, state, outcome, bound, observed=True)
            gate.observe(outcome)
        else:
            gate.report_refusal(app, state, outcome, bound)
            raise HandshakeRefused(outcome.reason, outcome.detail)
        return current_ticket


def _current() -> tuple[Flask, State]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app, state_of(app)


def _guard_route() -> Response | None:
    """Judge every request for a WebSocket rule before flask-sock can accept it."""
    rule = request.url_rule
    if rule is None or not rule.websocket:
        return None
    app, state = _current()
    detach_session()
    path = facts.bound_path(request.environ)
    view = app.view_functions.get(rule.endpoint)
    mark = mark_of(view)
    outcome = gate.judge_request(state, mark, path, upgrade=True)
    if isinstance(outcome, Refused):
        refused = naming_view(outcome, view)
        observed = gate.may_observe(state, refused)
        gate.report_refusal(app, state, refused, path, observed=observed)
        if not observed:
            detach_session(empty=True)
            return HandshakeRefusal(refused, debug=app.debug)
        gate.observe(refused)
    else:
        gate.admit(app, state, outcome, mark, path)
    return _no_socket(state)


def _no_socket(state: State) -> Response | None:
    """Say what is wrong with the server, where the library below would only raise."""
    environ = request.environ
    if not servers.offers_socket(environ):
        _log.error("%s", servers.NO_SOCKET)
        return Response(servers.NO_SOCKET + "\n", 500, mimetype="text/plain")
    if servers.is_gunicorn_sync(environ) and servers.ONE_SOCKET not in state.warned:
        state.warned.add(servers.ONE_SOCKET)
        _log.warning("%s", servers.ONE_SOCKET)
    return None


def _on_login(app: Flask, **_: Any) -> None:
    """Give the session a new nonce; what an earlier login of it could do ends."""
    state = state_of(app)
    if isinstance(old := session.get(NONCE_KEY), str):
        state.ended.add(old, state.now())
        _expire_tickets(state, None, old)
    session[NONCE_KEY] = new_nonce()


def _on_logout(app: Flask, user: Any = None, **_: Any) -> None:
    """Record the end first: the browser holds its old cookie until our answer arrives."""
    state = state_of(app)
    nonce = session.pop(NONCE_KEY, None)
    if isinstance(nonce, str):
        state.ended.add(nonce, state.now())
    _expire_tickets(state, user, nonce)


def _expire_tickets(state: State, user: Any, nonce: str | None) -> None:
    """Let the browser drop the unspent tickets of the session that ends."""
    source = facts.source_of(request.environ, None)
    names = [
        name
        for name, _, ticket in grants.held_tickets(state, source)
        if grants.is_of_session(
            state, ticket, Found(Identity(ticket.user_id, user, nonce), ambient=True)
        )
    ]

    @after_this_request
    def expire(answer: Response) -> Response:
        for name in names:
            set_ticket_cookie(answer, source, name, "", 0)
        return answer
