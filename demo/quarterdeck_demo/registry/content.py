"""What the practice registry holds at the start: the story's images and a few other repositories."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from quarterdeck_demo.oci import Blob, Image, build_image, build_index
from quarterdeck_demo.registry.store import Store

if TYPE_CHECKING:
    from quarterdeck_demo.story import Story

__all__ = ["stock"]

DAY = 86_400.0
BASES = (
    ("library/python", ("3.12-slim", "3.12.7-slim"), ("amd64", "arm64"), 12),
    ("library/postgres", ("16", "16.4"), ("amd64", "arm64", "s390x"), 40),
    ("library/busybox", ("latest", "1.36"), ("amd64", "arm64", "riscv64"), 60),
    ("team/feature-store", ("v7", "v7.0", "latest"), ("amd64",), 5),
    ("team/notebook", ("gpu", "cpu"), ("amd64", "arm64"), 9),
)


def stock(store: Store, story: Story) -> None:
    """Push everything: the team's releases as they are, the others as indexes of several platforms."""
    for image in story.registry_images:
        store.push(image)
    for repository, tags, architectures, days in BASES:
        built = base(repository, tags, story.now - days * DAY)
        if len(architectures) == 1:
            store.push(built)
            continue
        others = [variant(store, built, architecture) for architecture in architectures[1:]]
        manifests = list(zip([built.manifest, *others], architectures, strict=True))
        index = build_index(manifests, docker=repository == "library/busybox")
        store.push(Image(repository, tags, built.manifest, built.config, built.layers, index), *others)


def base(repository: str, tags: tuple[str, ...], created: float) -> Image:
    name = repository.rpartition("/")[2]
    return build_image(
        repository,
        tags,
        created=created,
        layers=[{"bin/sh": b"#!shell\n" * 400}, {f"srv/{name}": name.encode() * 900}],
        env=["PATH=/usr/local/bin:/usr/bin:/bin"],
        cmd=["sh"],
        labels={
            "org.opencontainers.image.title": name,
            "org.opencontainers.image.source": f"https://git.example.com/{repository}",
        },
        docker=repository == "library/busybox",
    )


def variant(store: Store, built: Image, architecture: str) -> Blob:
    """The same image for another architecture: its configuration is pushed, its manifest returned."""
    config = json.dumps({**built.settings, "architecture": architecture}, indent=3).encode()
    store.link(built.repository, config)
    document = json.loads(built.manifest.data)
    document["config"] = Blob(built.config.media_type, config).descriptor
    return Blob(built.manifest.media_type, json.dumps(document, indent=3).encode())
