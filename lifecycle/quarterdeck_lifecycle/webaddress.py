"""Where a row can be looked at in a browser: its own page, else what can be said of it. Pure; nothing is asked.

An address comes from systems and labels, so it is hostile: only http and https, without a user part, and only of hosts
that the operator configured (sources, the remotes of their repositories), of this machine, or of known registries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from quarterdeck_lifecycle.kinds import (
    Container,
    Endpoint,
    Image,
    MonitorTarget,
    Rule,
    Series,
    Tag,
)
from quarterdeck_lifecycle.records import Record

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
REGISTRIES = {
    "docker.io": "hub.docker.com", "index.docker.io": "hub.docker.com", "ghcr.io": "ghcr.io", "quay.io": "quay.io",
}  # fmt: skip
NO_WEB_PORTS = frozenset({22, 53, 389, 1433, 1521, 2181, 3306, 5432, 5672, 6379, 9092, 11211, 27017})
"""Ports of databases, queues and shells: nobody opens these in a browser."""


class Address(NamedTuple):
    """A web address, what it shows, and why it is not to be followed (empty: it may be)."""

    what: str
    url: str
    why_not: str = ""


def hosts_of(sources: Iterable[str], remotes: Iterable[str]) -> frozenset[str]:
    """The hosts that the operator configured: of sources' addresses, and of the pages of repositories' remotes."""
    found = set(LOOPBACK) | set(REGISTRIES.values())
    for url in (*sources, *remotes):
        host = _host(url)
        found |= {host, host.removeprefix("api.")} if host else set()
    return frozenset(found)


def addresses(
    record: Record, owners: Sequence[Record], sources: Mapping[str, str], hosts: frozenset[str]
) -> list[Address]:
    """The addresses of a row, the best first; `owners` are what it belongs to, `sources` the addresses by name."""
    base = sources.get(record.ref.source, "")
    found = [("its page", record.url)] if record.url else []
    found += _own(record, base)
    found += [(f"{owner.kind.replace('_', ' ')} {owner.name}", owner.url) for owner in owners if owner.url]
    judged = [Address(what, url, _why_not(url, hosts)) for what, url in found]
    first = {address.url: address for address in reversed(judged)}
    kept = [address for address in judged if first[address.url] is address]
    return sorted(kept, key=lambda address: bool(address.why_not))


def _own(record: Record, base: str) -> list[tuple[str, str]]:
    web = base if base.startswith(("http://", "https://")) else ""
    if isinstance(record, Container):
        return [*_published(record, base), *_image_pages(record.image)]
    if isinstance(record, Image):
        return [page for name in record.tags[:3] for page in _image_pages(name)]
    if isinstance(record, Tag):
        return _image_pages(f"{record.registry}/{record.repository}")
    if isinstance(record, Endpoint) and record.address:
        return [("its address", f"http://{record.address}")]
    if isinstance(record, Series) and web and record.expr:
        return [("its graph", f"{web}/graph?g0.expr={quote(record.expr, safe='')}&g0.tab=0")]
    if isinstance(record, Rule) and web:
        return [("the rules", f"{web}/rules")]
    if isinstance(record, MonitorTarget) and web:
        return [("the targets", f"{web}/targets")]
    return []


def _published(record: Container, base: str) -> list[tuple[str, str]]:
    """Its published ports on the engine's host; whether they speak http is not known."""
    engine = "127.0.0.1" if not base or base.startswith(("unix:", "/")) else _host(base)
    found = []
    for port in record.ports:
        outside, arrow, inside = port.partition("->")
        bound, _, number = outside.rpartition(":")
        within = inside.partition("/")
        if not arrow or not number.isdigit() or within[2] not in ("", "tcp") or not within[0].isdigit():
            continue
        reached = engine in LOOPBACK or bound.strip("[]") not in LOOPBACK
        if reached and engine and int(within[0]) not in NO_WEB_PORTS:
            scheme = "https" if within[0] in ("443", "8443") else "http"
            found.append((f"published port {number}", f"{scheme}://{engine}:{number}/"))
    return list(dict.fromkeys(found))


def _image_pages(reference: str) -> list[tuple[str, str]]:
    """The registry's page of an image, where the registry has pages."""
    name = reference.partition("@")[0]
    first, slash, rest = name.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, path = (first, rest) if named else ("docker.io", name)
    path = path.rpartition(":")[0] if ":" in path.rpartition("/")[2] else path
    path = quote(path, safe="/")
    if not path or host not in REGISTRIES or reference.startswith("sha256:"):
        return []
    if host == "ghcr.io":
        return [("its image", f"https://ghcr.io/{path}")]
    if host == "quay.io":
        return [("its image", f"https://quay.io/repository/{path}")]
    return [("its image", f"https://hub.docker.com/{f'r/{path}' if '/' in path else f'_/{path}'}")]


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _why_not(url: str, hosts: frozenset[str]) -> str:
    if not url.startswith(("http://", "https://")):
        return "not a web address"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "not a web address"
    if not url.isprintable() or " " in url or parts.username or parts.password or "\\" in url:
        return "not a plain web address"
    host = (parts.hostname or "").lower()
    return "" if host in hosts else f"no source and no remote of yours is on {host or 'that host'}"
