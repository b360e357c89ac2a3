"""Images as a Swarm manager can find them: here, or in their registry. Nodes pull for themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from quarterdeck_adapters.docker.mapping import epoch
from quarterdeck_adapters.docker.release import references
from quarterdeck_adapters.docker.release.calls import Calls
from quarterdeck_adapters.docker.release.swarm_spec import Json, identity_of
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError
from quarterdeck_lifecycle.release.model import Identity


def described(identity: Identity, here: Json | None) -> Identity:
    """An identity with what a local image tells of it."""
    if here is None:
        return identity
    labels = (here.get("Config") or {}).get("Labels") or {}
    return Identity(
        kind="image", name=identity.name, digest=identity.digest, image_id=str(here["Id"]), wanted=identity.wanted,
        revision=str(labels.get("org.opencontainers.image.revision", "")), created_at=epoch(here.get("Created")),
        size=here.get("Size"), labels={str(name): str(value) for name, value in labels.items()},
    )  # fmt: skip


def digest_here(here: Json, name: str) -> str:
    """The digest under which a local image is known in the repository `name`, empty for one that was built here."""
    for entry in here.get("RepoDigests") or ():
        if references.repository(entry) == references.repository(name):
            return str(entry.partition("@")[2])
    return ""


async def resolve(calls: Calls, wanted: str, name: str) -> Identity:
    """A tag or digest as an identity: by the registry, so that a moved tag is seen; an image that was built here and
    is in no registry by its id. Raises NotFound, Unavailable, QuarterdeckError."""
    reference = references.read(wanted, name, source=calls.name)
    here = await calls.image(str(reference))
    if here is not None and (reference.digest or not here.get("RepoDigests")):
        found = Identity(kind="image", name=reference.name, digest=reference.digest, wanted=wanted or name)
        return described(found, here)
    answer = await calls.distribution(str(reference))
    digest = str((answer.get("Descriptor") or {}).get("digest") or "")
    if not references.is_digest(digest):
        raise NotFound(f"no digest of {reference}", source=calls.name, why="the registry named none")
    found = Identity(kind="image", name=reference.name, digest=digest, wanted=wanted or name)
    return described(found, await calls.image(found.reference))


async def known(calls: Calls, image: str) -> Identity:
    """The identity of an image that a service names, with the engine's id where it is here.

    Without a digest in the name it is what that name means here now.
    """
    identity = identity_of(image)
    here = await calls.image(image) if image else None
    if here is None:
        return identity
    if not identity.digest and identity.name:
        digest = digest_here(here, identity.name)
        identity = Identity(kind="image", name=identity.name, digest=digest, wanted=image)
    return described(identity, here)


async def of_container(calls: Calls, image: str, image_id: str) -> Identity:
    """The identity of an image that a service names by a tag, as a container of it was made from: the tag may mean
    something else by now."""
    name, here = identity_of(image).name, await calls.image(image_id)
    digest = digest_here(here, name) if here is not None else ""
    return described(Identity(kind="image", name=name, digest=digest, image_id=image_id, wanted=image), here)


async def missing(calls: Calls, identity: Identity) -> str:
    """Why tasks could not be started from this image; empty when it is here or its registry has it."""
    if await calls.image(identity.reference) is not None:
        return ""
    if not identity.digest:
        return "the image is not on this manager, and without a digest no registry has it"
    try:
        await calls.distribution(identity.reference)
    except QuarterdeckError as error:
        return f"the image is not on this manager, and its registry says: {error.why or error.what}"
    return ""


async def missing_each(calls: Calls, identities: Sequence[Identity]) -> list[str]:
    """`missing` of several, at the same time; trouble with the engine is a reason too."""

    async def one(identity: Identity) -> str:
        try:
            return await missing(calls, identity)
        except QuarterdeckError as error:
            return error.why or error.what

    return list(await asyncio.gather(*(one(identity) for identity in identities)))
