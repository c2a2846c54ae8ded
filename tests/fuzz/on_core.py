"""One fuzzed input for the rules alone: no Flask, thousands a second."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from contextlib import suppress

from flask_wsguard import facts
from flask_wsguard.core import handshake, notices, preauth, storage, tickets
from flask_wsguard.core.case import Expected, Protected, Public, Session
from flask_wsguard.core.origins import Origin, parse_entry
from flask_wsguard.core.refusals import Refused

from . import model
from .request import Request, read_request
from .scene import GRANTS, KEYS, SKEW, Login, Scene, fill_in, read_scene

LEFT_OUT: set[str] = set()
"""Names of checks to leave out, so that a test can see the contract broken."""


class Broken(AssertionError):
    """The contract is broken: something was accepted that the model refuses."""


def one_input(data: bytes) -> bool:
    """Run one input; True when a handshake was accepted. Raises Broken, or what escaped."""
    top, _, text = data.partition(b"\n")
    scene, text = read_scene(top), fill_in(text)
    _parse(text)
    request = read_request(text)
    if request is None:
        return False
    environ = request.environ(scene.scheme)
    _preauth(request, scene, facts.preauth_of(environ))
    return _handshake(request, scene, environ)


def _parse(text: bytes) -> None:
    """Give every parser of texts the input, also what only this site could have signed."""
    line = text.partition(b"\n")[0].decode("latin-1")
    if (origin := Origin.parse(line)) and Origin.parse(str(origin)) != origin:
        raise Broken(f"{line!r} is {origin}, and that is not itself")
    for read in (tickets.read_token, tickets.read_ticket, storage.fault_of):
        read(line)
    with suppress(ValueError):
        parse_entry(line)
    notices.read_notice(line, KEYS)
    notices.read_notice(KEYS.sign_notice(text.decode("utf-8", "replace")), KEYS)
    letters, id_ = urlsafe_b64encode(text).rstrip(b"=").decode(), GRANTS[0].ticket.id
    signed = KEYS._tickets.sign(f"k1.{id_}.1.2.{id_}..{letters}.{letters}")
    ticket = tickets.read_ticket(signed.decode())
    if ticket and type(ticket.expires_at) is not int:
        raise Broken(f"{text!r} is a ticket without time")
    pathname = preauth.read_body(text)
    if isinstance(pathname, str):
        preauth.read_path(pathname, "")
        preauth.read_path(pathname, "/mounted")


def _preauth(request: Request, scene: Scene, asked: preauth.PreauthRequest) -> None:
    refused = preauth.judge(asked, scene.policy.rules)
    if refused is None and not isinstance(preauth.read_body(request.body), Refused):
        _compare(model.faults_of_preauth(request, scene, [scene.login]), _NOT_ITS_OWN)


# What preauth asks behind the rules of core: the router, the login, the mark.
_NOT_ITS_OWN = {"no path", "no marked route", "nobody who may", "a foreign fetch"}


def _handshake(request: Request, scene: Scene, environ: facts.Environ) -> bool:
    at = facts.bound_path(environ)
    demanded = model.ROUTES.get(at.encode("latin-1"), ...)
    judged = handshake.judge(
        facts.handshake_of(
            environ,
            _mark(demanded),
            token_param="wsguard_token",
            token_carriers=scene.policy.carriers,
            path=at,
            upgrade=True,
            session=lambda: _session(scene.login),
        ),
        expected=Expected(scene.policy.rules, KEYS, "wsguard", SKEW),
        now=scene.now,
        checks=tuple(check for check in handshake.CHECKS if check.__name__ not in LEFT_OUT),
    )
    if isinstance(judged, Refused):
        return False
    _compare(model.faults_of_handshake(request, scene, [scene.login]), set())
    return True


def _mark(demanded: object) -> Protected | Public | None:
    if demanded is ...:
        return None
    if isinstance(demanded, set):
        return Protected(frozenset(demanded))
    return Public(any_origin=demanded == "any")


def _session(login: Login) -> Session:
    return Session(login.user, login.nonce, ended=login.ended)


def _compare(faults: list[str], pardoned: set[str]) -> None:
    if left := [fault for fault in faults if fault not in pardoned]:
        raise Broken(f"accepted in spite of: {', '.join(left)}")
