"""``flask wsguard probe``: play the attacker against a running site."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from urllib.parse import urlsplit

import click

from ..core.origins import Origin
from ..settings import Settings
from .attacks import HOLE, OPEN, Verdict, Visit, play
from .knock import NoAnswer, Target

BLIND = 2
"""Exit status when the honest attempt was refused: then no refusal proves anything."""


@click.command("probe")
@click.argument("url")
@click.option("--cookie", default="", help='The cookies of a login: "session=...".')
@click.option("--login", help="A command that logs in and prints those cookies.")
@click.option("--prefix", help="Where preauth is, if not below the site's root.")
@click.option("--other-path", help="Another socket of the site, to replay a token there.")
@click.option("--i-own-this-host", is_flag=True, help="Probe a host that is not this machine.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def probe(
    url: str,
    cookie: str,
    login: str | None,
    prefix: str | None,
    other_path: str | None,
    i_own_this_host: bool,
    as_json: bool,
) -> None:
    """Attack the socket at URL as foreign pages would. Exits with 1 on a hole.

    First the site's own page must get in; if it does not, nothing is proved, and the exit
    status is 2.
    """
    target = _target(url, i_own_this_host)
    visit = Visit(
        target,
        Settings().url_prefix if prefix is None else prefix,
        _log_in(login) if login else cookie,
    )
    try:
        verdicts = list(play(visit, other_path))
    except NoAnswer as fault:
        raise click.ClickException(str(fault)) from None
    _print(verdicts, as_json)
    if verdicts[0].verdict != OPEN:
        click.get_current_context().exit(BLIND)
    if any(one.verdict == HOLE for one in verdicts):
        click.get_current_context().exit(1)


def _target(url: str, owned: bool) -> Target:
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    own = Origin.of_request(scheme, parts.netloc)
    if own is None:
        raise click.UsageError(f"{url!r} is not http(s)://host[:port]/path")
    if not own.is_loopback and not owned:
        raise click.UsageError(
            f"{own.host} is not this machine: attack only what is yours, and say --i-own-this-host"
        )
    return Target(own.scheme, own.host, own.port, parts.path or "/")


def _log_in(command: str) -> str:
    # The operator's own command, typed at the same prompt as this one.
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 # nosec B602
    if done.returncode or not done.stdout.strip():
        raise click.ClickException(f"the login command printed no cookie: {done.stderr.strip()}")
    return done.stdout.strip()


def _print(verdicts: list[Verdict], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(one) for one in verdicts], indent=2))
        return
    width = max(len(one.attack) for one in verdicts)
    for one in verdicts:
        line = f"{one.attack.ljust(width)}  {one.verdict.ljust(7)}  {one.status}  {one.what}"
        click.echo(line.rstrip())
    holes = sum(one.verdict == HOLE for one in verdicts)
    if verdicts[0].verdict != OPEN:
        click.echo("the site's own page did not get in, so nothing is proved")
    else:
        click.echo(f"{len(verdicts) - 1} attacks, {holes} holes")
