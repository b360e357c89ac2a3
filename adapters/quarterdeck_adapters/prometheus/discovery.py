"""Finding a Prometheus: PROMETHEUS_URL, and port 9090 of the loopback. What counts is the answer, not the port."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from quarterdeck_adapters.base import Candidate, Context, SourceConfig
from quarterdeck_adapters.prometheus.api import DEFAULT_URL, Api
from quarterdeck_adapters.prometheus.values import mapping, text
from quarterdeck_lifecycle.errors import AuthFailed, Malformed, QuarterdeckError

DEADLINE_S = 2.0
LOOPBACK = (DEFAULT_URL,)


class Lead(msgspec.Struct, frozen=True):
    """Where one may be; `meant` when the user's settings name it, so that it is shown even when it is down."""

    url: str
    evidence: str
    meant: bool


async def discover(context: Context, loopback: Sequence[str] = LOOPBACK) -> Sequence[Candidate]:
    """Each place asked once, without credentials, for at most two seconds."""
    named = context.env.get("PROMETHEUS_URL", "").strip()
    leads = [Lead(named, "PROMETHEUS_URL", True)] if named else []
    leads += [Lead(url, f"the loopback's {urlsplit(url).netloc}", False) for url in loopback]
    leads += [
        Lead(f"http://{lead.address}", f"container {lead.container} publishes {lead.address}", False)
        for lead in context.published
        if "prometheus" in lead.image.lower()
    ]
    return await asyncio.gather(*(_ask(lead, context) for lead in leads))


async def _ask(lead: Lead, context: Context) -> Candidate:
    try:
        parts = urlsplit(lead.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or not lead.url.isprintable():
        nowhere = SourceConfig(name="prometheus", system="prometheus")
        return Candidate(nowhere, lead.evidence, False, "it is no http:// or https:// address")
    without = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    source = SourceConfig(name="prometheus", system="prometheus", url=without.rstrip("/"))
    api = Api(msgspec.structs.replace(source, credentials=False), context, deadline=DEADLINE_S)
    held = " (the user and password in it are not used: name username and password under sources)"
    evidence = lead.evidence + (held if "@" in parts.netloc else "")
    try:
        await api.http.get("/-/ready", ok=(503,))
        build = mapping(await api.data("status/buildinfo"))
        version = text(build.get("version"))
        if not version:
            raise Malformed("it did not answer as a Prometheus", source="prometheus")
    except AuthFailed as error:
        return Candidate(source, f"{evidence}: {without} wants a login", None if lead.meant else False, str(error))
    except QuarterdeckError as error:
        return Candidate(source, evidence, None if lead.meant else False, str(error))
    finally:
        await api.close()
    return Candidate(source, f"{evidence}: {without} answered /api/v1/status/buildinfo", True, f"Prometheus {version}")
