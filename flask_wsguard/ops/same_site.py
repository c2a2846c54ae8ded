"""What a browser calls one site, as far as that can be told without its list of suffixes."""

from __future__ import annotations

from ..core.origins import Origin, parse_entry


def site_of(origin: Origin) -> str:
    """Return the least that a site has: the last two labels of a name, or a whole address."""
    labels = origin.host.removesuffix(".").split(".")
    if origin.host[0] == "[" or labels[-1].isdecimal():
        return origin.host
    return ".".join(labels[-2:])


def may_be_same_site(entry: str, own: Origin) -> bool:
    """Tell whether pages of an entry of WSGUARD_ALLOWED_ORIGINS may be same-site with ``own``.

    False is certain: to those pages the ticket, a Strict cookie, never travels. Of
    ``example.co.uk`` and ``evil.co.uk`` it sees no difference.
    """
    origin, wildcard = parse_entry(entry)
    # Of *.localhost alone the site is longer than the entry.
    return site_of(origin) == site_of(own) or (wildcard and own.host.endswith(f".{origin.host}"))
