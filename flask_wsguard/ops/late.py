"""Settings that came too late: the guard works by what ``init_app`` read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from ..errors import ConfigError
from ..settings import PREFIX, Settings
from .findings import ERROR, Finding, Site

_LINE = "set it above WSGuard(app), or guard.init_app(app)"


def late(site: Site) -> Iterator[Finding]:
    """Find what was changed behind ``init_app``: it is neither checked nor heeded."""
    try:
        now = Settings.from_config(site.app.config)
    except ConfigError as wrong:
        for fault in wrong.faults:
            yield Finding("set_late", ERROR, f"set after init_app: {fault}", _LINE)
        return
    if names := _differing(site, now):
        what = f"set after init_app, which reads the settings once: {', '.join(names)}"
        yield Finding("set_late", ERROR, what, _LINE)


def _differing(site: Site, now: Settings) -> list[str]:
    """Return the keys of the configuration that do not say what the guard goes by."""
    read = site.state.settings
    names = [
        PREFIX + field.name.upper()
        for field in fields(Settings)
        if getattr(now, field.name) != getattr(read, field.name)
    ]
    own = f"{PREFIX}SECRET_KEY"
    if own in names and site.app.config.get(own) is None:
        # The guard has no key of its own: it is Flask's that changed.
        same_newest = now.secret_key[:1] == read.secret_key[:1]
        names[names.index(own)] = "SECRET_KEY_FALLBACKS" if same_newest else "SECRET_KEY"
    return names
