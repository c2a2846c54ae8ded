"""``flask wsguard``: what an operator asks on the command line. Flask finds it by entry point."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from ..disconnect import disconnect
from ..live.sockets import SIGN_IN_AGAIN
from .check import check
from .explain import explain
from .inventory import guarded_app
from .probe import probe
from .routes import routes
from .ticket import ticket

wsguard = AppGroup("wsguard", help="Guarded WebSockets.")
for command in (routes, check, explain, probe, ticket):
    wsguard.add_command(command)


@wsguard.command("disconnect")
@click.option("--user", "user_id", help="The user's id.")
@click.option("--session", help="The session, as current_ticket.session has it.")
@click.option("--ticket", "ticket_id", help="The ticket's id.")
@click.option("--all", "everybody", is_flag=True, help="Every socket, public ones too.")
def disconnect_command(
    user_id: str | None, session: str | None, ticket_id: str | None, everybody: bool
) -> None:
    """Close open sockets in all processes. Needs WSGUARD_STORAGE_URI."""
    guarded_app()
    ids = {"user_id": user_id, "session": session, "ticket_id": ticket_id}
    given = {name: value for name, value in ids.items() if value is not None}
    if everybody == bool(given):
        raise click.UsageError("say whose: --user, --session, --ticket or --all")
    try:
        disconnect(**given, code=SIGN_IN_AGAIN, reason="disconnected")
    except ValueError as fault:
        raise click.UsageError(str(fault)) from None
    except RuntimeError as fault:
        raise click.ClickException(str(fault)) from None
    click.echo("told every process that holds such a socket to close it")
