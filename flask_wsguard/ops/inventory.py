"""What an app has: its guard, and every WebSocket route with the mark that it carries."""

from __future__ import annotations

from dataclasses import dataclass

import click
from flask import Flask, current_app

from ..core.case import Mark, Protected
from ..core.refusals import Refusal, Refused
from ..marks import mark_of, naming_view
from ..state import State, state_of


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """A socket's rule, its endpoint (empty for ``protect_path``), its mark, and its view's name."""

    rule: str
    endpoint: str
    mark: Mark | None
    view: str = ""

    @property
    def guard(self) -> str:
        """Return protected, public, "public, any origin", or UNGUARDED, which is refused."""
        if self.mark is None:
            return "UNGUARDED"
        if isinstance(self.mark, Protected):
            return "protected"
        return "public, any origin" if self.mark.any_origin else "public"

    @property
    def scopes(self) -> list[str]:
        """Return what the ticket must hold."""
        return sorted(self.mark.scopes) if isinstance(self.mark, Protected) else []


def guarded_app() -> tuple[Flask, State]:
    """Return the current app and its guard. Raises ClickException where it has none."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    try:
        return app, state_of(app)
    except LookupError as fault:
        raise click.ClickException(str(fault)) from None


def socket_routes(app: Flask, state: State) -> list[SocketRoute]:
    """Return every socket of the app, in the order of its rules."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.websocket:
            view = app.view_functions.get(rule.endpoint)
            name = naming_view(Refused(Refusal.UNGUARDED_ROUTE), view).detail
            found.append(SocketRoute(rule.rule, rule.endpoint, mark_of(view), name))
    found += [SocketRoute(path, "", mark) for path, mark in state.site.protected_paths.items()]
    return found
