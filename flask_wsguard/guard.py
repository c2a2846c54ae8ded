"""WSGuard: wires everything into an app, and owns the hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar, overload

from flask import Blueprint, Flask, request

from . import early, facts, gate, servers
from .core.carriers import SUBPROTOCOL
from .core.case import Protected
from .core.refusals import Refused
from .disconnect import EVERYBODY, Everybody, disconnect
from .errors import ConfigError, HandshakeRefused
from .hooks import current_state, give_back_slot, guard_route, on_login, on_logout
from .identity import Loader, Reload
from .live.sockets import SIGN_IN_AGAIN
from .logins import connect_logins, user_untouched
from .marks import scopes_demanded
from .neighbours import own_preauth_headers
from .redaction import ACCESS_AND_ERROR_LOGS, filter_logs
from .sessions import current_context, detach_session, session_untouched
from .settings import Settings
from .state import EXTENSION, Site, State, state_of
from .verdicts import CurrentTicket, current_ticket
from .views import make_blueprint, script_tag

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
        self._revalidates = False
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Guard an app. Raises ConfigError that lists every fault of its configuration."""
        settings = Settings.from_config(app.config)
        if EXTENSION in app.extensions:
            raise RuntimeError("flask_wsguard guards this app already: call init_app once")
        state = State.build(settings, self._site)
        has_early_gate = early.fits(app)
        app.extensions[EXTENSION] = replace(state, has_early_gate=has_early_gate)
        if has_early_gate:
            app.wsgi_app = early.EarlyGate(app, guard_route)  # type: ignore[method-assign]
        else:
            app.wsgi_app = early.SlotKeeper(app)  # type: ignore[method-assign]
        app.teardown_request(give_back_slot)
        self._revalidate(app)
        app.register_blueprint(self.blueprint, url_prefix=settings.url_prefix)
        # First, so that no hook of the site works for a request that will be refused.
        app.before_request_funcs.setdefault(None, []).insert(0, guard_route)
        # Functions of after_request run in reverse: this one last.
        app.after_request_funcs.setdefault(None, []).insert(0, own_preauth_headers)
        app.jinja_env.globals["wsguard_script"] = script_tag
        if SUBPROTOCOL in settings.token_carriers:
            options = app.config.get("SOCK_SERVER_OPTIONS")
            app.config["SOCK_SERVER_OPTIONS"] = servers.with_own_protocol(options)
        connect_logins(app, on_login, on_logout)
        filter_logs((*ACCESS_AND_ERROR_LOGS, app.name, _log.name), settings.token_param)
        if settings.single_use and settings.storage_uri is None:
            _log.warning("WSGUARD_SINGLE_USE without WSGUARD_STORAGE_URI holds in one process only")
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
        self, loader: None = ..., /, *, ambient: bool = ..., reload: Reload | None = ...
    ) -> Callable[[LoaderT], LoaderT]: ...
    def identity_loader(
        self, loader: Any = None, /, *, ambient: bool = True, reload: Reload | None = None
    ) -> Any:
        """Register a way the site knows its user: request -> Identity or None.

        ``ambient=False`` says that the credential (a bearer header) cannot travel on a
        handshake; its tickets skip the session step. Several are asked in order, Flask-Login
        last; the first Identity wins. ``reload`` finds a user again by id, where there is no
        request; ``WSGUARD_REVALIDATE_EVERY`` needs it, else ConfigError.
        """

        def register(loader: LoaderT) -> LoaderT:
            self._site.loaders.add(loader, ambient=ambient, reload=reload)
            self._must_reload()
            return loader

        return register if loader is None else register(loader)

    def _revalidate(self, app: Flask) -> None:
        """Ask again for the users of open sockets, in an app context and off their threads."""
        state = state_of(app)
        every = state.settings.revalidate_every
        if every is None:
            return
        self._revalidates = True
        self._must_reload()

        def ask(user_id: str) -> frozenset[str] | None:
            with app.app_context():
                user = self._site.loaders.reload(user_id)
                return None if user is None else self._site.scopes_of(user)

        state.sockets.revalidate(every, state.settings.revalidate_failures, ask)

    def _must_reload(self) -> None:
        if self._revalidates and not self._site.loaders.all_reload:
            raise ConfigError(
                [
                    "WSGUARD_REVALIDATE_EVERY needs a way to find users again: "
                    "@guard.identity_loader(reload=<user id -> user or None>)"
                ]
            )

    def protect_path(self, path: str, *, scopes: str | Iterable[str] = ()) -> None:
        """Declare a socket that no Flask rule serves, at exactly this path below the app."""
        if not path.startswith("/"):
            raise ValueError(f"a path starts with a slash, {path!r} does not")
        self._site.protected_paths[path] = Protected(scopes_demanded(scopes))

    def verify_handshake(self, path: str | None = None) -> CurrentTicket:
        """Judge the current request as a handshake at ``path``, all but the upgrade's form.

        For sockets that no Flask rule serves, declared with ``protect_path``; ``path`` is below
        the app and defaults to the request's. Raises HandshakeRefused, and LookupError for a
        path that is not declared. What a loader writes to the session meanwhile reaches no browser.
        Where ``WSGUARD_ENFORCE = False`` lets a refusal through, the ticket that it returns is
        falsy.
        """
        app, state = current_state()
        environ = request.environ
        at = request.path if path is None else path
        if (mark := self._site.protected_paths.get(at)) is None:
            raise LookupError(f"no guard.protect_path({at!r}, ...) declares this path")
        state.bus.listen()
        bound = facts.prefix_of(environ) + at.encode("utf-8").decode("latin-1")
        # A loader may log in, which would end the session that the browser has.
        with session_untouched(current_context()), user_untouched():
            outcome = gate.judge_request(state, environ, mark, bound, upgrade=False)
        if not isinstance(outcome, Refused):
            outcome = gate.spend(state, outcome.ticket) or outcome
        if not isinstance(outcome, Refused):
            gate.admit(app, environ, outcome.ticket, mark, facts.readable(bound))
        elif not gate.refuse(app, state, environ, outcome, facts.readable(bound)):
            # The 403 is an ordinary answer, and would send the login's cookies again.
            detach_session(current_context(), empty=True)
            raise HandshakeRefused(outcome.reason, outcome.detail)
        return current_ticket

    def disconnect(
        self,
        *,
        user_id: str | Everybody = EVERYBODY,
        session: str | Everybody = EVERYBODY,
        ticket_id: str | Everybody = EVERYBODY,
        code: int = SIGN_IN_AGAIN,
        reason: str = "disconnected",
    ) -> int:
        """Close the open sockets that match every given id, all of them when none is given.

        ``session`` is ``current_ticket.session``. Returns how many were closed here; with a
        store that processes share, the others get a notice. Needs an app context. Raises
        RuntimeError without such a store in a process that serves no sockets, such as a command,
        and ValueError for an id that is empty, None or no text, a code that no server may send, and
        a reason of more than 123 bytes.
        """
        return disconnect(
            user_id=user_id, session=session, ticket_id=ticket_id, code=code, reason=reason
        )

    def drain(self, seconds: float | None = None) -> int:
        """Close all sockets with 1012, spread over ``seconds``; return how many are meant.

        Needs an app context. ``seconds`` defaults to ``WSGUARD_DRAIN_SECONDS``.
        """
        _, state = current_state()
        return state.sockets.drain(seconds)
