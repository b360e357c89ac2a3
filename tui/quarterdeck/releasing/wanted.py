"""What to put on a service, in the words of the contract's REF, as a tag or a digest of the service's image."""

from __future__ import annotations

from quarterdeck.boot import Boot
from quarterdeck_lifecycle.errors import NotFound, Refused
from quarterdeck_lifecycle.kinds import Image, Tag
from quarterdeck_lifecycle.records import Record, Ref

_OTHERS = ("pr:",)
LOOK_S = 10.0


async def image_wanted(boot: Boot, words: str, image: str) -> str:
    """A tag or digest of `image`. Raises Refused for another image, NotFound for a commit that none was built from."""
    if words.startswith(_OTHERS):
        raise Refused(f"{words} is no image", mend="name a tag, a digest, image:NAME:TAG or git:REV")
    if words.startswith("git:"):
        return await _of_commit(boot, words.removeprefix("git:"), image)
    if words.startswith("image:"):
        return _within(words.removeprefix("image:"), image, words)
    try:
        ref = Ref.parse(words)
    except ValueError:
        return words
    if ref.kind not in ("image", "tag"):
        return words
    await boot.hub.once(LOOK_S)
    record = boot.hub.find(ref)
    if record is None:
        raise NotFound(f"{words} is not there")
    return _of_record(record, image, words)


def _within(name: str, image: str, words: str) -> str:
    """The tag or digest of `NAME[:TAG|@DIGEST]`, which must be of the service's own image."""
    base, at, digest = name.partition("@")
    host, slash, last = base.rpartition("/")
    short, _, tag = last.partition(":")
    repository = f"{host}{slash}{short}"
    if repository not in (image, image.partition("/")[2]):
        raise Refused(f"{words} is another image", why=f"the service runs {image}")
    return digest if at else tag or "latest"


def _of_record(record: Record, image: str, words: str) -> str:
    if isinstance(record, Tag):
        if f"{record.registry}/{record.repository}" != image and record.repository != image.partition("/")[2]:
            raise Refused(f"{words} is another image", why=f"the service runs {image}")
        return record.digest or record.tag
    if isinstance(record, Image):
        mine = [digest for digest in record.digests if digest.partition("@")[0] == image]
        if mine:
            return mine[0].partition("@")[2]
    raise Refused(f"{words} is not of this service's image", why=f"the service runs {image}")


async def _of_commit(boot: Boot, revision: str, image: str) -> str:
    """The digest of the image that was built from a commit, as its label says, else the tag that names it."""
    if not boot.discovered:
        await boot.discover()
    await boot.hub.once(LOOK_S)
    found: dict[str, None] = {}
    for record in boot.hub.records():
        if not isinstance(record, (Tag, Image)):
            continue
        built = record.link("commit")
        named = record.tag if isinstance(record, Tag) else ""
        if (len(revision) >= 7 and built.startswith(revision)) or (named and named == revision):
            try:
                found[_of_record(record, image, revision)] = None
            except Refused:
                continue
    if len(found) != 1:
        why = f"there are {', '.join(found)}" if found else f"no image of {image} says that it was built from it"
        raise NotFound(f"git:{revision} is no single image", why=why, mend="name its tag or digest")
    return next(iter(found))
