"""Images, volumes and networks: payloads of the engine's lists as records. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from quarterdeck_adapters.docker.mapping import epoch, label_links
from quarterdeck_config.secrets import mask_mapping
from quarterdeck_lifecycle.kinds import Image, Network, Volume
from quarterdeck_lifecycle.records import Link, Ref, Status

PREDEFINED = frozenset({"bridge", "host", "none", "ingress"})
ANONYMOUS = "com.docker.volume.anonymous"
_HEX = re.compile(r"[0-9a-f]{64}")
Json = Mapping[str, Any]


class Users:
    """Who uses what, counted from one list of containers."""

    def __init__(self, containers: Iterable[Json]) -> None:
        self.images: Counter[str] = Counter()
        self.volumes: Counter[str] = Counter()
        self.networks: Counter[str] = Counter()
        for each in containers:
            self.images[each.get("ImageID") or ""] += 1
            self.volumes.update({m["Name"] for m in each.get("Mounts") or () if m.get("Name")})
            found = (each.get("NetworkSettings") or {}).get("Networks") or {}
            self.networks.update({n.get("NetworkID") or name for name, n in found.items() if n})


def _used(count: int) -> tuple[Status, str]:
    return (Status.OK, f"used by {count}") if count else (Status.IDLE, "unused")


def tags_of(entry: Json) -> tuple[str, ...]:
    """The image's tags, without the `<none>` of an old engine."""
    return tuple(sorted(tag for tag in entry.get("RepoTags") or () if not tag.startswith("<none>")))


def digests_of(entry: Json) -> tuple[str, ...]:
    """The image's repository digests `name@sha256:...`."""
    return tuple(sorted(d for d in entry.get("RepoDigests") or () if not d.startswith("<none>")))


def image(entry: Json, users: Users, *, source: str, environment: str) -> Image:
    """One row of /images/json."""
    labels = dict(entry.get("Labels") or {})
    tags, digests = tags_of(entry), digests_of(entry)
    count = users.images[entry["Id"]]
    status, state = _used(count)
    short = entry["Id"].removeprefix("sha256:")[:12]
    found = [Link(kind="digest", value=entry["Id"], evidence="the image's id")]
    found += [
        Link(kind="digest", value=digest.rpartition("@")[2], evidence=f"repository digest {digest}")
        for digest in digests
    ]
    found += [Link(kind="image", value=tag, evidence="a tag of it") for tag in tags]
    created = epoch(entry.get("Created"))
    return Image(
        ref=Ref(source, "image", entry["Id"]),
        name=tags[0] if tags else f"<none> {short}",
        status=status,
        state=state if tags or count else "dangling",
        environment=environment,
        updated_at=created,
        tags=tags,
        digests=digests,
        size=entry.get("Size"),
        containers=count,
        labels=mask_mapping(labels),
        created_at=created,
        links=(*found, *label_links(labels)),
    )


def is_anonymous(entry: Json) -> bool:
    """Whether a volume has no name of its own: nobody will ask for it again once its container is gone."""
    return ANONYMOUS in (entry.get("Labels") or {}) or bool(_HEX.fullmatch(entry.get("Name") or ""))


def volume(entry: Json, users: Users, *, source: str, environment: str) -> Volume:
    """One row of /volumes."""
    labels = dict(entry.get("Labels") or {})
    status, state = _used(users.volumes[entry["Name"]])
    created = epoch(entry.get("CreatedAt"))
    return Volume(
        ref=Ref(source, "volume", entry["Name"]),
        name=entry["Name"],
        status=status,
        state=state,
        environment=environment,
        updated_at=created,
        driver=entry.get("Driver") or "",
        mountpoint=entry.get("Mountpoint") or "",
        anonymous=is_anonymous(entry),
        labels=mask_mapping(labels),
        created_at=created,
        links=tuple(label_links(labels)),
    )


def network(entry: Json, users: Users, *, source: str, environment: str) -> Network:
    """One row of /networks."""
    labels = dict(entry.get("Labels") or {})
    count = users.networks[entry["Id"]] + (users.networks[entry["Name"]] if entry["Id"] != entry["Name"] else 0)
    status, state = _used(count)
    if entry["Name"] in PREDEFINED and not count:
        state = "predefined"
    created = epoch(entry.get("Created"))
    return Network(
        ref=Ref(source, "network", entry["Id"]),
        name=entry["Name"],
        status=status,
        state=state,
        environment=environment,
        updated_at=created,
        driver=entry.get("Driver") or "",
        scope=entry.get("Scope") or "",
        internal=bool(entry.get("Internal")),
        subnets=tuple(sorted(c["Subnet"] for c in (entry.get("IPAM") or {}).get("Config") or () if c.get("Subnet"))),
        labels=mask_mapping(labels),
        created_at=created,
        links=tuple(label_links(labels)),
    )


def repo_digests(images: Sequence[Json]) -> dict[str, tuple[str, ...]]:
    """Image id to repository digests."""
    return {entry["Id"]: digests_of(entry) for entry in images}
