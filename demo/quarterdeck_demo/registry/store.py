"""What a registry holds: repositories with their blobs, manifests and tags, and uploads under way."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from quarterdeck_demo.oci import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Blob, Image, digest
from quarterdeck_demo.registry.errors import MISSING, RegistryError

__all__ = ["DIGEST", "INDEXES", "MANIFESTS", "Repository", "Store", "Upload"]

MANIFESTS = (DOCKER_MANIFEST, OCI_MANIFEST)
INDEXES = (DOCKER_INDEX, OCI_INDEX)
DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")


@dataclass(slots=True)
class Upload:
    """A blob upload under way."""

    repository: str
    started_at: float
    data: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Repository:
    """One repository; `tagged` stays true once it had a tag, and then its tag list is null, not unknown."""

    name: str
    blobs: set[str] = field(default_factory=set)
    manifests: dict[str, Blob] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    tagged: bool = False

    @property
    def listed(self) -> bool:
        return bool(self.blobs or self.manifests or self.tagged)


class Store:
    """Blobs by digest, shared by all repositories, and the links of each repository to them."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, Upload] = {}

    def repository(self, name: str) -> Repository:
        """The repository; one that nobody pushed to is empty and not kept."""
        return self.repositories.get(name) or Repository(name)

    def opened(self, name: str) -> Repository:
        """The repository, made when it is new."""
        return self.repositories.setdefault(name, Repository(name))

    def names(self) -> list[str]:
        return sorted(name for name, repository in self.repositories.items() if repository.listed)

    def tag_list(self, name: str) -> list[str] | None:
        """Tags in no useful order, as a directory gives them; None when all were deleted."""
        repository = self.repository(name)
        if not repository.tagged:
            raise RegistryError("NAME_UNKNOWN", {"name": name})
        ordered = sorted(repository.tags, key=lambda tag: hashlib.sha256(tag.encode()).digest())
        return ordered or None

    def blob(self, name: str, wanted: str) -> bytes:
        """A blob that the repository links to."""
        if wanted not in self.repository(name).blobs:
            raise RegistryError("BLOB_UNKNOWN", wanted)
        return self.blobs[wanted]

    def manifest(self, name: str, reference: str) -> tuple[Blob, bool]:
        """A manifest and whether it was found by tag."""
        repository = self.repository(name)
        by_tag = not DIGEST.fullmatch(reference)
        if by_tag:
            if ":" in reference:
                path = f"/docker/registry/v2/repositories/{name}/_manifests/tags/{reference}/current/link"
                raise RegistryError("UNKNOWN", {"Path": path, "DriverName": "filesystem"})
            if reference not in repository.tags:
                raise RegistryError("MANIFEST_UNKNOWN", {"Tag": reference})
            reference = repository.tags[reference]
        if reference not in repository.manifests:
            raise RegistryError("MANIFEST_UNKNOWN", {"Name": name, "Revision": reference})
        return repository.manifests[reference], by_tag

    def link(self, name: str, data: bytes) -> str:
        """Keep a blob in a repository."""
        key = digest(data)
        self.blobs[key] = data
        self.opened(name).blobs.add(key)
        return key

    def mount(self, name: str, wanted: str, source: str) -> bool:
        """Link another repository's blob; False when it has none such."""
        if wanted not in self.repository(source).blobs:
            return False
        self.opened(name).blobs.add(wanted)
        return True

    def put_manifest(self, name: str, reference: str, media_type: str, data: bytes) -> str:
        """Take a manifest by tag or digest once all it refers to is there; the digest."""
        document = checked(media_type, data)
        key = digest(data)
        by_tag = not DIGEST.fullmatch(reference)
        if not by_tag and reference != key:
            raise RegistryError("DIGEST_INVALID")
        repository = self.repository(name)
        if media_type in INDEXES:
            wanted, there = document.get("manifests", []), set(repository.manifests)
        else:
            wanted, there = [document.get("config", {}), *document.get("layers", [])], repository.blobs
        missing = [entry.get("digest", "") for entry in wanted if entry.get("digest", "") not in there]
        if missing:
            raise RegistryError("MANIFEST_BLOB_UNKNOWN", *missing)
        repository = self.opened(name)
        repository.manifests[key] = Blob(media_type, data)
        if by_tag:
            repository.tags[reference] = key
            repository.tagged = True
        return key

    def delete_manifest(self, name: str, reference: str) -> list[str]:
        """Remove a manifest by digest, and every tag on it; the tags."""
        if not DIGEST.fullmatch(reference):
            raise RegistryError("DIGEST_INVALID")
        repository = self.repository(name)
        if reference not in repository.manifests:
            raise RegistryError("MANIFEST_UNKNOWN", MISSING)
        del repository.manifests[reference]
        gone = [tag for tag, key in repository.tags.items() if key == reference]
        for tag in gone:
            del repository.tags[tag]
        return gone

    def delete_blob(self, name: str, wanted: str) -> None:
        repository = self.repository(name)
        if wanted not in repository.blobs:
            raise RegistryError("BLOB_UNKNOWN", MISSING)
        repository.blobs.discard(wanted)
        repository.tagged = True

    def start_upload(self, name: str, now: float) -> str:
        key = str(uuid.uuid4())
        self.uploads[key] = Upload(name, now)
        return key

    def push(self, image: Image, *others: Blob) -> None:
        """Put an image under all its tags, its index too; `others` are manifests that the index names besides."""
        for blob in (image.config, *image.layers):
            self.link(image.repository, blob.data)
        for manifest in (image.manifest, *others):
            self.put_manifest(image.repository, manifest.digest, manifest.media_type, manifest.data)
        top = image.index or image.manifest
        for tag in image.tags:
            self.put_manifest(image.repository, tag, top.media_type, top.data)


def checked(media_type: str, data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except json.JSONDecodeError as error:
        raise RegistryError("MANIFEST_INVALID", {"Offset": min(error.pos, len(data))}) from error
    named = document.get("mediaType", media_type) if isinstance(document, dict) else ""
    fits = media_type in (*MANIFESTS, *INDEXES) and named == media_type
    if not isinstance(document, dict) or not fits or document.get("schemaVersion") != 2:
        raise RegistryError("MANIFEST_INVALID", {})
    return document
