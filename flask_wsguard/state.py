"""What the extension knows of one app. Lives in ``app.extensions["wsguard"]``, nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask

from .core.case import Expected, Protected
from .core.origins import OriginPolicy
from .core.source import SourceRules
from .core.tickets import Keys
from .ended import EndedSessions
from .errors import ConfigError
from .identity import Loaders
from .live.bus import Bus, Hearing
from .live.sockets import Sockets
from .reports import RefusalLog
from .settings import Settings
from .stores.uris import open_store
from .stores.watched import WatchedStore

EXTENSION = "wsguard"

ScopesLoader = Callable[[Any], Iterable[str]]


@dataclass(slots=True)
class Site:
    """How the site knows its users and what they may do; one guard's, for all of its apps."""

    loaders: Loaders = field(default_factory=Loaders)
    scopes_loader: ScopesLoader | None = None
    protected_paths: dict[str, Protected] = field(default_factory=dict)

    def scopes_of(self, user: object) -> frozenset[str]:
        """Ask the site for all scopes of a user; none without a loader. Its errors pass."""
        if self.scopes_loader is None:
            return frozenset()
        given = self.scopes_loader(user)
        if isinstance(given, str):
            return frozenset({given})
        scopes = frozenset(given) if isinstance(given, Iterable) else None
        if scopes is None or not all(isinstance(scope, str) for scope in scopes):
            raise TypeError(f"scopes_loader returns an iterable of str, not {given!r}")
        return scopes

    def must_load_scopes(self, mark: Protected) -> None:
        """Raise ConfigError when a route demands scopes and nothing can grant any."""
        if mark.scopes and self.scopes_loader is None:
            raise ConfigError(
                [
                    f"a route demands the scopes {sorted(mark.scopes)} and no scopes_loader is "
                    "set: decorate a function of the user with @guard.scopes_loader"
                ]
            )


@dataclass(frozen=True, slots=True)
class State:
    """Settings, keys and memory of one app. ``now`` is the clock, in Unix seconds.

    ``has_early_gate`` says whether hopeless handshakes are refused before Flask opens a session.
    """

    settings: Settings
    expected: Expected
    site: Site
    ended: EndedSessions
    sockets: Sockets
    store: WatchedStore
    bus: Bus
    has_early_gate: bool = False
    log: RefusalLog = field(default_factory=RefusalLog)
    advised: list[bool] = field(default_factory=list)
    exempt_from: list[object] = field(default_factory=list)
    now: Callable[[], float] = time.time

    @classmethod
    def build(cls, settings: Settings, site: Site) -> State:
        """Derive the keys and the policy once, and open the store."""
        expected = _expected(settings)
        ended = EndedSessions(settings.max_connection_age)
        sockets = Sockets(
            settings.max_connections, settings.max_connections_per_user, settings.drain_seconds
        )
        store = open_store(
            settings.storage_uri,
            # Not the app's name: who reads one another's tickets must hear of one another's
            # logouts, whatever their modules are called.
            settings.cookie_name,
            kept_seconds=settings.max_connection_age,
            token_life=settings.ticket_ttl + 2 * settings.clock_skew + 1,
        )
        watched = WatchedStore(store)
        hearing = Hearing(
            expected.keys,
            ended,
            sockets,
            kept=settings.max_connection_age,
            leeway=settings.clock_skew if store.spans_machines else 0.0,
            close_on_logout=settings.disconnect_on_logout,
        )
        return cls(settings, expected, site, ended, sockets, watched, Bus(watched, hearing))


def _expected(settings: Settings) -> Expected:
    rules = SourceRules(
        OriginPolicy(settings.allowed_origins),
        allow_insecure_transport=settings.allow_insecure_transport,
        allow_missing_origin=settings.allow_missing_origin,
    )
    return Expected(rules, Keys(settings.secret_key), settings.cookie_name, settings.clock_skew)


def state_of(app: Flask) -> State:
    """Return what the extension knows of this app. Raises LookupError where it is not installed."""
    try:
        state: State = app.extensions[EXTENSION]
    except KeyError:
        raise LookupError(
            f"app {app.name!r} has no guard: call WSGuard(app), or guard.init_app(app)"
        ) from None
    return state
