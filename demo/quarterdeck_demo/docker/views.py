"""Containers as the API shows them: https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Container."""

from __future__ import annotations

import re
from copy import deepcopy

from quarterdeck_demo.docker.state import Container, Image, Json
from quarterdeck_demo.docker.wire import digest, human_duration, rfc3339
from quarterdeck_demo.docker.world import World

Api = tuple[int, int]
ROOT = "/var/lib/docker"


def status_text(container: Container, now: float) -> str:
    """The `Status` of a list: `Up 3 minutes (healthy)`."""
    if container.status == "created":
        return "Created"
    if container.status == "restarting":
        ended = container.run.ended or now
        return f"Restarting ({container.exit_code}) {human_duration(now - ended)} ago"
    if container.alive:
        up = f"Up {human_duration(now - container.run.started)}"
        if container.status == "paused":
            return f"{up} (Paused)"
        if container.health is not None:
            word = container.health.status
            return f"{up} ({'health: starting' if word == 'starting' else word})"
        return up
    if not container.runs:
        return "Created"
    return f"Exited ({container.exit_code}) {human_duration(now - (container.run.ended or now))} ago"


def command_text(container: Container) -> str:
    """Path and arguments as a list shows them: an argument with white space is quoted."""
    args = (f"'{arg}'" if re.search(r"\s", arg) else arg for arg in container.args)
    return " ".join([container.path, *args])


def summary(world: World, container: Container, api: Api, *, size: bool) -> Json:
    """An element of `GET /containers/json`."""
    image = world.images.get(container.image_id)
    named = world.find_image(container.image)
    shown = container.image if named is not None and named.id == container.image_id else container.image_id
    networks = {name: _endpoint(endpoint, api, aliases=False) for name, endpoint in container.endpoints.items()}
    item: Json = {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": shown,
        "ImageID": container.image_id,
        "Command": command_text(container),
        "Created": int(container.created),
        "Ports": _ports(container),
    }
    if size:
        item |= _sizes(container, image)
    item |= {
        "Labels": dict(container.labels),
        "State": container.status,
        "Status": status_text(container, world.now),
        "HostConfig": {"NetworkMode": container.host_config["NetworkMode"]},
        "NetworkSettings": {"Networks": networks},
        "Mounts": deepcopy(container.mounts),
    }
    return item


def inspect(world: World, container: Container, api: Api, *, size: bool) -> Json:
    """`GET /containers/{id}/json`."""
    folder = f"{ROOT}/containers/{container.id}"
    ran = bool(container.runs)
    host_config = deepcopy(container.host_config)
    if api >= (1, 42):
        for key in ("KernelMemory", "KernelMemoryTCP"):
            host_config.pop(key, None)
    details: Json = {
        "Id": container.id,
        "Created": rfc3339(container.created),
        "Path": container.path,
        "Args": list(container.args),
        "State": _state(container),
        "Image": container.image_id,
        "ResolvConfPath": f"{folder}/resolv.conf" if ran else "",
        "HostnamePath": f"{folder}/hostname" if ran else "",
        "HostsPath": f"{folder}/hosts" if ran else "",
        "LogPath": f"{folder}/{container.id}-json.log" if ran else "",
        "Name": f"/{container.name}",
        "RestartCount": container.restarts,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "docker-default" if ran else "",
        "ExecIDs": [i for i in container.execs if world.execs[i].running] or None,
        "HostConfig": host_config,
        "GraphDriver": {"Data": _layers(container.id), "Name": "overlay2"},
    }
    if size:
        details |= {"SizeRw": 0, **_sizes(container, world.images.get(container.image_id))}
    details |= {
        "Mounts": deepcopy(container.mounts),
        "Config": deepcopy(container.config),
        "NetworkSettings": _network_settings(container, api),
    }
    return details


def _state(container: Container) -> Json:
    state: Json = {
        "Status": container.status,
        "Running": container.running,
        "Paused": container.status == "paused",
        "Restarting": container.status == "restarting",
        "OOMKilled": container.oom_killed,
        "Dead": container.status == "dead",
        "Pid": container.pid,
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": rfc3339(container.run.started if container.runs else None),
        "FinishedAt": rfc3339(_finished(container)),
    }
    if container.health is not None:
        health = container.health
        state["Health"] = {"Status": health.status, "FailingStreak": health.streak, "Log": deepcopy(health.log)}
    return state


def _finished(container: Container) -> float | None:
    ended = [run.ended for run in container.runs if run.ended is not None]
    return ended[-1] if ended else None


def _endpoint(endpoint: Json, api: Api, *, aliases: bool) -> Json:
    shown = deepcopy(endpoint)
    if api < (1, 44) or not aliases:
        shown.pop("DNSNames", None)
    if not aliases:
        shown["Aliases"] = None
    elif api >= (1, 45) and shown["Aliases"]:
        shown["Aliases"] = shown["Aliases"][:-1] or None
    return shown


def _network_settings(container: Container, api: Api) -> Json:
    ports: Json = {}
    if container.alive:
        ports = dict.fromkeys(container.config.get("ExposedPorts") or {})
        ports |= deepcopy(container.ports)
    first = container.endpoints.get("bridge", {})
    sandbox = digest(container.id, "sandbox", len(container.runs)) if container.alive else ""
    return {
        "Bridge": "",
        "SandboxID": sandbox,
        "SandboxKey": f"/var/run/docker/netns/{sandbox[:12]}" if sandbox else "",
        "Ports": ports,
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": first.get("EndpointID", ""),
        "Gateway": first.get("Gateway", ""),
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": first.get("IPAddress", ""),
        "IPPrefixLen": first.get("IPPrefixLen", 0),
        "IPv6Gateway": "",
        "MacAddress": first.get("MacAddress", ""),
        "Networks": {name: _endpoint(e, api, aliases=True) for name, e in container.endpoints.items()},
    }


def _ports(container: Container) -> list[Json]:
    if not container.alive:
        return []
    shown: list[Json] = []
    for port in {**(container.config.get("ExposedPorts") or {}), **container.ports}:
        number, _, protocol = port.partition("/")
        base = {"PrivatePort": int(number), "Type": protocol or "tcp"}
        bindings = container.ports.get(port)
        shown += [
            {
                "IP": b["HostIp"],
                "PrivatePort": base["PrivatePort"],
                "PublicPort": int(b["HostPort"]),
                "Type": base["Type"],
            }
            for b in bindings or []
        ] or [base]
    return shown


def _sizes(container: Container, image: Image | None) -> Json:
    written = int(digest(container.id)[:4], 16) if container.runs else 0
    shown: Json = {"SizeRw": written} if written else {}
    return shown | {"SizeRootFs": (image.size if image else 0) + written}


def _layers(container_id: str) -> Json:
    base = f"{ROOT}/overlay2/{digest(container_id, 'layer')}"
    lower = f"{base}-init/diff:{ROOT}/overlay2/{digest(container_id, 'lower')}/diff"
    return {"LowerDir": lower, **{f"{k}Dir": f"{base}/{k.lower()}" for k in ("Merged",)},
            "UpperDir": f"{base}/diff", "WorkDir": f"{base}/work"}  # fmt: skip
