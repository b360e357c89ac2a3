"""Images, volumes and networks as the API shows them."""

from __future__ import annotations

from copy import deepcopy

from quarterdeck_demo.docker import net
from quarterdeck_demo.docker.state import Image, Json, Network, Volume
from quarterdeck_demo.docker.views import ROOT, Api
from quarterdeck_demo.docker.wire import digest, rfc3339
from quarterdeck_demo.docker.world import World

_CONTAINER_CONFIG: Json = {
    "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False, "AttachStderr": False,
    "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None, "Image": "", "Volumes": None,
    "WorkingDir": "", "Entrypoint": None, "OnBuild": None, "Labels": None,
}  # fmt: skip


def summary(image: Image, api: Api, containers: int = -1, shared: int = -1) -> Json:
    """An element of `GET /images/json`."""
    tags, digests = list(image.tags), list(image.digests)
    old = api < (1, 43)
    if old and not tags:
        tags = ["<none>:<none>"]
        digests = digests or ["<none>@<none>"]
    item: Json = {
        "Containers": containers,
        "Created": int(image.created),
        "Id": image.id,
        "Labels": dict(image.labels) or None,
        "ParentId": "",
        "RepoDigests": digests if digests or not old else None,
        "RepoTags": tags,
        "SharedSize": shared,
        "Size": image.size,
    }
    if api < (1, 44):
        item["VirtualSize"] = image.size
    return item


def inspect(image: Image, api: Api) -> Json:
    """`GET /images/{name}/json`."""
    base = f"{ROOT}/overlay2/{digest(image.id, 'layer')}"
    details: Json = {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Parent": "",
        "Comment": "buildkit.dockerfile.v0",
        "Created": rfc3339(image.created),
        "DockerVersion": "",
        "Author": "",
        "Config": deepcopy(image.config),
        "Architecture": image.architecture,
        "Os": "linux",
        "Size": image.size,
        "GraphDriver": {
            "Data": {
                "MergedDir": f"{base}/merged",
                "UpperDir": f"{base}/diff",
                "WorkDir": f"{base}/work",
            },
            "Name": "overlay2",
        },
        "RootFS": {"Type": "layers", "Layers": list(image.layers)},
        "Metadata": {"LastTagTime": rfc3339(image.tagged_at)},
    }
    if api < (1, 45):
        details |= {"Container": "", "ContainerConfig": deepcopy(_CONTAINER_CONFIG)}
    if api < (1, 44):
        details["VirtualSize"] = image.size
    return details


def history(image: Image) -> list[Json]:
    """`GET /images/{name}/history`: newest first; only the newest entry has the id."""
    entries = [
        {
            "Comment": entry.get("comment", ""),
            "Created": int(image.created),
            "CreatedBy": entry.get("created_by", ""),
            "Id": "<missing>",
            "Size": 0 if entry.get("empty_layer") else image.size // max(len(image.layers), 1),
            "Tags": None,
        }
        for entry in reversed(image.history or [{}])
    ]
    entries[0] |= {"Id": image.id, "Tags": list(image.tags) or None}
    return entries


def volume(item: Volume) -> Json:
    """`GET /volumes/{name}`."""
    return {
        "CreatedAt": rfc3339(item.created, 0),
        "Driver": "local",
        "Labels": dict(item.labels) if item.labels is not None else None,
        "Mountpoint": f"{ROOT}/volumes/{item.name}/_data",
        "Name": item.name,
        "Options": dict(item.options) if item.options is not None else None,
        "Scope": "local",
    }


def volume_usage(world: World, item: Volume) -> Json:
    """A volume in `GET /system/df`."""
    usage = {"RefCount": len(net.volume_users(world, item.name)), "Size": item.size}
    return {**volume(item), "UsageData": usage}


def network(world: World, item: Network, *, verbose: bool) -> Json:
    """`GET /networks/{id}`; a list leaves `Containers` empty."""
    containers: Json = {}
    if verbose:
        for container in world.attached(item):
            endpoint = container.endpoints[item.name]
            address = endpoint["IPAddress"]
            containers[container.id] = {
                "Name": container.name,
                "EndpointID": endpoint["EndpointID"],
                "MacAddress": endpoint["MacAddress"],
                "IPv4Address": f"{address}/{endpoint['IPPrefixLen']}" if address else "",
                "IPv6Address": "",
            }
    pool = [{"Subnet": f"{item.subnet}.0/24", "Gateway": f"{item.subnet}.1"}] if item.subnet else []
    return {
        "Name": item.name,
        "Id": item.id,
        "Created": rfc3339(item.created),
        "Scope": "local",
        "Driver": item.driver,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": pool},
        "Internal": item.internal,
        "Attachable": item.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": containers,
        "Options": dict(item.options),
        "Labels": dict(item.labels),
    }
