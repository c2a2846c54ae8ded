"""Every reason to say no, as the wire, the client and the manual know it."""

from __future__ import annotations

import inspect
import json
import re
from types import ModuleType

import pytest

from flask_wsguard import gate, grants
from flask_wsguard.core import handshake, preauth, source
from flask_wsguard.core.refusals import HANDSHAKE_ONLY, PREAUTH_ONLY, Refusal, Refused

# Code and the status with which preauth gives it, as the design lists them.
CODES = {
    "unguarded_route": 403,
    "malformed_upgrade": 400,
    "insecure_transport": 403,
    "origin_missing": 403,
    "origin_not_allowed": 403,
    "cross_site_fetch": 403,
    "token_missing": 403,
    "token_invalid": 403,
    "token_expired": 403,
    "ticket_missing": 403,
    "ticket_invalid": 403,
    "ticket_expired": 403,
    "ticket_mismatch": 403,
    "path_mismatch": 403,
    "scope_missing": 403,
    "session_ended": 403,
    "user_changed": 403,
    "too_many_connections": 429,
    "token_used": 403,
    "store_unavailable": 503,
    "login_required": 401,
    "not_json": 415,
    "bad_request": 400,
    "unknown_path": 404,
}


def test_codes_and_statuses_are_those_of_the_design() -> None:
    """One enum, in the order of the checks."""
    assert {refusal.value: refusal.status for refusal in Refusal} == CODES
    assert [refusal.value for refusal in Refusal] == list(CODES)


def test_preauth_only_codes() -> None:
    """A handshake never gives these."""
    assert {"login_required", "not_json", "bad_request", "unknown_path"} == PREAUTH_ONLY


# Where each of the two is refused; scopes_missing makes the one reason that is not spelt out.
PREAUTH = [grants, preauth, source]
HANDSHAKE = [gate, handshake, source]


def given_by(modules: list[ModuleType]) -> set[Refusal]:
    """Return the reasons for which the code of these modules refuses."""
    code = "".join(map(inspect.getsource, modules))
    names = set(re.findall(r"\bRefused\(\s*Refusal\.(\w+)", code))
    return {Refusal[name] for name in names} | {Refusal.SCOPE_MISSING}


def test_each_side_gives_the_reasons_that_the_other_does_not_keep() -> None:
    """What preauth never gives is of the handshake alone, and the other way round."""
    assert all("scopes_missing(" in inspect.getsource(module) for module in (grants, handshake))
    assert given_by(PREAUTH) == set(Refusal) - HANDSHAKE_ONLY
    assert given_by(HANDSHAKE) == set(Refusal) - PREAUTH_ONLY


@pytest.mark.parametrize("refusal", list(Refusal))
def test_refusal_is_its_word_everywhere(refusal: Refusal) -> None:
    """The same word in a comparison, a log line, a format and JSON."""
    code = refusal.name.lower()
    assert refusal == code
    assert f"{refusal}" == str(refusal) == "%s" % refusal == code  # noqa: UP031
    assert json.dumps(refusal) == f'"{code}"'
    assert Refusal(code) is refusal


@pytest.mark.parametrize("refusal", list(Refusal))
def test_refusal_can_be_acted_on(refusal: Refusal) -> None:
    """Whole sentences: what happened, and what its reader can do."""
    assert re.fullmatch(r"[A-Z][^.]*\.", refusal.meaning)
    assert re.fullmatch(r"[A-Z].*[.]", refusal.remedy)
    assert refusal.meaning.isascii()
    assert refusal.remedy.isascii()


def test_status_varies_only_where_a_check_says_so() -> None:
    """405 for another method, 426 for another version; else the reason's own."""
    assert Refused(Refusal.BAD_REQUEST, "GET is not POST", 405).http_status == 405
    assert Refused(Refusal.BAD_REQUEST).http_status == 400
    assert Refused(Refusal.LOGIN_REQUIRED) == Refused(Refusal.LOGIN_REQUIRED, "", 0)
