"""AWS's models as botocore reads them, without what is never asked for: the endpoints of its four hundred services
alone would be 7 MB for as long as the deck is open."""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

SERVICES = frozenset({"codepipeline", "codebuild", "logs", "sts", "oidc", "portal.sso", "signin"})
"""By the prefixes of their endpoints: what is called, and what AWS's chain of credentials calls."""


class _Endpoints(msgspec.Struct):
    partitions: list[dict[str, msgspec.Raw]]
    version: int


class Files:
    """Stands where botocore has its reader of JSON files."""

    def exists(self, path: str) -> bool:
        """Whether there is such a model; `path` has no ending."""
        return any(file.is_file() for file in _files(path))

    def load_file(self, path: str) -> Any:
        """The model, or None where there is none."""
        for file in _files(path):
            with suppress(FileNotFoundError):
                body = file.read_bytes()
                if file.suffix == ".gz":
                    body = gzip.decompress(body)
                return _endpoints(body) if file.name.startswith("endpoints.") else msgspec.json.decode(body)
        return None


def _files(path: str) -> tuple[Path, Path]:
    return Path(f"{path}.json"), Path(f"{path}.json.gz")


def _endpoints(body: bytes) -> dict[str, Any]:
    read = msgspec.json.decode
    found = read(body, type=_Endpoints)
    partitions: list[dict[str, Any]] = []
    for given in found.partitions:
        services = read(given.pop("services"), type=dict[str, msgspec.Raw])
        kept = {name: read(services[name]) for name in SERVICES & services.keys()}
        partitions.append({key: read(value) for key, value in given.items()} | {"services": kept})
    return {"partitions": partitions, "version": found.version}
