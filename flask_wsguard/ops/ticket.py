"""``flask wsguard ticket``: one handshake for curl or websocat, while developing."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import click
from flask import Flask
from flask.cli import with_appcontext
from flask.testing import FlaskClient
from werkzeug.exceptions import SecurityError
from werkzeug.test import TestResponse

from ..core.carriers import QUERY, offering
from ..core.origins import Origin
from ..core.refusals import Refusal
from ..identity import NONCE_KEY, new_nonce
from ..logins import has_flask_login
from ..state import State
from .addresses import parts_of, socket_path
from .inventory import guarded_app

_OF_FLASK_LOGIN = (
    "This command logs in by Flask-Login's session alone: where users bring another credential, "
    "ask preauth with that."
)


_AGENT = "flask-wsguard"
"""The User-Agent of preauth and of both commands, because a login may be bound to it."""


@click.command("ticket")
@click.option("--user", "user_id", required=True, help="The user's id, as Flask-Login has it.")
@click.option("--path", required=True, callback=socket_path, help="The socket's, such as /echo.")
@click.option("--site", default="http://localhost:5000", show_default=True, help="Where it runs.")
@click.option("--origin", help="The page's, if it is not the site's own.")
@with_appcontext
def ticket(user_id: str, path: str, site: str, origin: str | None) -> None:
    """Print commands that open a socket as this user. Works in debug mode only."""
    app, state = guarded_app()
    if not app.debug:
        raise click.ClickException("this logs anybody in, so it wants debug mode: flask --debug")
    parts = parts_of(site)
    own = Origin.of_request(parts.scheme, parts.netloc)
    if own is None:
        raise click.UsageError(f"--site {site!r} is not http(s)://host[:port]")
    _must_know(state, user_id)
    page, pathname = origin or str(own), parts.path.rstrip("/") + quote(path)
    with _unlogged(), _trusted(own):
        grant, cookies = _preauth(app, state, user_id, pathname, f"{own}{parts.path}", page)
    query, offer = _carried(grant, state.settings.token_carriers)
    headers = [f"User-Agent: {_AGENT}", f"Origin: {page}", *offer, f"Cookie: {cookies}"]
    click.echo(f"# as {user_id}, within {grant['expires_in']} seconds; then ask for another")
    click.echo(_curl(f"{own}{pathname}{query}", headers))
    click.echo(_websocat(f"{own}{pathname}{query}", headers))


def _must_know(state: State, user_id: str) -> None:
    """Raise ClickException for a user whom Flask-Login would not find again."""
    if not has_flask_login():
        return
    try:
        user = state.site.loaders.reload(user_id)
    except Exception as fault:
        raise click.ClickException(f"user_loader raised {fault!r} for {user_id!r}") from None
    if user is None:
        raise click.ClickException(f"user_loader knows no {user_id!r}")


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep the guard's log quiet: what it would say, this command says itself."""
    log = logging.getLogger("flask_wsguard")
    log.addFilter(_nothing)
    try:
        yield
    finally:
        log.removeFilter(_nothing)


@contextmanager
def _trusted(own: Origin) -> Iterator[None]:
    """Say which site to name instead, where Werkzeug trusts no Host of this one."""
    try:
        yield
    except SecurityError:
        what = f"{own.host} is not among TRUSTED_HOSTS"
        raise click.ClickException(f"{what}: say --site https://<one of TRUSTED_HOSTS>") from None


def _nothing(record: logging.LogRecord) -> bool:
    return False


def _preauth(
    app: Flask, state: State, user_id: str, pathname: str, base: str, page: str
) -> tuple[dict[str, Any], str]:
    """Log in inside this process, ask the real preauth; return its answer and the cookies."""
    client = app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = _AGENT
    _log_in(client, user_id, base)
    answer = client.post(
        f"{state.settings.url_prefix}/preauth",
        base_url=base,
        json={"path": pathname},
        headers={"Origin": page},
    )
    cookies = [_cookie_of_login(app, answer, base)]
    fields = _granted(answer)
    cookies += [line.partition(";")[0] for line in answer.headers.getlist("Set-Cookie")]
    return fields, "; ".join(cookies)


def _log_in(client: FlaskClient, user_id: str, base: str) -> None:
    """Write the session as Flask-Login does, bound to this machine and _AGENT."""
    app = client.application
    with client.session_transaction(base_url=base) as session:
        session["_user_id"], session["_fresh"] = user_id, True
        session[NONCE_KEY] = new_nonce()
        if has_flask_login():
            logins = app.login_manager  # type: ignore[attr-defined]
            # Strong session protection takes a session without it for a stolen one.
            with app.test_request_context(base_url=base, environ_base=client.environ_base):
                session["_id"] = logins._session_identifier_generator()


def _cookie_of_login(app: Flask, answer: TestResponse, base: str) -> str:
    """Return the cookie that preauth got. Raises ClickException where it got none."""
    if sent := answer.request.environ.get("HTTP_COOKIE"):
        return str(sent)
    domain = app.session_interface.get_cookie_domain(app)
    path = app.session_interface.get_cookie_path(app)
    if not domain and path == "/":
        raise click.ClickException(f"the site sets no session cookie. {_OF_FLASK_LOGIN}")
    where = f"{domain or parts_of(base).hostname}{path}"
    what = f"the session cookie is for {where} and does not go to {base}"
    raise click.ClickException(f"{what}: name a site that gets it with --site")


def _granted(answer: TestResponse) -> dict[str, Any]:
    """Return what preauth granted. Raises ClickException for any other answer."""
    match answer.get_json(silent=True):
        case dict() as fields if {"token", "param", "expires_in"} <= fields.keys():
            return fields
        case {"reason": Refusal.LOGIN_REQUIRED.value as reason, "title": title}:
            raise click.ClickException(f"{reason}: {title} {_OF_FLASK_LOGIN}")
        case {"reason": reason, "title": title, "detail": detail}:
            raise click.ClickException(f"{reason}: {title} {detail}")
    raise click.ClickException(f"another answered in preauth's place: {answer.status}")


def _carried(grant: dict[str, Any], carriers: tuple[str, ...]) -> tuple[str, list[str]]:
    """Return the query and the headers that carry a token, in the site's own way."""
    if grant["token"] is None:
        return "", []
    if QUERY in carriers:
        return f"?{grant['param']}={grant['token']}", []
    return "", [f"Sec-WebSocket-Protocol: {', '.join(offering((), grant['token']))}"]


def _curl(address: str, headers: list[str]) -> str:
    words = ["curl", "--include", "--no-buffer", "--http1.1"]
    for header in (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
    ):
        words += ["-H", header]
    return shlex.join([*words, address])


def _websocat(address: str, headers: list[str]) -> str:
    # The address first: websocat takes all that follows a header for headers.
    words = ["websocat", address.replace("http", "ws", 1)]
    return shlex.join([*words, *(word for header in headers for word in ("-H", header))])
