"""A container made again on another image: the body of its create request, from what inspect says of it. Pure.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerCreate
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from quarterdeck_adapters.docker.release.subtract import SHORT, own_config

Json = Mapping[str, Any]
NO_RESTART = {"Name": "no", "MaximumRetryCount": 0}
BUILTIN = frozenset({"bridge", "default", "host", "none", ""})
_ENDPOINT = ("IPAMConfig", "Links", "Aliases", "DriverOpts")
"""What an operator sets of an endpoint; the rest is what the engine gave it."""


class Recipe(NamedTuple):
    """What a create request says, and the networks to connect afterwards: an engine takes one at create."""

    body: dict[str, Any]
    networks: dict[str, dict[str, Any]]


def recipe(found: Json, image: Json | None, reference: str, labels: Mapping[str, str]) -> Recipe:
    """The container that `found` (its inspect) would be on `reference`, labelled with `labels` too.

    `image` is the configuration of the image that it has now; None where it keeps its image. It is made with
    `restart: no`, so that no restart of the engine starts it before its turn.
    """
    id, host = str(found["Id"]), copy.deepcopy(dict(found.get("HostConfig") or {}))
    config = own_config(found.get("Config") or {}, image, id)
    config["Image"] = reference
    config["Labels"] = {**config["Labels"], **labels}
    _keep_published(config, host, found)
    host["RestartPolicy"] = dict(NO_RESTART)
    mode = str(host.get("NetworkMode") or "")
    if mode.startswith("container:") or host.get("UTSMode") == "host":
        config["Hostname"] = config["Domainname"] = ""
    host["Links"] = [_link(link) for link in host.get("Links") or ()] or None
    _keep_volumes(host, found)
    endpoints = {name: _endpoint(each or {}, id) for name, each in networks(found).items()}
    first = primary(found)
    if first and mode not in BUILTIN and first != mode and not _is(networks(found).get(first), mode):
        host["NetworkMode"] = first
    body = {**config, "HostConfig": host}
    if first in endpoints and first not in BUILTIN:
        mac = config.get("MacAddress")
        body["NetworkingConfig"] = {"EndpointsConfig": {first: endpoints[first] | ({"MacAddress": mac} if mac else {})}}
    return Recipe(body, {name: each for name, each in endpoints.items() if name != first and name not in BUILTIN})


def networks(found: Json) -> dict[str, dict[str, Any]]:
    """The endpoints of a container, by the names of their networks."""
    return dict((found.get("NetworkSettings") or {}).get("Networks") or {})


def primary(found: Json) -> str:
    """The network to name at create: that of its network mode, else the first; empty when it has none."""
    mode, all_of_it = str((found.get("HostConfig") or {}).get("NetworkMode") or ""), networks(found)
    named = {"default": "bridge", "": "bridge"}.get(mode, mode)
    if named in all_of_it:
        return named
    return next((name for name, each in all_of_it.items() if _is(each, mode)), next(iter(sorted(all_of_it)), ""))


def aliases(found: Json) -> dict[str, list[str]]:
    """The aliases that an operator gave it, by network; the one that its id made is left out."""
    id = str(found.get("Id") or "")
    return {
        name: [alias for alias in (each or {}).get("Aliases") or () if alias != id[:SHORT]]
        for name, each in networks(found).items()
    }


def _is(endpoint: Json | None, mode: str) -> bool:
    return bool(mode) and bool(endpoint) and str((endpoint or {}).get("NetworkID") or "").startswith(mode)


def _endpoint(found: Json, id: str) -> dict[str, Any]:
    kept = {key: copy.deepcopy(found[key]) for key in _ENDPOINT if found.get(key)}
    names = [alias for alias in kept.pop("Aliases", ()) if alias != id[:SHORT]]
    return kept | ({"Aliases": names} if names else {})


def _link(link: str) -> str:
    """`/db:/web/alias`, as inspect says it, is `db:alias` in a create request."""
    target, _, alias = link.removeprefix("/").partition(":")
    return f"{target}:{alias.rpartition('/')[2] or target}"


def _keep_published(config: dict[str, Any], host: Json, found: Json) -> None:
    """A port that is published and not exposed is not published: it stays exposed where the new image does not."""
    exposed = (found.get("Config") or {}).get("ExposedPorts") or {}
    kept = {port: exposed[port] for port in host.get("PortBindings") or {} if port in exposed}
    if kept:
        config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), **kept}


def _keep_volumes(host: dict[str, Any], found: Json) -> None:
    """Name the volumes that nobody named, so that the new container has those and no fresh ones."""
    mounted = {str(each.get("Destination")): each for each in found.get("Mounts") or () if each.get("Type") == "volume"}
    named = {bind.split(":")[1] for bind in host.get("Binds") or () if bind.count(":") >= 1}
    for mount in host.get("Mounts") or ():
        at = str(mount.get("Target"))
        named.add(at)
        if mount.get("Type") == "volume" and not mount.get("Source") and at in mounted:
            mount["Source"] = mounted[at]["Name"]
    inherited = bool(host.get("VolumesFrom"))
    declared = set((found.get("Config") or {}).get("Volumes") or ())
    anonymous = [
        f"{each['Name']}:{at}" + ("" if each.get("RW", True) else ":ro")
        for at, each in sorted(mounted.items())
        if at not in named and not (inherited and at not in declared)
    ]
    if anonymous:
        host["Binds"] = [*(host.get("Binds") or ()), *anonymous]
