"""``flask wsguard ticket``: one handshake for curl or websocat, while developing."""

from __future__ import annotations

import json
import shlex
from typing import Any
from urllib.parse import quote, urlsplit

import click
from flask import Flask
from flask.cli import with_appcontext

from ..core.carriers import QUERY
from ..identity import NONCE_KEY, new_nonce
from ..state import State
from .inventory import guarded_app


@click.command("ticket")
@click.option("--user", "user_id", required=True, help="The user's id, as Flask-Login has it.")
@click.option("--path", required=True, help="The socket's path, such as /echo.")
@click.option("--site", default="http://localhost:5000", show_default=True, help="Where it runs.")
@with_appcontext
def ticket(user_id: str, path: str, site: str) -> None:
    """Print commands that open a socket as this user. Works in debug mode only."""
    app, state = guarded_app()
    if not app.debug:
        raise click.ClickException("this logs anybody in, so it wants debug mode: flask --debug")
    parts = urlsplit(site)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise click.UsageError(f"--site {site!r} is not http(s)://host[:port]")
    if QUERY not in state.settings.token_carriers:
        raise click.ClickException('WSGUARD_TOKEN_CARRIERS has no "query", which this needs')
    origin, pathname = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/") + quote(path)
    grant, cookies = _preauth(app, state, user_id, pathname, origin + parts.path)
    address = f"{origin}{pathname}"
    if grant["token"]:
        address += f"?{grant['param']}={grant['token']}"
    click.echo(f"# as {user_id}, within {grant['expires_in']} seconds; then ask for another")
    click.echo(_curl(address, origin, cookies))
    click.echo(_websocat(address, origin, cookies))


def _preauth(
    app: Flask, state: State, user_id: str, pathname: str, base: str
) -> tuple[dict[str, Any], str]:
    """Log in inside this process, ask the real preauth; return its answer and the cookies."""
    client = app.test_client()
    with client.session_transaction(base_url=base) as session:
        session["_user_id"], session["_fresh"] = user_id, True
        session[NONCE_KEY] = new_nonce()
    answer = client.post(
        f"{state.settings.url_prefix}/preauth",
        base_url=base,
        json={"path": pathname},
        headers={"Origin": "/".join(base.split("/")[:3])},
    )
    fields: dict[str, Any] = json.loads(answer.get_data())
    if answer.status_code != 200:
        raise click.ClickException(f"{fields['reason']}: {fields['title']} {fields['detail']}")
    cookies = [answer.request.environ["HTTP_COOKIE"]]
    cookies += [line.partition(";")[0] for line in answer.headers.getlist("Set-Cookie")]
    return fields, "; ".join(cookies)


def _curl(address: str, origin: str, cookies: str) -> str:
    words = ["curl", "--include", "--no-buffer", "--http1.1"]
    for header in (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Origin: {origin}",
        f"Cookie: {cookies}",
    ):
        words += ["-H", header]
    return shlex.join([*words, address])


def _websocat(address: str, origin: str, cookies: str) -> str:
    # The address first: websocat takes all that follows a header for headers.
    socket = address.replace("http", "ws", 1)
    return shlex.join(["websocat", socket, "-H", f"Origin: {origin}", "-H", f"Cookie: {cookies}"])
