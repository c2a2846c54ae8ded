"""Blinker signals. The sender is the Flask app; a receiver that raises is logged, never heard.

- ``preauth_granted(path, user_id, origin)``, ``user_id`` None on public routes
- ``preauth_refused(reason, detail, path, origin)``, ``path`` "" where it was not even read
- ``handshake_accepted(path, ticket, origin)``
- ``handshake_refused(reason, detail, path, origin, observed)``, ``observed`` True where
  ``WSGUARD_ENFORCE = False`` let it through
- ``connection_opened(path, ticket)``
- ``connection_closed(path, ticket, code, reason, seconds)``, ``code`` and ``reason`` of a close
  that the guard asked for, else None and ""

``reason`` of a refusal is a Refusal, ``origin`` the raw header or None, ``ticket`` a Ticket, None
on public routes.
"""

from blinker import Namespace

_signals = Namespace()

preauth_granted = _signals.signal("wsguard-preauth-granted")
preauth_refused = _signals.signal("wsguard-preauth-refused")
handshake_accepted = _signals.signal("wsguard-handshake-accepted")
handshake_refused = _signals.signal("wsguard-handshake-refused")
connection_opened = _signals.signal("wsguard-connection-opened")
connection_closed = _signals.signal("wsguard-connection-closed")
