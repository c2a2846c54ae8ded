"""The page and its forms: log in, log out, give and take scopes."""

from __future__ import annotations

from datetime import datetime, timezone

from flask import Flask, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user

from .audit import Audit
from .people import SCOPES, Person
from .room import LONGEST_MESSAGE

_OTHER_HOST = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}


def add_pages(app: Flask, people: dict[str, Person], audit: Audit) -> None:
    """Serve the page at / and the forms on it."""
    app.add_template_filter(_clock, "clock")

    @app.get("/")
    def index() -> str:
        return render_template(
            "demo.html",
            people=people.values(),
            scopes=SCOPES,
            verdicts=reversed(audit.after()),
            longest_message=LONGEST_MESSAGE,
            other_site=_other_site(),
        )

    @app.post("/login")
    def log_in() -> ResponseReturnValue:
        login_user(people.get(request.form["person"]) or abort(400))
        return redirect(url_for("index"), 303)

    @app.post("/logout")
    def log_out() -> ResponseReturnValue:
        logout_user()
        return redirect(url_for("index"), 303)

    @app.post("/scopes")
    def set_scope() -> ResponseReturnValue:
        if not current_user.is_authenticated:
            abort(401)
        if (scope := request.form["scope"]) not in SCOPES:
            abort(400)
        if request.form["allowed"] == "yes":
            current_user.scopes.add(scope)
        else:
            current_user.scopes.discard(scope)
        return redirect(url_for("index"), 303)


def _other_site() -> str | None:
    """Return this demo's other address: another host has other cookies, hence another user."""
    host, _, port = request.host.partition(":")
    other = _OTHER_HOST.get(host)
    return other and f"http://{other}:{port or 80}/"


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%H:%M:%S UTC")
