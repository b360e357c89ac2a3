"""Asking a model server which version it serves: a declared field of an answer, or the V2 repository index.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and its model repository extension
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md).
"""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import urlsplit

import msgspec

from quarterdeck_adapters.http import HttpClient
from quarterdeck_adapters.mlflow.values import text
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.served import Evidence

DEADLINE_S = 2.0
MOST_BYTES = 1024 * 1024
INDEX_READS = [("POST", r".*/v2/repository/index")]
INDEXED = ("mlserver", "triton")


class Said(msgspec.Struct, frozen=True):
    """What a server said: evidence, or why there is none. `down` when it did not answer at all."""

    evidence: Evidence | None = None
    why: str = ""
    down: bool = False


async def field(service: str, address: str, path: str) -> Said:
    """The value at `path` (`model.version`, `models.0.version`) of a JSON answer. No credential is sent."""
    client = HttpClient(service, address, deadline=DEADLINE_S)
    try:
        body = await (await client.request("GET", address, max_body=MOST_BYTES)).json()
    except QuarterdeckError as error:
        return Said(why=f"{urlsplit(address).netloc} {error.short}", down=True)
    finally:
        await client.close()
    value = at(body, path)
    if not value:
        return Said(why=f"the answer of {urlsplit(address).netloc} has no field {path}")
    return Said(Evidence("http", version=value, detail=f"{path} of {address}"))


def at(body: Any, path: str) -> str:
    """The text or number at a path of keys and list positions, or an empty string."""
    for part in path.split("."):
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and part.isdigit() and int(part) < len(body):
            body = body[int(part)]
        else:
            return ""
    if isinstance(body, float) and math.isfinite(body) and body == int(body):
        return str(int(body))
    return text(body).strip()


async def index(service: str, origin: str, model: str) -> Said:
    """The version of `model` in the V2 repository index of a server that says it has one. No credential is sent.

    Only what answers as an inference server at /v2 is asked for its index, which the protocol makes a POST.
    """
    client = HttpClient(service, origin, reads=INDEX_READS, deadline=DEADLINE_S)
    try:
        about = await (await client.request("GET", "/v2", max_body=MOST_BYTES)).json()
        extensions = about.get("extensions") if isinstance(about, dict) else None
        known = isinstance(extensions, list) and "model_repository" in extensions
        if not known and not (isinstance(about, dict) and text(about.get("name")).lower() in INDEXED):
            return Said(why=f"{urlsplit(origin).netloc} is no inference server with a repository index")
        answer = await client.request("POST", "/v2/repository/index", json={"ready": True}, max_body=MOST_BYTES)
        listed = await answer.json()
    except QuarterdeckError as error:
        return Said(why=f"{urlsplit(origin).netloc} {error.short}", down=error.word in ("down", "timeout"))
    finally:
        await client.close()
    return in_index(listed, model, urlsplit(origin).netloc)


def in_index(listed: Any, model: str, place: str) -> Said:
    """What an index says of a model: the one version that is ready. Pure."""
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    mine = [each for each in entries if text(each.get("name")) == model]
    if not mine:
        return Said(why=f"the repository index of {place} has no model {model}")
    ready = sorted({text(e.get("version")) for e in mine if text(e.get("state")).upper() in ("READY", "")} - {""})
    if len(ready) == 1:
        return Said(Evidence("index", version=ready[0], detail=f"V2 repository index of {place}"))
    if ready:
        return Said(why=f"{place} serves several versions: {', '.join(ready)}")
    state = text(mine[0].get("state")) or "no state"
    return Said(why=f"the repository index of {place} names no ready version of {model} ({state})")
