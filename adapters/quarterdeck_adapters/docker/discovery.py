"""Finding engines: DOCKER_HOST, the current docker context, the default socket, a rootless one. Passive."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import msgspec

from quarterdeck_adapters.base import Candidate, Context, SourceConfig
from quarterdeck_adapters.docker import endpoint as endpoints
from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.endpoint import DEFAULT_SOCKET, Endpoint
from quarterdeck_lifecycle.errors import QuarterdeckError

DEADLINE_S = 2.0


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """A place where an engine may be. `meant`: the user's settings name it, so it is shown even when it is down."""

    name: str
    endpoint: Endpoint
    evidence: str
    meant: bool = False


async def discover(context: Context) -> Sequence[Candidate]:
    """The engines that this machine and this user's settings name, each asked once, for at most two seconds."""
    found: list[Lead | Candidate] = []
    if (named := _named(context)) is not None:
        found.append(named)
    taken = {os.path.realpath(lead.endpoint.path) for lead in found if isinstance(lead, Lead) and lead.endpoint.path}
    runtime = context.env.get("XDG_RUNTIME_DIR")
    places = [("local", DEFAULT_SOCKET, "the default socket")]
    if runtime:
        places.append(("rootless", f"{runtime}/docker.sock", "a rootless engine's socket"))
    for name, path, evidence in places:
        real = os.path.realpath(path)
        if os.path.exists(path) and real not in taken:
            taken.add(real)
            endpoint = Endpoint(scheme="unix", url=f"unix://{path}", path=path, evidence=evidence)
            used = any(isinstance(lead, Lead) and lead.name == name for lead in found)
            found.append(Lead(name=f"{name}-socket" if used else name, endpoint=endpoint, evidence=evidence))
    if not found:
        source = SourceConfig(name="local", system="docker", url=f"unix://{DEFAULT_SOCKET}")
        why = "no such socket; DOCKER_HOST is not set and no docker context is chosen"
        return [Candidate(source=source, evidence="the default socket", answered=False, why=why)]
    return await asyncio.gather(*(_ask(lead) for lead in found))


def _named(context: Context) -> Lead | Candidate | None:
    """What DOCKER_HOST or the current docker context names."""
    env = context.env
    host, name = env.get("DOCKER_HOST", ""), endpoints.current_context(env)
    if not host and name == "default":
        return None
    label, evidence = ("local", "DOCKER_HOST") if host else (name, f"docker context {name}")
    try:
        if host:
            endpoint = endpoints.endpoint_of(host, env, source=label, evidence=evidence)
        else:
            endpoint = endpoints.context_endpoint(name, env, label)
    except QuarterdeckError as error:
        source = SourceConfig(name=label, system="docker", url=host or None)
        return Candidate(source=source, evidence=evidence, answered=False, why=f"{error.what} {error.mend}".strip())
    label = label if endpoint.local or not host else (endpoint.host or label)
    return Lead(name=label, endpoint=endpoint, evidence=evidence, meant=True)


async def _ask(lead: Lead | Candidate) -> Candidate:
    if isinstance(lead, Candidate):
        return lead
    endpoint, evidence = lead.endpoint, lead.evidence
    source = SourceConfig(
        name=lead.name, system="docker", url=endpoint.url, ca_file=endpoint.ca or None,
        cert_file=endpoint.cert or None, key_file=endpoint.key or None, insecure=not endpoint.verify,
    )  # fmt: skip
    if endpoint.scheme == "ssh":
        # Looking around must not log in anywhere: the connection is made when the source is opened.
        return Candidate(source=source, evidence=f"{evidence} names {endpoint.url}", answered=None)
    engine = Engine(lead.name, endpoint, deadline=DEADLINE_S)
    try:
        said = await engine.call(lambda c: c.version(), what="asking for the version", deadline=DEADLINE_S)
        version, api = str(said["Version"]), str(said["ApiVersion"])
    except (QuarterdeckError, KeyError, TypeError) as error:
        why = str(error)
        if isinstance(error, QuarterdeckError):
            why = f"{error.why} ({error.mend})" if error.mend else error.why
        return Candidate(source=source, evidence=evidence, answered=None if lead.meant else False, why=why)
    finally:
        await engine.close()
    return Candidate(
        source=source, evidence=f"{evidence}: {engine.address} answered /version", answered=True,
        why=f"Docker {version}, API {api}",
    )  # fmt: skip
