"""One WebSocket on each of the other stacks, with its protection on and off.

Each module is a site that a server of its own loads: ``bare`` opens the socket to whoever comes,
``protected`` does what the stack's documentation tells its users to do.
"""

from __future__ import annotations

import os

PROTECTED = os.environ.get("STACK_PROTECTED") == "1"
SECRET = "a secret key of at least thirty-two letters"
USER = "7"
SESSION = "k" * 32
"""The session id of the user, where a stack keeps sessions in a database."""
