"""Closing open sockets: here, and by a notice wherever else they are held."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from flask import current_app, has_request_context

from .live.registry import Selector
from .state import state_of

# RFC 6455 sections 7.4 and 5.5; 1012 to 1014 are registered with IANA. The others are the
# protocol's own, or must not be sent at all.
_CODES = frozenset({1000, 1001, 1008, *range(1011, 1015), *range(3000, 5000)})
_LONGEST_REASON = 123


class Everybody(Enum):
    """Stands for every id. None will not do: it is the id of whoever has just logged out."""

    EVERYBODY = "everybody"


EVERYBODY = Everybody.EVERYBODY


def disconnect(
    *,
    user_id: str | Everybody = EVERYBODY,
    session: str | Everybody = EVERYBODY,
    ticket_id: str | Everybody = EVERYBODY,
    code: int,
    reason: str,
) -> int:
    """Close the sockets that match every given id; return how many were closed here.

    Needs an app context. Raises RuntimeError in a process that serves no sockets, such as a
    command, without a store that processes share or while it is away: nothing would happen,
    and nobody would know. Raises ValueError for an id that is empty or no text, and for a code
    or a reason that no close frame may carry.
    """
    ids = {"user_id": user_id, "session": session, "ticket_id": ticket_id}
    given = {name: value for name, value in ids.items() if not isinstance(value, Everybody)}
    if fault := _fault_of_ids(given) or _fault_of_frame(code, reason):
        raise ValueError(fault)
    selector = Selector(**given)
    state = state_of(current_app)
    sockets, store = state.sockets, state.store
    serves = sockets.ever_held or has_request_context()
    if not (store.is_shared or serves):
        raise RuntimeError(
            "guard.disconnect() reaches the sockets of its own process, and this one serves "
            "none: set WSGUARD_STORAGE_URI, or call it in a view of the site"
        )
    closed = sockets.close(sockets.registry.select(selector), code, reason)
    user = selector.user_id
    told = state.bus.tell(
        later=serves,
        code=code,
        reason=reason,
        user=state.expected.keys.pseudonym(user) if user is not None else "",
        session=selector.session or "",
        ticket=selector.ticket_id or "",
    )
    if not (told or serves):
        raise RuntimeError("the store does not answer, so nobody was told: try again later")
    return closed


def _fault_of_ids(given: Mapping[str, object]) -> str | None:
    """Say which id names nobody: in a notice "" would stand for everybody."""
    for name, value in given.items():
        if value is None or value == "":
            return f"{name} is {value!r}, which names nobody: leave it out to mean everybody"
        if not isinstance(value, str):
            return f"{name} is {value!r}, which is no str: give a user's as get_id() returns it"
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
