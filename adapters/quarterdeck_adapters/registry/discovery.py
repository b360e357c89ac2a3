"""Finding registries: QUARTERDECK_REGISTRIES, and on the loopback Docker's logins, images, published ports, port 5000.

Public hubs are never asked by themselves.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from quarterdeck_adapters.base import Candidate, Context, SourceConfig
from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.http import Answer, HttpClient, is_loopback
from quarterdeck_adapters.registry import dockerconfig
from quarterdeck_lifecycle.errors import QuarterdeckError

DEADLINE_S = 1.5
LOOPBACK = ("127.0.0.1:5000",)
_HOST = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?")
MOST = 20


async def discover(context: Context, loopback: Sequence[str] = LOOPBACK) -> Sequence[Candidate]:
    """Each host asked once for `/v2/`, without credentials."""
    places: dict[str, tuple[str, bool]] = {}
    for named in context.env.get("QUARTERDECK_REGISTRIES", "").split(","):
        if named.strip():
            places.setdefault(named.strip().rstrip("/"), ("QUARTERDECK_REGISTRIES", True))
    for host in await _docker_hosts(context):
        places.setdefault(host, ("a login in Docker's config", False))
    for lead in context.published:
        if "registry" in lead.image.lower():
            places.setdefault(lead.address, (f"container {lead.container} publishes it", False))
    for host in filter(_loopback, context.image_hosts):
        places.setdefault(host, ("a local image's reference", False))
    for host in loopback:
        places.setdefault(host, (f"the loopback's {host}", False))
    asked = [_ask(place, evidence, meant) for place, (evidence, meant) in list(places.items())[:MOST]]
    return await asyncio.gather(*asked)


async def _docker_hosts(context: Context) -> list[str]:
    path = dockerconfig.config_path(context.env)
    if not path:
        return []
    try:
        config = await call(
            lambda: dockerconfig.read_config(path), deadline=DEADLINE_S, source="registry", what="Docker's config"
        )
    except QuarterdeckError:
        return []
    sections = [config.get("auths"), config.get("credHelpers")]
    hosts = [dockerconfig.host_of(key) for each in sections if isinstance(each, dict) for key in each]
    return [host for host in dict.fromkeys(hosts) if _loopback(host)]


def _loopback(place: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{place}").hostname or "")
    except ValueError:
        return False


async def _ask(place: str, evidence: str, meant: bool) -> Candidate:
    scheme, sep, host = place.rpartition("://")
    if not _HOST.fullmatch(host) or scheme not in ("", "http", "https") or (sep and not scheme):
        nowhere = SourceConfig(name="registry", system="registry")
        return Candidate(nowhere, evidence, False, "it names no host")
    # As Docker does it: TLS everywhere, and plain http on the loopback alone unless it is written down.
    schemes = [scheme] if scheme else ["http", "https"] if _loopback(host) else ["https"]
    name = "registry" if _loopback(host) else re.sub(r"[^A-Za-z0-9_.-]", "-", host)[:60]
    why = ""
    for each in schemes:
        source = SourceConfig(name=name, system="registry", url=f"{each}://{host}")
        try:
            answer = await _answer(source)
        except QuarterdeckError as error:
            why = why or str(error)
            if _nobody_listens(error) and urlsplit(f"//{host}").port:
                break  # with TLS neither
            continue
        version = answer.headers.get("docker-distribution-api-version", "")
        if version:
            login = ", wants a login" if answer.status == 401 else ""
            return Candidate(source, f"{evidence}: {each}://{host}/v2/ answered", True, f"{version}{login}")
        why = f"/v2/ answered {answer.status} without Docker-Distribution-Api-Version"
        if meant:
            return Candidate(source, evidence, None, why)
    source = SourceConfig(name=name, system="registry", url=f"{schemes[0]}://{host}")
    return Candidate(source, evidence, None if meant else False, why)


def _nobody_listens(error: QuarterdeckError) -> bool:
    import httpx

    return isinstance(error.__cause__, httpx.ConnectError)


async def _answer(source: SourceConfig) -> Answer:
    client = HttpClient(source.name, source.url or "", deadline=DEADLINE_S)
    try:
        return await client.get("/v2/", ok=(401,))
    finally:
        await client.close()
