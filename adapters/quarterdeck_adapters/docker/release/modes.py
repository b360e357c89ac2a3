"""How a container changes over, and why it may not be released at all. Pure, over what inspect says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from quarterdeck_adapters.docker.compose import FILES, FOLDER
from quarterdeck_adapters.docker.mapping import PROJECT, name_of
from quarterdeck_adapters.docker.release.recreate import BUILTIN, aliases, networks
from quarterdeck_lifecycle.release.model import Mode

Json = Mapping[str, Any]
SWARM_TASK = "com.docker.swarm.task.id"


class Way(NamedTuple):
    """The mode, and what forbids a gentler one."""

    mode: Mode
    why: str = ""


def way(found: Json, *, proxy: bool) -> Way:
    """Start-first behind a proxy; overlap where an alias alone lets both answer; else stop-then-start."""
    why = alone(found)
    if proxy:
        return Way("stop-start", why) if why else Way("start-first")
    why = why or _not_by_alias(found)
    return Way("stop-start", why) if why else Way("overlap")


def alone(found: Json) -> str:
    """Why a second container with this configuration could not run beside it; empty when it could."""
    host, config = found.get("HostConfig") or {}, found.get("Config") or {}
    mode = str(host.get("NetworkMode") or "")
    if ports := fixed_ports(found):
        return f"host port {', '.join(ports)} can be held by one container"
    if mode == "host":
        return "it uses the host's network, where its ports can be held by one container"
    if mode.startswith("container:"):
        return "it lives in the network of another container"
    for name, endpoint in networks(found).items():
        addresses = (endpoint or {}).get("IPAMConfig") or {}
        if addresses.get("IPv4Address") or addresses.get("IPv6Address"):
            return f"its address in the network {name} is fixed"
    if config.get("MacAddress"):
        return "its MAC address is fixed"
    if config.get("Hostname") and config["Hostname"] != str(found.get("Id"))[:12]:
        return f"its hostname {config['Hostname']} is fixed"
    return ""


def _not_by_alias(found: Json) -> str:
    writable = [
        str(each.get("Name") or each.get("Source"))
        for each in found.get("Mounts") or ()
        if each.get("RW", True) and each.get("Type") in ("volume", "bind")
    ]
    if writable:
        return f"both would write to {writable[0]}"
    if not any(names for network, names in aliases(found).items() if network not in BUILTIN):
        return "no network alias names it, so that clients would not find the new one beside it"
    return ""


def bindings(found: Json) -> list[tuple[str, str, str]]:
    """The host addresses, ports and protocols that it publishes by number; the address may be empty."""
    said = (found.get("HostConfig") or {}).get("PortBindings") or {}
    return [
        (str(each.get("HostIp") or ""), str(each["HostPort"]), port.partition("/")[2] or "tcp")
        for port, all_of_it in said.items()
        for each in all_of_it or ()
        if (each.get("HostPort") or "0") != "0"
    ]


def fixed_ports(found: Json) -> list[str]:
    """The same as people read them: `127.0.0.1:8080`, `8080`, `53/udp`."""
    return sorted({
        (f"{address}:{port}" if address else port) + ("" if protocol == "tcp" else f"/{protocol}")
        for address, port, protocol in bindings(found)
    })  # fmt: skip


def refusal(found: Json, others: Sequence[Json]) -> tuple[str, str]:
    """Why it cannot be released, and what to do; both empty when it can. `others` is the engine's list."""
    id, name = str(found["Id"]), str(found.get("Name") or "").removeprefix("/")
    host, labels = found.get("HostConfig") or {}, (found.get("Config") or {}).get("Labels") or {}
    if host.get("AutoRemove"):
        return ("it was started with --rm: the engine removes it when it stops, and nothing could be put back",
                "start it without --rm and with a restart policy")  # fmt: skip
    if labels.get(SWARM_TASK):
        return "Swarm runs it", "release its Swarm service (kind: swarm)"
    if (found.get("State") or {}).get("Paused"):
        return "it is paused", "unpause it first"
    for other in others:
        mode = str((other.get("HostConfig") or {}).get("NetworkMode") or "")
        tied = mode.removeprefix("container:") if mode.startswith("container:") else ""
        if tied and other.get("State") != "exited" and (id.startswith(tied) or tied == name):
            return (f"{name_of(other)} lives in its network and would lose it",
                    f"stop {name_of(other)}, and create it again after the release")  # fmt: skip
    return "", ""


def warnings(found: Json) -> list[str]:
    """What the operator may not have in mind."""
    labels, host = (found.get("Config") or {}).get("Labels") or {}, found.get("HostConfig") or {}
    said = []
    if project := labels.get(PROJECT):
        files = labels.get(FILES) or "its compose file"
        where = f" in {labels[FOLDER]}" if labels.get(FOLDER) else ""
        image = str((found.get("Config") or {}).get("Image") or "")
        said.append(
            f"compose project {project}: the next docker compose up{where} undoes this release while {files} names "
            f"{image}; compose also counts the retained container as its own"
        )
    loose = [port for port, at in (host.get("PortBindings") or {}).items()
             if any((each.get("HostPort") or "0") == "0" for each in at or ())]  # fmt: skip
    if loose or host.get("PublishAllPorts"):
        said.append(f"the host port of {', '.join(loose) or 'every exposed port'} is not fixed and will be another one")
    return said
