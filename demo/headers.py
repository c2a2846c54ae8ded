"""What every answer says to the browser, and where a form may come from."""

from __future__ import annotations

import re

from flask import Response, abort, request

_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?", re.ASCII)


def add_headers(answer: Response) -> Response:
    """Allow this site's own files and sockets, and nothing inline."""
    host = request.host if _HOST.fullmatch(request.host) else ""
    # Before 15.4, Safari's connect-src 'self' did not cover WebSockets.
    sockets = f" ws://{host} wss://{host}" if host else ""
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self'{sockets}; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def refuse_foreign_forms() -> None:
    """Refuse a form of another origin, which could log a visitor in as somebody else.

    IE 11 sends no Origin with its forms; its Referer says the same.
    """
    if request.method != "POST" or request.blueprint == "wsguard":
        return
    source = request.headers.get("Origin") or request.headers.get("Referer", "")
    if not f"{source}/".startswith(request.host_url):
        abort(403)
