"""Who came, from where, and when it ended: one line each, beside the guard's own."""

import logging

from flask import request, session

from flask_wsguard import connection_closed, handshake_accepted, handshake_refused, preauth_refused
from flask_wsguard.redaction import redact  # a page may put a token where none belongs

log = logging.getLogger("sockets")


@handshake_accepted.connect
def accepted(app, path, ticket, **facts):
    log.info("open %r user=%r from %s", path, ticket and ticket.user_id, request.remote_addr)


@handshake_refused.connect
@preauth_refused.connect
def refused(app, reason, path, **facts):
    user_id = session.get("_user_id")  # whom the session names, Flask-Login's spelling
    log.warning("%s %r user=%r from %s", reason.value, redact(path), user_id, request.remote_addr)


@connection_closed.connect
def closed(app, path, ticket, reason, seconds, **facts):
    user_id = ticket and ticket.user_id
    log.info("closed %r user=%r after %.0f s: %s", path, user_id, seconds, reason or "not by us")
