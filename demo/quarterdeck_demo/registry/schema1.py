"""An image manifest as the old schema 1: what a registry sends to a client that accepts nothing newer.

Source: https://distribution.github.io/distribution/spec/manifest-v2-1/ and the conversion of distribution 2.8.2
(manifest/schema1/config_builder.go). The digest is that of the payload without its signature, which here has the
right form but verifies nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from quarterdeck_demo.gojson import go_json
from quarterdeck_demo.oci import digest, rfc3339

__all__ = ["MEDIA_TYPE", "schema1"]

MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v1+prettyjws"
EMPTY_LAYER = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"


def schema1(name: str, tag: str, manifest: dict[str, Any], config: bytes, now: float) -> tuple[bytes, str]:
    """The signed manifest and its digest."""
    payload = json_payload(name, tag, manifest, config)
    return signed(payload, now), digest(payload)


def json_payload(name: str, tag: str, manifest: dict[str, Any], config: bytes) -> bytes:
    settings: dict[str, Any] = json.loads(config)
    blobs = [layer["digest"] for layer in manifest.get("layers", [])]
    steps: list[dict[str, Any]] = settings.get("history") or [{} for _ in blobs]
    sums: list[str] = []
    history: list[str] = []
    parent = ""
    for number, step in enumerate(steps):
        empty = bool(step.get("empty_layer"))
        blob = EMPTY_LAYER if empty or not blobs else blobs.pop(0)
        last = number == len(steps) - 1
        seed = f"{hex_of(blob)} {parent}"
        if last:
            seed += f" {config.decode()}"
        identity = hashlib.sha256(seed.encode()).hexdigest()
        history.append(
            go_json(newest(settings, identity, parent, empty) if last else older(step, identity, parent, empty))
        )
        sums.append(blob)
        parent = identity
    document = {
        "schemaVersion": 1,
        "name": name,
        "tag": tag,
        "architecture": settings.get("architecture", ""),
        "fsLayers": [{"blobSum": blob} for blob in reversed(sums)],
        "history": [{"v1Compatibility": entry} for entry in reversed(history)],
    }
    return go_json(document, indent=3).encode()


def newest(settings: dict[str, Any], identity: str, parent: str, empty: bool) -> dict[str, Any]:
    kept = {key: value for key, value in settings.items() if key not in ("rootfs", "history")}
    kept["id"] = identity
    if parent:
        kept["parent"] = parent
    if empty:
        kept["throwaway"] = True
    return dict(sorted(kept.items()))


def older(step: dict[str, Any], identity: str, parent: str, empty: bool) -> dict[str, Any]:
    created = re.sub(r"\.?0*Z$", "Z", step["created"]) if "." in step.get("created", "") else step.get("created")
    entry = {
        "id": identity,
        "parent": parent,
        "comment": step.get("comment"),
        "created": created or "0001-01-01T00:00:00Z",
        "container_config": {"Cmd": [step.get("created_by", "")]},
        "author": step.get("author"),
        "throwaway": empty,
    }
    return {key: value for key, value in entry.items() if value}


def signed(payload: bytes, now: float) -> bytes:
    tail = b"\n}"
    body = payload.removesuffix(tail)
    protected = {
        "formatLength": len(body),
        "formatTail": base64url(tail),
        "time": rfc3339(now)[:19] + "Z",
    }
    kid = base64.b32encode(hashlib.sha256(b"practice registry").digest())[:48].decode()
    signature = {
        "header": {
            "jwk": {
                "crv": "P-256",
                "kid": ":".join(kid[i : i + 4] for i in range(0, 48, 4)),
                "kty": "EC",
                "x": base64url(hashlib.sha256(b"x").digest()),
                "y": base64url(hashlib.sha256(b"y").digest()),
            },
            "alg": "ES256",
        },
        "signature": base64url(hashlib.sha512(payload).digest()),
        "protected": base64url(go_json(protected).encode()),
    }
    block = go_json([signature], indent=3).replace("\n", "\n   ")
    return body + f',\n   "signatures": {block}'.encode() + tail


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hex_of(name: str) -> str:
    return name.partition(":")[2]
