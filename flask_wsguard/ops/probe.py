"""``flask wsguard probe``: play the attacker against a running site."""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import asdict
from urllib.parse import unquote

import click

from ..core.carriers import CARRIERS, QUERY
from ..core.origins import Origin, OriginPolicy
from ..settings import Settings
from .addresses import parts_of, socket_path
from .attacks import HOLE, OPEN, REFUSED, UNPROVED, Verdict, play
from .knock import Target
from .visit import Visit

OPEN_TO_ATTACK, BLIND = 1, 2
"""Exit status for a hole, and for a site that gave too few answers to prove anything."""


@click.command("probe")
@click.argument("url")
@click.option("--cookie", default="", help='The cookies of a login: "session=...".')
@click.option("--login", help="A command that logs in and prints those cookies.")
@click.option(
    "--prefix", callback=socket_path, help="Where preauth is, if not below the site's root."
)
@click.option(
    "--other-path",
    callback=socket_path,
    help="Another socket of the site, to replay a token there.",
)
@click.option(
    "--allowed",
    "listed",
    metavar="ORIGIN",
    multiple=True,
    help="An entry of WSGUARD_ALLOWED_ORIGINS: its pages are no attack. Once for each.",
)
@click.option(
    "--carrier",
    type=click.Choice(CARRIERS),
    default=QUERY,
    show_default=True,
    help="Where the site takes its token.",
)
@click.option(
    "--wait",
    "longest_wait",
    default=60,
    show_default=True,
    help="Seconds by which a 429 of preauth may put off one attack.",
)
@click.option("--i-own-this-host", is_flag=True, help="Probe a host that is not this machine.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def probe(
    url: str,
    cookie: str,
    login: str | None,
    prefix: str | None,
    other_path: str | None,
    listed: tuple[str, ...],
    carrier: str,
    longest_wait: int,
    i_own_this_host: bool,
    as_json: bool,
) -> None:
    """Attack the socket at URL as foreign pages would. Exits with 1 on a hole.

    First the site's own page must get in. If it does not, or if the site stops answering on the
    way, too little is proved, and the exit status is 2.
    """
    target = _target(url, i_own_this_host)
    visit = Visit(
        target,
        Settings().url_prefix if prefix is None else prefix,
        _header("--login", _log_in(login)) if login else _header("--cookie", cookie),
        carrier,
        longest_wait,
        _wait,
        _allowed(listed),
    )
    verdicts = list(play(visit, _other(other_path, target)))
    _print(verdicts, as_json)
    click.get_current_context().exit(_exit_status(verdicts))


def _exit_status(verdicts: list[Verdict]) -> int:
    if any(one.verdict == HOLE for one in verdicts):
        return OPEN_TO_ATTACK
    blind = verdicts[0].verdict != OPEN or any(one.verdict == UNPROVED for one in verdicts)
    return BLIND if blind else 0


def _wait(seconds: int) -> None:
    click.echo(f"preauth says to come back later: waiting {seconds} s", err=True)
    time.sleep(seconds)


def _target(url: str, owned: bool) -> Target:
    parts = parts_of(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    own = Origin.of_request(scheme, parts.netloc)
    if own is None:
        raise click.UsageError(f"{url!r} is not http(s)://host[:port]/path")
    if not own.is_loopback and not owned:
        raise click.UsageError(
            f"{own.host} is not this machine: attack only what is yours, and say --i-own-this-host"
        )
    return Target(own.scheme, own.host, own.port, parts.path or "/", parts.query)


def _other(path: str | None, target: Target) -> str | None:
    """Return another path, without its query. Raises UsageError for the one that is probed."""
    # Behind a query of its own the token would be none, and refused for that.
    path = re.split("[?#]", path)[0] if path else None
    if path and unquote(path) == unquote(target.path):
        raise click.UsageError(f"--other-path {path} is the socket that is probed: name another")
    return path


def _allowed(entries: tuple[str, ...]) -> OriginPolicy:
    try:
        return OriginPolicy(entries)
    except ValueError as fault:
        raise click.UsageError(f"--allowed: {fault}") from None


def _header(option: str, cookies: str) -> str:
    """Return cookies that a header can carry. Raises UsageError for others, the value unsaid."""
    if re.fullmatch(r"[\t -~\x80-\xff]*", cookies) is None:
        raise click.UsageError(f"{option} gives no Cookie header: one line, as the browser has it")
    return cookies


def _log_in(command: str) -> str:
    # The operator's own command, typed at the same prompt as this one.
    done = subprocess.run(  # noqa: S602 # nosec B602
        command, shell=True, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode or not done.stdout.strip():
        click.echo(f"the login command printed no cookie: {done.stderr.strip()}", err=True)
        click.get_current_context().exit(BLIND)
    return done.stdout.strip()


def _print(verdicts: list[Verdict], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(one) for one in verdicts], indent=2))
        return
    attacks = max(len(one.attack) for one in verdicts)
    kinds = max(len(REFUSED), *(len(one.verdict) for one in verdicts))
    for one in verdicts:
        cells = one.attack.ljust(attacks), one.verdict.ljust(kinds), f"{one.status or '-':<3}"
        click.echo("  ".join([*cells, one.what]).rstrip())
    click.echo(_summary(verdicts))


def _summary(verdicts: list[Verdict]) -> str:
    if verdicts[0].verdict != OPEN:
        nobody = "login_required" in verdicts[0].what
        hint = ": log in, with --cookie or --login" if nobody else ""
        return f"the site's own page did not get in, so nothing is proved{hint}"
    tried = [one for one in verdicts[1:] if one.verdict != UNPROVED]
    holes = sum(one.verdict == HOLE for one in tried)
    counted = f"{len(tried)} attack{'s' * (len(tried) != 1)}, {holes} hole{'s' * (holes != 1)}"
    if verdicts[-1].verdict == UNPROVED:
        return f"{counted}; the rest is not proved"
    unproved = len(verdicts) - 1 - len(tried)
    return f"{counted}; {unproved} not proved" if unproved else counted
