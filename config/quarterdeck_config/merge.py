"""Joining what discovery found with what is configured. Pure: nothing is asked here."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from quarterdeck_config.schema import Source

_PORTS = {"http": 80, "https": 443, "ssh": 22, "tcp": 2375}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - names to compare, not to bind


class Candidate(msgspec.Struct, frozen=True):
    """A source that discovery proposes.

    ``evidence``: where it was seen (``DOCKER_HOST``, "port 5000 of container reg"). ``answered``: True if the
    system itself answered there, False if something was asked and it is not that system, None if nobody asked
    (it was named on purpose, and is shown even when it is down). ``why`` says more, such as the error.
    """

    source: Source
    evidence: str
    answered: bool | None
    why: str = ""


class Finding(msgspec.Struct, frozen=True):
    """What became of one configured source or candidate; a line of doctor's report.

    ``name`` is the name in use: for a candidate that is the same endpoint as another, the other's.
    """

    name: str
    system: str
    url: str | None
    evidence: str
    used: bool
    why: str = ""


def merge_sources(
    configured: Iterable[Source],
    candidates: Iterable[Candidate],
    default_urls: Mapping[str, str] | None = None,
) -> tuple[tuple[Source, ...], tuple[Finding, ...]]:
    """All sources to use, configured ones first and unchanged, and a finding for each that was looked at.

    A candidate is left out when it did not answer as its system, or when a source before it has the same
    endpoint (`endpoint`). Candidates of one endpoint share their ``repos``. Names are made unique: docker,
    docker-2. ``default_urls`` (system -> url) tells where a source without url is.
    """
    defaults = default_urls or {}
    sources = list(configured)
    findings = [Finding(s.name, s.system, s.url, "configured", True) for s in sources]
    fixed = len(sources)
    places: dict[tuple[str, str], int] = {}
    for i, source in enumerate(sources):
        places.setdefault(endpoint(source, defaults), i)
    names = {source.name for source in sources}
    for candidate in candidates:
        source = candidate.source
        if candidate.answered is False:
            why = candidate.why or "no answer of that system"
            findings.append(_finding(candidate, source.name, False, why))
            continue
        at = places.get(endpoint(source, defaults))
        if at is not None:
            known = sources[at]
            if at >= fixed and set(source.repos) - set(known.repos):
                sources[at] = msgspec.structs.replace(known, repos=tuple(dict.fromkeys(known.repos + source.repos)))
            findings.append(_finding(candidate, known.name, False, f"the same endpoint as {known.name}"))
            continue
        name = _free(source.name, names)
        names.add(name)
        places[endpoint(source, defaults)] = len(sources)
        sources.append(msgspec.structs.replace(source, name=name))
        findings.append(_finding(candidate, name, True, candidate.why))
    return tuple(sources), tuple(findings)


def endpoint(source: Source, default_urls: Mapping[str, str] | None = None) -> tuple[str, str]:
    """(system, normalised url): equal for two sources that are the same server, however it is written."""
    return source.system.lower(), normal_url(source.url or (default_urls or {}).get(source.system, ""))


def normal_url(url: str) -> str:
    """``url`` in one spelling: lower-case host, explicit port, no trailing slash, one name for loopback.

    A user is kept for ssh, where it makes another login, and dropped elsewhere. Text that is no url stays.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower().rstrip("."), parts.port
    except ValueError:
        return url
    scheme = parts.scheme.lower()
    if scheme == "unix":
        return "unix://" + posixpath.normpath(parts.path)
    if not scheme or not host:
        return url
    if host in _LOOPBACK and scheme != "ssh":
        host = "127.0.0.1"
    user = f"{parts.username}@" if scheme == "ssh" and parts.username else ""
    shown = f"[{host}]" if ":" in host else host
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{user}{shown}:{port or _PORTS.get(scheme, 0)}{parts.path.rstrip('/')}{query}"


def _free(wanted: str, taken: set[str]) -> str:
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted}-{number}" in taken:
        number += 1
    return f"{wanted}-{number}"


def _finding(candidate: Candidate, name: str, used: bool, why: str) -> Finding:
    source = candidate.source
    return Finding(name, source.system, source.url, candidate.evidence, used, why)
