"""Images of a release: what a tag means now, what an image is, and how it comes here."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from quarterdeck_adapters.docker.acting import size
from quarterdeck_adapters.docker.image_actions import pull_failure
from quarterdeck_adapters.docker.mapping import REVISION, epoch
from quarterdeck_adapters.docker.release.calls import Calls
from quarterdeck_adapters.docker.release.references import Reference, is_digest, read, repository
from quarterdeck_config.masking import mask_mapping
from quarterdeck_lifecycle.errors import Conflict, NotFound, QuarterdeckError
from quarterdeck_lifecycle.release.model import Identity
from quarterdeck_lifecycle.release.ports import Say

Json = Mapping[str, Any]
MARGIN_S = 2.0
"""A pull that takes too long is given up this much before its step is, so that the error names the registry."""
SAY_S = 1.0
"""Seconds between two lines that only say how far a download is."""
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)


def identity(image: Json, reference: Reference | None, wanted: str = "") -> Identity:
    """A local image: its digest in the repository that was named, else in the first that has it."""
    digests = [each.partition("@") for each in image.get("RepoDigests") or () if not each.startswith("<none>")]
    name = reference.name if reference else ""
    mine = [digest for at, _, digest in digests if at == name]
    if reference and reference.digest in mine:
        digest = reference.digest
    elif mine:
        digest = mine[0]
    else:
        name, digest = (digests[0][0], digests[0][2]) if digests and not name else (name, "")
    labels = (image.get("Config") or {}).get("Labels") or {}
    return Identity(
        kind="image", name=name or _first_repository(image), digest=digest, image_id=str(image.get("Id") or ""),
        wanted=wanted, revision=str(labels.get(REVISION) or ""), created_at=epoch(image.get("Created")),
        size=image.get("Size"), labels=mask_mapping({str(k): str(v) for k, v in labels.items()}),
    )  # fmt: skip


def _first_repository(image: Json) -> str:
    tags = [tag for tag in image.get("RepoTags") or () if not tag.startswith("<none>")]
    return repository(tags[0]) if tags else ""


async def running(calls: Calls, found: Json) -> tuple[Identity, Json | None]:
    """The image that a container was made from, and its inspect; only its id where the image is gone."""
    said, id = str((found.get("Config") or {}).get("Image") or ""), str(found.get("Image") or "")
    image = await calls.image(id) if id else None
    name = repository(said)
    if image is None:
        return Identity(kind="image", name=name, digest="", image_id=id, wanted=said), None
    pinned = said.partition("@")[2]
    reference = Reference(name, "", pinned if is_digest(pinned) else "") if name else None
    return identity(image, reference, said), image


async def resolve(calls: Calls, wanted: str, name: str) -> Identity:
    """A tag or digest as an identity: asked at the registry through the engine, else what the engine has.

    Raises NotFound; what the registry said when it did not answer and nothing is here.
    """
    reference = read(wanted, name, source=calls.name)
    try:
        digest = str((await calls.distribution(str(reference)))["Descriptor"]["digest"])
    except QuarterdeckError as error:
        here = await calls.image(str(reference))
        if here is None and is_digest(wanted):
            here = await calls.image(wanted)
        if here is None:
            raise error
        return identity(here, reference, wanted)
    pinned = Reference(reference.name, "", digest)
    here = await calls.image(str(pinned))
    if here is not None:
        return identity(here, pinned, wanted)
    return Identity(kind="image", name=reference.name, digest=digest, wanted=wanted)


async def local(calls: Calls, to: Identity) -> Json | None:
    """The image here that is this identity, None when it has to be pulled."""
    if to.digest and to.name:
        found = await calls.image(f"{to.name}@{to.digest}")
        if found is not None:
            return found
    return await calls.image(to.image_id) if to.image_id else None


def create_reference(to: Identity, image: Json) -> str:
    """What a create request names: the digest where the engine knows it, else the image's id."""
    pinned = f"{to.name}@{to.digest}"
    return pinned if to.digest and pinned in (image.get("RepoDigests") or ()) else str(image["Id"])


async def pull(calls: Calls, to: Identity, say: Say, deadline: float) -> str:
    """Bring the image here, by its digest. Here already means no write. Raises QuarterdeckError."""
    found = await local(calls, to)
    if found is not None:
        return f"{to.short} is here already ({size(found.get('Size'))})"
    if not to.digest:
        raise NotFound(
            f"image {to.short}",
            source=calls.name,
            why="it is gone from this engine, and no registry is known to have it",
        )
    what, started = f"pull of {to.reference}", time.monotonic()
    await _lines(calls, to, say, what, max(deadline - MARGIN_S, 0.1))
    found = await local(calls, to)
    if found is None:
        raise Conflict(what, source=calls.name, why="the engine said nothing wrong and does not have it")
    return f"pulled {to.short} ({size(found.get('Size'))}) in {time.monotonic() - started:.1f} s"


async def _lines(calls: Calls, to: Identity, say: Say, what: str, deadline: float) -> None:
    layers: dict[str, tuple[int, int]] = {}
    told = time.monotonic()
    async with aclosing(calls.pull(to.name, to.digest, deadline)) as lines:
        async for line in lines:
            if line.get("error"):
                raise await _failed(calls, str(line["error"]), what)
            status, layer = str(line.get("status") or ""), str(line.get("id") or "")
            progress = line.get("progressDetail") or {}
            if progress.get("total"):
                if status == "Downloading":
                    layers[layer] = (int(progress.get("current") or 0), int(progress["total"]))
                if time.monotonic() - told >= SAY_S:
                    told = time.monotonic()
                    done, total = (sum(each[at] for each in layers.values()) for at in (0, 1))
                    await say(f"{status.lower()}: {size(done)} of {size(total)} in {len(layers)} layers")
            elif status in ("Pull complete", "Already exists") or not layer:
                await say(f"{layer}: {status.lower()}" if layer else status)


async def _failed(calls: Calls, said: str, what: str) -> QuarterdeckError:
    return await disk_full(calls, said, what) or pull_failure(said, source=calls.name, what=what)


async def disk_full(calls: Calls, said: str, what: str) -> Conflict | None:
    """The error that names the full disk, where what the engine said means one."""
    if not _FULL.search(said):
        return None
    root = str((await calls.info()).get("DockerRootDir") or "the engine's data root")
    return Conflict(
        what, source=calls.name, why=f"the disk of {root} is full: {said}",
        mend=f"free space below {root} (docker image prune), then deploy again; nothing was changed",
    )  # fmt: skip
