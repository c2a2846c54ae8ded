"""What is wrong with a site for production, each finding with the line to write."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.carriers import OWN_PROTOCOL, SUBPROTOCOL
from ..core.origins import parse_entry
from ..servers import NO_OWN_PROTOCOL
from .findings import ERROR, WARNING, Audit, Finding, Site
from .late import late
from .same_site import may_be_same_site, site_of
from .secret_keys import secret_keys
from .serving import serving, shared_store
from .session_cookie import session_cookie


def switches(site: Site) -> Iterator[Finding]:
    """Find settings that take a check away."""
    settings = site.state.settings
    if site.app.debug:
        what = "debug mode tells visitors why they were refused, and runs their code"
        yield Finding("debug", ERROR, what, "start without --debug and FLASK_DEBUG")
    if not settings.enforce:
        what = "observe only: what should be refused is let through"
        yield Finding("observe_only", ERROR, what, "WSGUARD_ENFORCE = True")
    if settings.allow_insecure_transport:
        what = "plain http is accepted: whoever listens in reads session, ticket and token"
        yield Finding("insecure_transport", ERROR, what, "WSGUARD_ALLOW_INSECURE_TRANSPORT = False")
    if settings.allow_missing_origin:
        what = "handshakes without Origin are accepted with ticket and token"
        yield Finding("missing_origin", WARNING, what, "WSGUARD_ALLOW_MISSING_ORIGIN = False")
    if not settings.recheck_session:
        what = "a ticket outlives logout and a change of user"
        yield Finding("session_not_rechecked", WARNING, what, "WSGUARD_RECHECK_SESSION = True")


def origins(site: Site) -> Iterator[Finding]:
    """Find origins that let too much in, or that can never work."""
    settings = site.state.settings
    if "self" in settings.allowed_origins and not site.app.config.get("TRUSTED_HOSTS"):
        what = '"self" trusts the Host header, which DNS rebinding makes the attacker\'s'
        yield Finding("self_without_hosts", WARNING, what, 'TRUSTED_HOSTS = ["example.org"]')
    listed = [entry for entry in settings.allowed_origins if entry != "self"]
    for entry in listed:
        origin, _ = parse_entry(entry)
        if origin.scheme == "http" and not origin.is_loopback:
            what = f"{entry} is plain http: whoever is on its network can write its pages"
            yield Finding("http_origin", WARNING, what, f'"{entry.replace("http:", "https:", 1)}"')
    if site.known_as:
        yield from _of_other_sites(site, listed)
    elif listed:
        yield _unjudged(listed)


def _of_other_sites(site: Site, listed: list[str]) -> Iterator[Finding]:
    for entry in listed:
        if not any(may_be_same_site(entry, own) for own in site.known_as):
            what = f"{entry} is another site: the Strict ticket cookie never travels from there"
            line = "leave it out, unless for public sockets"
            yield Finding("cross_site_origin", WARNING, what, line)


def _unjudged(listed: list[str]) -> Finding:
    """Say that nobody knows whether these origins can work, or that not all of them can."""
    sites = {site_of(parse_entry(entry)[0]) for entry in listed}
    what = f"nothing says where the site is served, so nobody can tell whether {listed[0]} can work"
    if len(sites) > 1:
        what = (
            f"{' and '.join(sorted(sites))} are different sites, and the Strict ticket cookie "
            "travels within one: at most one of them can work"
        )
    return Finding("site_unknown", WARNING, what, "--site https://example.org, or TRUSTED_HOSTS")


def routes(site: Site) -> Iterator[Finding]:
    """Find sockets that nobody can open."""
    loader = "@guard.scopes_loader\ndef scopes(user): return {...}"
    for route in site.routes:
        if route.mark is None:
            what = f"{route.rule} carries no mark and is refused ({route.view})"
            line = "@ws_protected, or @ws_public, directly below @sock.route(...)"
            yield Finding("unguarded_route", ERROR, what, line)
        elif route.scopes and site.state.site.scopes_loader is None:
            what = f"{route.rule} demands scopes that no loader grants"
            yield Finding("scopes_without_loader", ERROR, what, loader)
    protected = any(route.guard == "protected" for route in site.routes)
    if protected and not site.state.site.loaders.has_any:
        what = "nothing knows the user: no Flask-Login, no identity_loader"
        yield Finding("no_login", ERROR, what, "LoginManager(app), or @guard.identity_loader")


def sockets(site: Site) -> Iterator[Finding]:
    """Find what flask-sock is not told."""
    options = site.sock_options
    if site.serves_sockets and not options.get("ping_interval"):
        what = "peers that are gone keep their sockets, and a thread each, for ever"
        yield Finding("no_ping", WARNING, what, 'SOCK_SERVER_OPTIONS = {"ping_interval": 25, ...}')
    if site.serves_sockets and not options.get("max_message_size"):
        what = "a message may be of any size"
        line = 'SOCK_SERVER_OPTIONS = {"max_message_size": 65536, ...}'
        yield Finding("no_message_limit", WARNING, what, line)
    protocols = options.get("subprotocols") or []
    if SUBPROTOCOL in site.state.settings.token_carriers and OWN_PROTOCOL not in protocols:
        line = "move SOCK_SERVER_OPTIONS above WSGuard(app)"
        yield Finding("protocol_lost", ERROR, NO_OWN_PROTOCOL, line)


AUDITS: tuple[Audit, ...] = (
    late, secret_keys, switches, origins, routes, sockets, serving, shared_store, session_cookie,
)  # fmt: skip


def audit(site: Site) -> list[Finding]:
    """Return all findings, errors first."""
    found = [finding for ask in AUDITS for finding in ask(site)]
    return sorted(found, key=lambda finding: finding.severity != ERROR)
