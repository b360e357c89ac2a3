"""Pull and remove images.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from quarterdeck_adapters.docker.acting import Mutation, size
from quarterdeck_adapters.docker.mapping_stores import digests_of, tags_of
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, NotFound, QuarterdeckError, Unavailable
from quarterdeck_lifecycle.kinds import Image
from quarterdeck_lifecycle.ports import Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref

PULL_S = 1800.0
_REFERENCE = re.compile(r"[a-zA-Z0-9][\w.:/@-]{0,500}")


def split(reference: str) -> tuple[str, str]:
    """A reference as the engine's `fromImage` and `tag`; the tag may be a digest. `latest` when there is none."""
    if "@" in reference:
        name, _, digest = reference.partition("@")
        return name, digest
    head, colon, tag = reference.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (reference, "latest")


def pull_failure(said: str, *, source: str, what: str) -> QuarterdeckError:
    """The error that an engine reports on a line of its 200 answer."""
    if re.search(r"unauthorized|authentication required|no basic auth|access denied|denied:", said, re.IGNORECASE):
        return AuthFailed(what, source=source, why=said, mend="docker login to that registry")
    if re.search(r"not found|manifest unknown|does not exist", said, re.IGNORECASE):
        return NotFound(what, source=source, why=said)
    return Unavailable(what, source=source, why=said, mend="check the registry and the network of the engine")


class _OnImage(Mutation):
    kinds: tuple[str, ...] = ("image",)

    async def look(self, reference: str) -> dict[str, Any] | None:
        """An image by id or reference; None when there is none."""
        try:
            found = await self.source.engine().call(
                lambda c: dict(c.inspect_image(reference)), what=f"looking at image {reference}"
            )
        except NotFound:
            return None
        return found


class Pull(_OnImage):
    """Pull a reference from its registry."""

    kinds = ("image", "container", "source")

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """Say which reference is pulled and what it names here now. Raises Conflict without a usable reference."""
        self.check(ref)
        reference = args.get("reference", "").strip() or await self._reference(ref)
        if not _REFERENCE.fullmatch(reference):
            raise Conflict(f"{reference} is no image reference", source=self.source.name)
        name, tag = split(reference)
        here = await self.look(reference)
        before = str(here["Id"]) if here else ""
        return Preview(
            verb=self.verb, ref=ref, args={"reference": reference}, title=f"pull {reference}", deadline_s=PULL_S,
            steps=(Step(call=f"POST /images/create?fromImage={name}&tag={tag}", detail=reference),),
            impact=(f"{reference} is {before[:19]} here now" if before else f"{reference} is not here yet",),
            before=before, after=f"{reference} names what the registry serves", token=before,
            why_no_inverse=f"the image it named stays, untagged: {before[:19]}" if before else "remove the image",
            command=self.command("pull", "--", reference),
        )  # fmt: skip

    def _login(self) -> dict[str, str] | None:
        """None: as the operator's docker config says; empty: nobody."""
        return None if self.source.credentials else {}

    async def _reference(self, ref: Ref) -> str:
        if ref.kind == "container":
            found = await self.source.engine().call(lambda c: c.inspect_container(ref.id), what="looking at its image")
            return str(found["Config"]["Image"])
        here = await self.look(ref.id) if ref.kind == "image" else None
        tags = tags_of(here) if here else ()
        if not tags:
            raise Conflict(
                "nothing to pull", source=self.source.name, why="the image has no tag", mend="name a reference"
            )
        return tags[0]

    async def execute(self, preview: Preview) -> str:
        """Pull once. An error that the engine reports inside its 200 answer is raised."""
        reference = preview.args["reference"]
        here = await self.look(reference)
        self.moved(preview, str(here["Id"]) if here else "")
        name, tag = split(reference)
        engine, login = self.source.engine(), self._login()

        def send(client: Any) -> str:
            said = ""
            for line in client.pull(name, tag=tag, stream=True, decode=True, auth_config=login):
                if not isinstance(line, dict):
                    continue
                if line.get("error"):
                    raise pull_failure(str(line["error"]), source=engine.source, what=preview.title)
                said = str(line.get("status") or said)
            return said

        return await engine.call(send, what=preview.title, deadline=PULL_S)

    async def verify(self, preview: Preview) -> Outcome:
        """Read what the reference names now."""
        here = await self.look(preview.args["reference"])
        if here is None:
            return Outcome(verified=False, message="the reference names nothing here")
        now = str(here["Id"])
        return Outcome(verified=True, message="unchanged" if now == preview.token else "a new image", observed=now)


class Remove(_OnImage):
    """Remove an image with all its tags; one that a container uses is refused by the engine."""

    def permitted(self, record: Record) -> str | None:
        """None when no container uses it."""
        if isinstance(record, Image) and record.containers:
            return f"used by {record.containers} container{'s' if record.containers > 1 else ''}"
        return super().permitted(record)

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002
        """List the tags that go and the space that comes back. Raises NotFound, Conflict."""
        self.check(ref)
        found = await self._image(ref)
        rows = (await self.source.inventory().list("image")).rows
        record = next((row for row in rows if row.ref == ref), None)
        if record is not None and (why := self.permitted(record)) is not None:
            raise Conflict(f"remove {record.name}", source=self.source.name, why=why)
        targets = _targets(found)
        digests = digests_of(found)
        again = f"; pull {digests[0]} to have it again" if digests else "; no registry is known to have it"
        return Preview(
            verb=self.verb, ref=ref, record=record, title=f"remove image {targets[0]}",
            steps=tuple(Step(call=f"DELETE /images/{each}?force=0", detail=each) for each in targets),
            impact=(*(f"untags {tag}" for tag in tags_of(found)), f"frees at most {size(found.get('Size'))}"),
            before=str(found["Id"]), after="no such image", token=_token(found),
            why_no_inverse=f"its layers are gone{again}",
            command=self.command("rmi", "--", *targets),
        )  # fmt: skip

    async def _image(self, ref: Ref) -> dict[str, Any]:
        found = await self.look(ref.id)
        if found is None:
            raise NotFound(f"image {ref.id[:19]} is gone", source=self.source.name)
        return found

    async def execute(self, preview: Preview) -> str:
        """Remove tag by tag; the last one takes the layers along. Raises Conflict when its tags changed."""
        found = await self._image(preview.ref)
        self.moved(preview, _token(found))
        removed = 0

        def send(client: Any) -> None:
            nonlocal removed
            for target in _targets(found):
                client.remove_image(target, force=False)
                removed += 1

        await self.source.engine().call(send, what=preview.title, deadline=120)
        return f"{removed} removed"

    async def verify(self, preview: Preview) -> Outcome:
        """It is verified when the engine knows its id no more."""
        found = await self.look(preview.ref.id)
        if found is None:
            return Outcome(verified=True, message="it is gone", observed="404")
        return Outcome(verified=False, message="it is still there", observed=", ".join(tags_of(found)))


def _targets(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What is to be deleted: each tag, or the id where there is none."""
    return tags_of(found) or (str(found["Id"]),)


def _token(found: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return str(found["Id"]), tags_of(found)
