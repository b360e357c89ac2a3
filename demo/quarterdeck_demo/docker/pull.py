"""Pull and push as streams of JSON lines; a failure after the first line hides inside a 200.

https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Image/operation/ImageCreate
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from quarterdeck_demo import oci
from quarterdeck_demo.docker.references import Reference
from quarterdeck_demo.docker.state import Json
from quarterdeck_demo.docker.supply import NoManifest, NoRegistry, Supply, local_image
from quarterdeck_demo.docker.wire import EngineError
from quarterdeck_demo.docker.world import World


def resolve(supply: Supply, reference: Reference) -> oci.Image:
    """Ask the registry as a pull does; raises EngineError 404 or 500."""
    try:
        return supply.find(reference)
    except NoRegistry as error:
        raise EngineError(500, str(error)) from None
    except NoManifest:
        why = "manifest unknown: manifest unknown"
        raise EngineError(404, f"manifest for {reference} not found: {why}") from None


async def pull(
    world: World, reference: Reference, remote: oci.Image, delay: float, failure: str = ""
) -> AsyncIterator[bytes]:
    """The progress of a pull, each step `delay` seconds apart; `failure` ends it with an error line."""
    yield _line(
        {"status": f"Pulling from {reference.path.removeprefix('library/')}", "id": reference.tag or str(reference)}
    )
    known = {layer for image in world.images.values() for layer in image.layers}
    present = remote.id in world.images
    if not present:
        for layer, blob in zip(remote.settings["rootfs"]["diff_ids"], remote.layers, strict=True):
            short, size = blob.digest.removeprefix("sha256:")[:12], len(blob.data)
            if layer in known:
                yield _line({"status": "Already exists", "progressDetail": {}, "id": short})
                continue
            yield _line({"status": "Pulling fs layer", "progressDetail": {}, "id": short})
            for done in (size // 3, size):
                yield _progress("Downloading", done, size, short)
                await asyncio.sleep(delay)
            if failure:
                yield _line({"errorDetail": {"message": failure}, "error": failure})
                return
            for status in ("Verifying Checksum", "Download complete"):
                yield _line({"status": status, "progressDetail": {}, "id": short})
            yield _progress("Extracting", size, size, short)
            yield _line({"status": "Pull complete", "progressDetail": {}, "id": short})
    if failure:
        yield _line({"errorDetail": {"message": failure}, "error": failure})
        return
    image = world.images.get(remote.id) or local_image(remote)
    world.images[image.id] = image
    name = f"{reference.name}@{remote.digest}"
    if name not in image.digests:
        image.digests = sorted([*image.digests, name])
    fresh = not present
    if reference.tag and str(reference) not in image.tags:
        fresh = True
        for other in world.images.values():
            if str(reference) in other.tags:
                other.tags.remove(str(reference))
        image.tags = sorted([*image.tags, str(reference)])
        image.tagged_at = world.now
    world.emit("image", "pull", str(reference), {**image.labels, "name": reference.name})
    yield _line({"status": f"Digest: {remote.digest}"})
    said = "Downloaded newer image for" if fresh else "Image is up to date for"
    yield _line({"status": f"Status: {said} {reference}"})


async def push(
    world: World, reference: Reference, supply: Supply, delay: float, failure: str = ""
) -> AsyncIterator[bytes]:
    """The progress of a push; every error is a line."""
    host = "docker.io/" if reference.domain == "docker.io" and "/" in reference.name else ""
    yield _line({"status": f"The push refers to repository [{host}{reference.name}]"})
    image = next((i for i in world.images.values() if str(reference) in i.tags), None)
    if image is None:
        message = f"An image does not exist locally with the tag: {reference.name}"
        yield _line({"errorDetail": {"message": message}, "error": message})
        return
    for layer in image.layers:
        yield _line({"status": "Preparing", "progressDetail": {}, "id": layer.removeprefix("sha256:")[:12]})
    try:
        if failure:
            raise NoRegistry(failure)
        pushed, size = supply.send(reference, image)
    except NoRegistry as error:
        yield _line({"errorDetail": {"message": str(error)}, "error": str(error)})
        return
    for layer in image.layers:
        short = layer.removeprefix("sha256:")[:12]
        part = image.size // max(len(image.layers), 1)
        yield _progress("Pushing", part, part, short)
        await asyncio.sleep(delay)
        yield _line({"status": "Pushed", "progressDetail": {}, "id": short})
    name = f"{reference.name}@{pushed}"
    if name not in image.digests:
        image.digests = sorted([*image.digests, name])
    world.emit("image", "push", str(reference), {**image.labels, "name": reference.name})
    yield _line({"status": f"{reference.tag}: digest: {pushed} size: {size}"})
    yield _line({"progressDetail": {}, "aux": {"Tag": reference.tag, "Digest": pushed, "Size": size}})


def _progress(status: str, done: int, total: int, layer: str) -> bytes:
    filled = 50 * done // max(total, 1)
    bar = "=" * min(filled, 50) + (">" if filled < 50 else "")
    shown = f"[{bar:<50}]  {_bytes(done)}/{_bytes(total)}"
    return _line(
        {"status": status, "progressDetail": {"current": done, "total": total}, "progress": shown, "id": layer}
    )


def _bytes(size: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.4g}{unit}"
    return f"{size}B"


def _line(item: Json) -> bytes:
    return json.dumps(item, separators=(",", ":")).encode() + b"\r\n"
