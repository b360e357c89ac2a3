"""Container images as real bytes: layers, config, manifest and index with their true digests.

Formats: https://github.com/opencontainers/image-spec (config.md, manifest.md, image-index.md) and
https://distribution.github.io/distribution/spec/manifest-v2-2/.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest(data: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Blob(NamedTuple):
    """Bytes with a media type."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """The blob's digest."""
        return digest(self.data)

    @property
    def descriptor(self) -> dict[str, Any]:
        """What a manifest or an index says of the blob."""
        return {"mediaType": self.media_type, "size": len(self.data), "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Image:
    """One platform's image; `index` is set when a multi-platform index names it (a tag then points there)."""

    repository: str
    tags: tuple[str, ...]
    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]
    index: Blob | None = None

    @property
    def id(self) -> str:
        """The engine's image id: the config's digest."""
        return self.config.digest

    @property
    def digest(self) -> str:
        """What a tag resolves to: the digest of the index if there is one, else of the manifest."""
        return (self.index or self.manifest).digest

    @property
    def settings(self) -> dict[str, Any]:
        """The config document: `created`, `config` (Env, Labels, Cmd, ...), `rootfs`, `history`."""
        document: dict[str, Any] = json.loads(self.config.data)
        return document

    @property
    def labels(self) -> dict[str, str]:
        """The image's labels."""
        labels: dict[str, str] = self.settings["config"].get("Labels") or {}
        return labels

    @property
    def size(self) -> int:
        """Bytes of all layers as they travel (compressed)."""
        return sum(len(layer.data) for layer in self.layers)


def rfc3339(at: float) -> str:
    """Epoch seconds as RFC 3339 in UTC with nine digits of fraction, as Go prints it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def layer(files: Mapping[str, bytes], *, mtime: int = 0, docker: bool = False) -> tuple[Blob, str]:
    """A gzipped tar of `files` and the digest of the tar before compression (the config's diff id)."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), mtime, 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(info, io.BytesIO(data))
    tar = raw.getvalue()
    return Blob(DOCKER_LAYER if docker else OCI_LAYER, gzip.compress(tar, 6, mtime=0)), digest(tar)


def build_image(
    repository: str,
    tags: Sequence[str],
    *,
    created: float,
    layers: Sequence[Mapping[str, bytes]],
    env: Sequence[str] = (),
    cmd: Sequence[str] = (),
    entrypoint: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    ports: Sequence[str] = (),
    user: str = "",
    workdir: str = "",
    healthcheck: Mapping[str, Any] | None = None,
    docker: bool = False,
    with_index: bool = False,
) -> Image:
    """Build an image; `ports` as `8080/tcp`, `healthcheck` as the engine has it (durations in ns)."""
    blobs = [layer(files, docker=docker) for files in layers]
    settings: dict[str, Any] = {"Env": list(env), "Labels": dict(labels or {})}
    if cmd:
        settings["Cmd"] = list(cmd)
    if entrypoint:
        settings["Entrypoint"] = list(entrypoint)
    if ports:
        settings["ExposedPorts"] = {port: {} for port in ports}
    if user:
        settings["User"] = user
    if workdir:
        settings["WorkingDir"] = workdir
    if healthcheck:
        settings["Healthcheck"] = dict(healthcheck)
    config = Blob(
        DOCKER_CONFIG if docker else OCI_CONFIG,
        _json(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": rfc3339(created),
                "config": settings,
                "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in blobs]},
                "history": [
                    {"created": rfc3339(created), "created_by": f"COPY layer-{number} / # buildkit"}
                    for number in range(len(blobs))
                ],
            }
        ),
    )
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = Blob(
        media_type,
        _json(
            {
                "schemaVersion": 2,
                "mediaType": media_type,
                "config": config.descriptor,
                "layers": [blob.descriptor for blob, _ in blobs],
            }
        ),
    )
    index = build_index([(manifest, "amd64")], docker=docker) if with_index else None
    return Image(repository, tuple(tags), manifest, config, tuple(blob for blob, _ in blobs), index)


def build_index(manifests: Sequence[tuple[Blob, str]], *, docker: bool = False) -> Blob:
    """An index (or Docker manifest list) of manifests with their architectures."""
    media_type = DOCKER_INDEX if docker else OCI_INDEX
    entries = [
        {**manifest.descriptor, "platform": {"architecture": architecture, "os": "linux"}}
        for manifest, architecture in manifests
    ]
    return Blob(media_type, _json({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}))


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=3).encode()
