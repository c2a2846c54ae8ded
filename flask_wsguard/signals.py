"""Blinker signals. The sender is the Flask app; a receiver that raises is logged, never heard.

``preauth_granted(path, user_id)`` · ``preauth_refused(reason, detail, path, origin)`` ·
``handshake_accepted(path, ticket, origin, observed)`` ·
``handshake_refused(reason, detail, path, origin, observed)``.
``reason`` is a Refusal, ``origin`` the raw header or None, ``ticket`` a Ticket or None on public
routes, ``observed`` a Refusal that ``WSGUARD_ENFORCE = False`` let through, else None or False.
"""

from blinker import Namespace

_signals = Namespace()

preauth_granted = _signals.signal("wsguard-preauth-granted")
preauth_refused = _signals.signal("wsguard-preauth-refused")
handshake_accepted = _signals.signal("wsguard-handshake-accepted")
handshake_refused = _signals.signal("wsguard-handshake-refused")
