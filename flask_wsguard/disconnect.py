"""Closing open sockets: here, and by a notice wherever else they are held."""

from __future__ import annotations

from dataclasses import asdict

from flask import current_app, has_request_context

from .live.registry import Selector
from .state import state_of

# RFC 6455 sections 7.4 and 5.5; 1012 to 1014 are registered with IANA. The others are the
# protocol's own, or must not be sent at all.
_CODES = frozenset({1000, 1001, 1008, *range(1011, 1015), *range(3000, 5000)})
_LONGEST_REASON = 123


def disconnect(selector: Selector, *, code: int, reason: str) -> int:
    """Close the sockets that are meant; return how many were closed here.

    Needs an app context. Raises RuntimeError in a process that serves no sockets, such as a
    command, without a store that processes share or while it is away: nothing would happen,
    and nobody would know. Raises ValueError for an id that is empty or no text, and for a code
    or a reason that no close frame may carry.
    """
    if fault := _fault_of_ids(selector) or _fault_of_frame(code, reason):
        raise ValueError(fault)
    state = state_of(current_app)
    sockets, store = state.sockets, state.store
    serves = sockets.ever_held or has_request_context()
    if not (store.is_shared or serves):
        raise RuntimeError(
            "guard.disconnect() reaches the sockets of its own process, and this one serves "
            "none: set WSGUARD_STORAGE_URI, or call it in a view of the site"
        )
    closed = sockets.close(sockets.registry.select(selector), code, reason)
    user_id = selector.user_id
    told = state.bus.tell(
        code=code,
        reason=reason,
        user=state.expected.keys.pseudonym(user_id) if user_id is not None else "",
        session=selector.session or "",
        ticket=selector.ticket_id or "",
    )
    if not (told or serves):
        raise RuntimeError("the store does not answer, so nobody was told: try again later")
    return closed


def _fault_of_ids(selector: Selector) -> str | None:
    """Say which id names nobody: in a notice "" would stand for "any"."""
    for name, value in asdict(selector).items():
        if value is not None and not (isinstance(value, str) and value):
            return f"{name} is {value!r}, which names nobody: leave it out to mean any"
    return None


def _fault_of_frame(code: int, reason: str) -> str | None:
    """Say why peers would be cut off instead of told, and other processes tell them nothing."""
    if not isinstance(code, int) or code not in _CODES:
        return (
            f"code is {code!r}: use 4000 to 4999, or 1000, 1001, 1008, 1011 to 1014, 3000 to 3999"
        )
    try:
        size = len(reason.encode())
    except (AttributeError, UnicodeEncodeError):
        return f"reason is {reason!r}, which is no text in UTF-8"
    if size > _LONGEST_REASON:
        return f"reason has {size} bytes of UTF-8: a close frame holds {_LONGEST_REASON}"
    return None
