"""Guarded sites that lack a check, so that the attack which it stops succeeds on them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from flask import current_app

from flask_wsguard import gate as handshakes
from flask_wsguard import grants
from flask_wsguard.core import handshake, preauth
from flask_wsguard.core.case import Expected, Protected, Session
from flask_wsguard.core.origins import Origin
from flask_wsguard.core.tickets import Ticket
from flask_wsguard.ended import EndedSessions

ORIGIN = {"origin_is_present", "origin_is_allowed", "fetch_is_same_site"}
TOKEN = {"token_is_present", "token_is_authentic", "token_is_fresh"}
TICKET = {"ticket_is_present", "ticket_is_authentic", "ticket_is_fresh", "token_names_ticket"}
SESSION = {"session_is_undisputed", "session_is_alive", "session_is_of_user", "session_is_same"}
PREAUTH_ORIGIN = {"origin_is_present", "origin_is_allowed"}
PREAUTH_FETCH = {"fetch_is_plausible", "refuse_for_protected"}

LACKING = {
    "origin": ORIGIN,
    # Without a token nothing says which ticket is meant, so that goes as well.
    "origin-and-token": ORIGIN | TOKEN | TICKET | {"path_is_bound", "scopes_are_held"},
    "ticket": TICKET | {"path_is_bound", "scopes_are_held"},
    "origin-and-ticket": ORIGIN | TICKET | {"path_is_bound", "scopes_are_held"},
    "path": {"path_is_bound"},
    "session": SESSION,
    "dispute": {"session_is_undisputed"},
    "origin-and-session": ORIGIN | SESSION,
    "prefix": ORIGIN | SESSION | {"any prefix of the cookie's name"},
    "host-prefix": ORIGIN | SESSION | {"the prefix __Host- of the cookie's name"},
    "names": {"a name of its own for each ticket"},
    "whose": {"is_of_session"},
    "time": {"token_is_fresh", "ticket_is_fresh"},
    "token-time": {"token_is_fresh"},
    "transport": {"transport_is_secure"},
    "preauth": PREAUTH_ORIGIN | PREAUTH_FETCH | {"content_is_json"},
    "preauth-but-origin": PREAUTH_FETCH | {"content_is_json"},
    "preauth-but-fetch": PREAUTH_ORIGIN | {"content_is_json"},
    "preauth-origin": PREAUTH_ORIGIN,
}

# What such a site calls its ticket cookies.
PREFIXES = {"prefix": "wsguard-", "host-prefix": "__Secure-wsguard-"}

# A protected body runs only for a ticket with its scopes; where none was asked for, this one stands
# in, and holds them.
NOBODY = Ticket("-", "-", frozenset(), "", "", 0, 0)


class Forgetful(EndedSessions):
    """The record of ended sessions, asked once more behind ``judge``: here it knows of none."""

    def holds(self, *_: Any) -> bool:
        return False


class OneName(str):
    """A cookie name that takes no ticket's id: one for all, as if somebody had set it by hand."""

    def __add__(self, ticket_id: str) -> str:
        return str(self)


def expecting_less(expected: Expected, lacking: str, checks: set[str]) -> Expected:
    """Return what such a site expects: without these checks, or with cookies named otherwise."""
    prefix = OneName("__Host-Http-wsguard") if lacking == "names" else PREFIXES.get(lacking)

    class Less(Expected):
        # Here, because the early gate judges where no app is the current one.
        left_out = checks

        def cookie_prefix(self, own: Origin) -> str:
            return prefix or super().cookie_prefix(own)

    return Less(*(getattr(expected, field.name) for field in fields(expected)))


def let_sites_leave_out_checks() -> None:
    """Give ``judge`` a shorter tuple of checks where a site of this suite asks for it."""

    def without(checks: Any, left_out: Any = None) -> Any:
        left_out = current_app.config["LEFT_OUT"] if left_out is None else left_out
        return tuple(check for check in checks if check.__name__ not in left_out)

    def judge(facts: Any, *, expected: Any, now: float) -> Any:
        checks = without(handshake.CHECKS, expected.left_out)
        outcome = handshake.judge(facts, expected=expected, now=now, checks=checks)
        if outcome == handshake.Accepted(None) and isinstance(facts.mark, Protected):
            return handshake.Accepted(NOBODY._replace(scopes=facts.mark.scopes))
        return outcome

    def judge_preauth(asked: Any, rules: Any) -> Any:
        answers = (check(asked, rules) for check in without(preauth.CHECKS))
        return next((refused for refused in answers if refused), None)

    strict = preauth.refuse_for_protected

    def refuse_for_protected(asked: Any, rules: Any) -> Any:
        return strict(asked, rules) if without((strict,)) else None

    strictly = grants.is_of_session

    def is_of_session(*asked: Any) -> bool:
        return strictly(*asked) if without((strictly,)) else True

    grants.is_of_session = is_of_session
    dispute = grants.session_of_request

    def session_of_request() -> Session:
        session = dispute()
        heeded = "session_is_undisputed" not in current_app.config["LEFT_OUT"]
        return session if heeded else session._replace(disputed=False)

    grants.session_of_request = session_of_request  # type: ignore[attr-defined]
    handshakes.session_of_request = session_of_request  # type: ignore[attr-defined]
    handshakes.judge = judge  # type: ignore[attr-defined]
    preauth.judge = judge_preauth
    preauth.refuse_for_protected = refuse_for_protected
