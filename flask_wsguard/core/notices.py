"""What processes tell each other: a session has ended, sockets are to be closed.

A notice travels through a store that others may write to, so it is signed with a salt of its
own, names users and sessions by HMAC only, and speaks of sockets older than itself: replayed,
it finds nothing left to do.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from .tickets import Keys, new_id

LONGEST_NOTICE = 2048
"""Bytes of a notice's text."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to know. Times are Unix seconds; "" stands for a field that was not given.

    ``ended`` is the SHA-256 of a nonce, ``user`` the HMAC of a user id, ``session`` a ticket's
    fingerprint, ``ticket`` a ticket's id. A notice with ``code`` closes the sockets that match
    every given field, all of them when none is given.
    """

    id: str
    issued_at: float
    code: int = 0
    reason: str = ""
    ended: str = ""
    user: str = ""
    session: str = ""
    ticket: str = ""


def new_notice(now: float, **fields: str | int) -> Notice:
    """Return a notice with a fresh id, issued at Unix time ``now``."""
    return Notice(new_id(), now, **fields)  # type: ignore[arg-type]


def write_notice(notice: Notice, keys: Keys) -> str:
    """Return the signed text of a notice."""
    fields = [
        notice.id,
        notice.issued_at,
        notice.code,
        notice.reason,
        notice.ended,
        notice.user,
        notice.session,
        notice.ticket,
    ]
    return keys.sign_notice(json.dumps(["n1", *fields]))


def read_notice(text: str, keys: Keys) -> Notice | None:
    """Return a notice that this site signed, None for anything else."""
    if len(text) > LONGEST_NOTICE or (payload := keys.open_notice(text)) is None:
        return None
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    match fields:
        case [
            "n1",
            str(id_),
            float(at) | int(at),
            int(code),
            str(reason),
            str(ended),
            str(user),
            str(session),
            str(ticket),
        ]:
            # A bool is an int to the pattern, and JSON as Python reads it knows NaN.
            if type(code) is not int or type(at) is bool or not math.isfinite(at):
                return None
            return Notice(id_, float(at), code, reason, ended, user, session, ticket)
    return None
