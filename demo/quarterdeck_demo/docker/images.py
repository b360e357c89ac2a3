"""Image operations: resolve, tag, untag, delete, prune."""

from __future__ import annotations

import re

from quarterdeck_demo.docker import references
from quarterdeck_demo.docker.filters import Filters, any_fits, flag, labels_fit
from quarterdeck_demo.docker.state import Container, Image, Json
from quarterdeck_demo.docker.wire import NANO, EngineError, parse_time
from quarterdeck_demo.docker.world import World

LIST_FILTERS = frozenset(("before", "dangling", "label", "reference", "since", "until"))
PRUNE_FILTERS = frozenset(("dangling", "label", "label!", "until"))


def users(world: World, image: Image) -> list[Container]:
    """The containers that were created from an image."""
    return [c for c in world.containers.values() if c.image_id == image.id]


def listed(world: World, filters: Filters) -> list[Image]:
    """The images that pass, newest first."""
    found = sorted(world.images.values(), key=lambda image: -image.created)
    if "dangling" in filters:
        dangling = flag(filters, "dangling")
        found = [image for image in found if (not image.tags) == dangling]
    if "label" in filters:
        found = [image for image in found if labels_fit(filters["label"], image.labels)]
    if "reference" in filters:
        patterns = [_glob(pattern) for pattern in filters["reference"]]
        found = [
            image
            for image in found
            if any(any_fits(patterns, name) for tag in image.tags for name in (tag, tag.rpartition(":")[0]))
        ]
    for name, after in (("since", True), ("before", False)):
        if name in filters:
            pivot = world.image(filters[name][0]).created
            found = [image for image in found if (image.created > pivot) is after and image.created != pivot]
    return found


def add_tag(world: World, image: Image, reference: references.Reference) -> None:
    """Give an image a tag, taking it from another one if need be."""
    name = str(reference)
    for other in world.images.values():
        if other is not image and name in other.tags:
            other.tags.remove(name)
    if name not in image.tags:
        image.tags = sorted([*image.tags, name])
    image.tagged_at = world.now
    world.emit("image", "tag", image.id, {**image.labels, "name": name})


def remove(world: World, ref: str, *, force: bool) -> list[Json]:
    """Untag, and delete with the last reference: https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Image.

    Raises EngineError 404, or 409 when a container uses it or several tags name it.
    """
    image = world.image(ref)
    by_id = _is_id(image, ref)
    using = users(world, image)
    if by_id:
        names = {tag.rpartition(":")[0] for tag in image.tags}
        if len(names) > 1 and not force:
            short = image.id.removeprefix("sha256:")[:12]
            why = "must be forced) - image is referenced in multiple repositories"
            raise EngineError(409, f"conflict: unable to delete {short} ({why}")
        alive = [c for c in using if c.running]
        if alive or (using and not force):
            _refuse(image, (alive or using)[0], bool(alive))
        return _delete(world, image)
    reference = str(references.parse(ref))
    rest = [name for name in (*image.tags, *image.digests) if name != reference]
    repository = reference.partition("@")[0] if "@" in reference else reference.rpartition(":")[0]
    last = not any(tag != reference for tag in image.tags)
    if last and using and not force and "@" not in reference:
        used = f"container {using[0].id[:12]} is using its referenced image {image.id.removeprefix('sha256:')[:12]}"
        raise EngineError(409, f'conflict: unable to remove repository reference "{ref}" (must force) - {used}')
    gone = [{"Untagged": reference}]
    if not any(tag.rpartition(":")[0] == repository for tag in image.tags if tag != reference):
        gone += [{"Untagged": name} for name in rest if name.startswith(f"{repository}@")]
    for entry in gone:
        _drop(image, entry["Untagged"])
        world.emit("image", "untag", image.id, {**image.labels, "name": image.id})
    if not image.tags and not image.digests and not using:
        gone += _delete(world, image)
    return gone


def prune(world: World, filters: Filters) -> tuple[list[Json], int]:
    """Delete dangling images, with `dangling=false` every unused one; what went and the bytes."""
    every = not flag(filters, "dangling", default=True)
    until = min((parse_time(value, world.now) for value in filters.get("until", [])), default=None)
    deleted: list[Json] = []
    reclaimed = 0
    for image in list(world.images.values()):
        if (image.tags and not every) or users(world, image):
            continue
        if until is not None and image.created * NANO > until:
            continue
        if not labels_fit(filters.get("label", []), image.labels):
            continue
        if any(labels_fit([label], image.labels) for label in filters.get("label!", [])):
            continue
        reclaimed += image.size
        deleted += _delete(world, image)
    return deleted, reclaimed


def _delete(world: World, image: Image) -> list[Json]:
    gone: list[Json] = [{"Untagged": name} for name in (*image.tags, *image.digests)]
    for _ in gone:
        world.emit("image", "untag", image.id, {**image.labels, "name": image.id})
    image.tags, image.digests = [], []
    del world.images[image.id]
    world.emit("image", "delete", image.id, {**image.labels, "name": image.id})
    shared = {layer for other in world.images.values() for layer in other.layers}
    own = [layer for layer in reversed(image.layers) if layer not in shared]
    return [*gone, {"Deleted": image.id}, *({"Deleted": layer} for layer in own[1:])]


def _drop(image: Image, name: str) -> None:
    for names in (image.tags, image.digests):
        if name in names:
            names.remove(name)


def _is_id(image: Image, ref: str) -> bool:
    bare = ref.removeprefix("sha256:")
    return image.id.removeprefix("sha256:").startswith(bare) and len(bare) >= 4


def _refuse(image: Image, container: Container, running: bool) -> None:
    short = image.id.removeprefix("sha256:")[:12]
    if running:
        why = f"(cannot be forced) - image is being used by running container {container.id[:12]}"
    else:
        why = f"(must be forced) - image is being used by stopped container {container.id[:12]}"
    raise EngineError(409, f"conflict: unable to delete {short} {why}")


def _glob(pattern: str) -> str:
    """A `reference` filter as a regular expression: `*` stops at a slash."""
    escaped = re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return f"^(?:.*/)?{escaped}$" if "/" not in pattern else f"^{escaped}$"
