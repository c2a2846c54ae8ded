"""Keys that can be guessed: whoever has one writes tickets for any user, and sessions too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from ..readers import is_key
from .findings import ERROR, Finding, Site

SHORTEST = 16
"""Bytes of a key below which it can be guessed off line, from one token."""

_FEWEST = 5
"""Different characters. Sixteen random hexadecimal digits have fewer once in two millions."""

_TO_MAKE = "<the output of: python -c 'import secrets; print(secrets.token_hex())'>"

_PUBLISHED = (
    _TO_MAKE,
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    '_5#y2L"F4Q8z\n\xec]/',
    "A0Zr98j/3yX R~XHH!jmN]LWX/,?RT",
)
"""What this command says to replace, and the keys that Flask's manual shows, now and before."""

_BETWEEN = re.compile(r"[ -/:-@\[-`{-~]+")

# What manuals, templates and impatience write, with digits between. What could be hexadecimal
# digits is no word: a random key has many of those.
_WORDS = re.compile(
    "(?=.*[g-z])(?:[0-9]|"
    + "|".join(
        """
        a abc admin an and any app application apps as asdf at auth bar baz be by byte bytes
        change changed changeit character characters chars config cookie csrf default demo dev
        devel developer development django do does dont dummy edit enter env environment example
        fake fallback fixme flask foo for from generate generated goes good guess hard hash have
        hello here hidden host i if ignore in is it jwt key keys least length letmein letter
        letters local long longer login main me mine more must my need never new no not now of
        old on one only or org our own pass passwd password phrase placeholder please plain
        precious prod production project public put qwerty random real really replace replaced
        salt same sample secret secrets secure set settings should site sixteen some staging
        string strong sure super test tested testing text than that the thing thirty this to todo
        token top two unique unsafe use used user value very was web what will with world www xxx
        you your
        """.split()
    )
    + ")+"
)


def secret_keys(site: Site) -> Iterator[Finding]:
    """Find keys that can be guessed, each by the name of its setting."""
    for name, line, key in _keys(site):
        size = len(key.encode() if isinstance(key, str) else key)
        if is_placeholder(key if isinstance(key, str) else key.decode("latin-1")):
            yield Finding("secret_default", ERROR, f"{name} reads like a placeholder", line)
        elif size < SHORTEST:
            what = f"{name} has {size} bytes, fewer than {SHORTEST}"
            yield Finding("secret_short", ERROR, what, line)


def _keys(site: Site) -> Iterator[tuple[str, str, str | bytes]]:
    """Yield every key: what to call it, the line that mends it, and the key."""
    config, guards = site.app.config, site.state.settings.secret_key
    # The session's: who can write sessions needs no ticket of somebody else's.
    newest, older = config["SECRET_KEY"], config.get("SECRET_KEY_FALLBACKS")
    # Nobody has checked what came behind init_app.
    older = older if isinstance(older, Iterable) else ()
    if config.get("WSGUARD_SECRET_KEY") in (guards[0], guards, [*guards]):
        yield from _named("WSGUARD_SECRET_KEY", *guards)
    else:
        # What is written there now is not what the guard signs with, if it was set too late.
        for key in guards:
            if key not in (newest, *older):
                yield "a key that the guard uses", "replace it above WSGuard(app)", key
    if is_key(newest):
        yield from _named("SECRET_KEY", newest)
    for key in filter(is_key, older):
        yield _older("SECRET_KEY_FALLBACKS", key)


def _named(
    setting: str, newest: str | bytes, *older: str | bytes
) -> Iterator[tuple[str, str, str | bytes]]:
    yield setting, f'{setting} = "{_TO_MAKE}"', newest
    for key in older:
        yield _older(setting, key)


def _older(setting: str, key: str | bytes) -> tuple[str, str, str | bytes]:
    return f"an older key in {setting}", f"leave it out of {setting}", key


def is_placeholder(text: str) -> bool:
    """Tell whether a key is a manual's, a row of like characters, or mostly words of templates.

    What ``secrets`` makes is none: neither hexadecimal digits, nor base64, nor bytes.
    """
    if text in _PUBLISHED or len(set(text)) < _FEWEST or _counts_up(text):
        return True
    parts = [part for part in _BETWEEN.split(text.lower()) if not part.isdecimal()]
    known = sum(len(part) for part in parts if _WORDS.fullmatch(part))
    return 0 < sum(map(len, parts)) * 2 <= known * 3


def _counts_up(text: str) -> bool:
    """Tell whether half of the characters follow the one before, as in 0123456789."""
    steps = sum(ord(after) - ord(before) == 1 for before, after in pairwise(text))
    return steps * 2 >= len(text)
