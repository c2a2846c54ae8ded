"""``flask wsguard check``: whether this configuration is fit for production."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from .addresses import served_at
from .audit import audit
from .findings import ERROR, WARNING, Deployment, Site
from .inventory import guarded_app, socket_routes


@click.command("check")
@click.option("--workers", type=click.IntRange(1), help="Processes that serve the site.")
@click.option("--threads", type=click.IntRange(1), help="Threads of each, under gthread.")
@click.option("--worker-class", help="gunicorn's, by name or by class.")
@click.option("--site", help="Where the site is served, such as https://example.org.")
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@with_appcontext
def check(
    workers: int | None,
    threads: int | None,
    worker_class: str | None,
    site: str | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Audit the configuration for production. Exits with 1 on an error."""
    app, state = guarded_app()
    served = Deployment(workers, threads, worker_class, served_at(app, site))
    findings = audit(Site(app, state, socket_routes(app, state), served))
    errors = sum(finding.severity == ERROR for finding in findings)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.severity}: {finding.id}: {finding.what}")
            for line in finding.write.splitlines():
                click.echo(f"    {line}")
        click.echo(_count(errors, ERROR) + ", " + _count(len(findings) - errors, WARNING))
    if errors or (strict and findings):
        click.get_current_context().exit(1)


def _count(number: int, severity: str) -> str:
    return f"{number} {severity}{'s' * (number != 1)}"
