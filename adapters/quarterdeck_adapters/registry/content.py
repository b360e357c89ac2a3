"""What manifests and configurations say of an image: size, labels, platforms, layers. Pure.

https://github.com/opencontainers/image-spec/blob/main/manifest.md , image-index.md and config.md
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from quarterdeck_adapters.registry.client import INDEXES, Manifest
from quarterdeck_adapters.registry.reference import is_digest
from quarterdeck_lifecycle.records import Link

CONFIGS = ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json")
CREATED, REVISION = "org.opencontainers.image.created", "org.opencontainers.image.revision"
SOURCE, VERSION = "org.opencontainers.image.source", "org.opencontainers.image.version"
FOREIGN = "unknown/unknown"
"""The platform of what is no image in an index, such as an attestation."""
Json = dict[str, Any]


class Child(msgspec.Struct, frozen=True):
    """One entry of an index, or a layer: what it is, and for which platform."""

    digest: str
    size: int
    media_type: str = ""
    platform: str = ""


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """What a digest stands for; it never changes."""

    kind: str
    size: int | None = None
    platforms: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    created_at: float | None = None
    children: tuple[Child, ...] = ()
    layers: tuple[Child, ...] = ()
    note: str = ""


def parse(data: bytes) -> Json:
    """The JSON object of a manifest; an empty one for anything else."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def section(value: Any) -> Json:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def entries(value: Any) -> list[Json]:
    """The objects of an array."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """A string, or an empty one."""
    return value if isinstance(value, str) else ""


def strings(value: Any) -> dict[str, str]:
    """Names with their texts."""
    return {name: each for name, each in section(value).items() if isinstance(each, str)}


def moment(value: Any) -> float | None:
    """Epoch seconds of an RFC 3339 time; None for none, and for the epoch that reproducible builds write."""
    try:
        at = datetime.fromisoformat(text(value))
        return at.timestamp() if at.tzinfo and at.year > 1970 else None
    except (ValueError, OverflowError):
        return None


def platform(found: Json) -> str:
    """`os/architecture` with a variant."""
    parts = [text(found.get(name)) for name in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if part)


def child(found: Json) -> Child:
    """A descriptor; one whose digest is none has an empty digest."""
    size = found.get("size")
    name = text(found.get("digest"))
    return Child(
        digest=name if is_digest(name) else "",
        size=size if isinstance(size, int) and 0 <= size < 1 << 62 else 0,
        media_type=text(found.get("mediaType")),
        platform=platform(section(found.get("platform"))),
    )


def is_index(media_type: str, manifest: Json) -> bool:
    """Whether a manifest lists others."""
    return media_type in INDEXES or (isinstance(manifest.get("manifests"), list) and "layers" not in manifest)


def children(manifest: Json) -> tuple[Child, ...]:
    """The entries of an index."""
    return tuple(one for one in map(child, entries(manifest.get("manifests"))) if one.digest)


def chosen(found: tuple[Child, ...]) -> Child | None:
    """The entry that speaks for an index: linux/amd64, else the first image."""
    images = [one for one in found if one.platform != FOREIGN]
    return next((one for one in images if one.platform == "linux/amd64"), images[0] if images else None)


def index_detail(found: Manifest, image: Detail | None) -> Detail:
    """An index, with labels and size of the image that speaks for it."""
    manifest = parse(found.data)
    listed = children(manifest)
    one = chosen(listed)
    notes = strings(manifest.get("annotations"))
    platforms = tuple(dict.fromkeys(each.platform for each in listed if each.platform not in ("", FOREIGN)))
    return Detail(
        kind="index",
        size=image.size if image else None,
        platforms=platforms,
        labels={**notes, **(image.labels if image else {})},
        created_at=image.created_at if image else moment(notes.get(CREATED)),
        children=listed,
        layers=image.layers if image else (),
        note=f"size and labels of {one.platform or one.digest[:19]}" if one and len(platforms) > 1 else "",
    )


def image_detail(found: Manifest, config: Json) -> Detail:
    """An image, or another artefact when its configuration is none of an image."""
    manifest = parse(found.data)
    configured = child(section(manifest.get("config")))
    layers = tuple(map(child, entries(manifest.get("layers"))))
    notes = strings(manifest.get("annotations"))
    where = platform(config)
    named = text(manifest.get("artifactType")) or configured.media_type
    other = bool(layers or configured.digest) and configured.media_type not in CONFIGS
    return Detail(
        kind="artifact" if other else "image" if layers or configured.digest else "old manifest",
        size=sum(one.size for one in (configured, *layers)) if layers or configured.digest else None,
        platforms=(where,) if where else (),
        labels={**notes, **strings(section(config.get("config")).get("Labels"))},
        created_at=moment(config.get("created")) or moment(notes.get(CREATED)),
        layers=layers,
        note=f"an artefact of type {named}" if other and named else "",
    )


def links(image: str, digest: str, labels: dict[str, str]) -> tuple[Link, ...]:
    """What ties a tag to a commit, a repository and a version, and by which evidence. `image` is `host/name:tag`."""
    made = [
        Link(kind="image", value=image, evidence="the registry's own name of it"),
        Link(kind="digest", value=digest, evidence=f"Docker-Content-Digest of {image}"),
    ]
    for kind, label in (("commit", REVISION), ("repository", SOURCE), ("version", VERSION)):
        if labels.get(label):
            made.append(Link(kind=kind, value=labels[label], evidence=f"label {label} of {image}"))  # type: ignore[arg-type]
    return tuple(made)
