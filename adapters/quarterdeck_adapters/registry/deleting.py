"""Deleting by digest. Every tag on the digest goes with it: they are listed before, and compared right before."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarterdeck_adapters.registry.client import INDEXES, Head, settled
from quarterdeck_adapters.registry.inventory import each
from quarterdeck_adapters.registry.reference import is_tag, newest_first
from quarterdeck_lifecycle.errors import Conflict, NotFound, QuarterdeckError, Unsupported
from quarterdeck_lifecycle.kinds import Tag
from quarterdeck_lifecycle.ports import Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.registry.source import RegistrySource

MOST_TAGS = 2000
"""Tags of a repository up to which all are asked for their digest before a delete."""
MOST_INDEXES = 50
DISABLED = "this registry does not allow deletes"
MEND = "start it with REGISTRY_STORAGE_DELETE_ENABLED=true (storage.delete.enabled)"


class DeleteTag:
    """tag.delete: the manifest of a tag, and so all tags on it."""

    def __init__(self, source: RegistrySource) -> None:
        self.source = source

    def permitted(self, record: Record) -> str | None:
        """None for a tag whose digest is known, while the registry has not refused a delete."""
        if self.source.deletes_refused:
            return self.source.deletes_refused
        return None if isinstance(record, Tag) and record.digest else "its digest is not known"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """Read the tag and every other tag of its repository. Raises QuarterdeckError."""
        repository, tag = self.source.place(ref)
        digest, tags, heads = await self._look(repository, tag)
        path = f"/v2/{repository}/manifests/{digest}"
        warnings = [f"{len(tags)} tags are on this digest, and all of them go"] if len(tags) > 1 else []
        warnings += await self._holders(repository, digest, heads)
        return Preview(
            verb="tag.delete", ref=ref, args=dict(args), title=f"delete {ref.id} by its digest",
            steps=(Step(call=f"DELETE {path}", detail=f"tags: {', '.join(tags)}"),),
            impact=tuple(f"{repository}:{one} is gone" for one in tags), warnings=tuple(warnings),
            before=f"{digest} ({', '.join(tags)})", after="no such manifest, no such tags", token=(digest, tags),
            why_no_inverse="the registry forgets the manifest; push the image again where it is still to be had",
            command=shlex.join(["curl", "-X", "DELETE", f"{self.source.client.url}{path}"]),
        )  # fmt: skip

    async def _look(self, repository: str, tag: str) -> tuple[str, tuple[str, ...], dict[str, Head]]:
        """The tag's digest, every tag on it, and what all tags of the repository stand for."""
        client, name = self.source.client, self.source.name
        head = await client.head(repository, tag)
        if head is None:
            raise NotFound(f"{repository}:{tag} is gone", source=name)
        listed, more = await client.tags(repository, MOST_TAGS)
        if more:
            raise Unsupported(
                "the delete was not sent", source=name,
                why=f"{repository} has more than {MOST_TAGS} tags: which of them are on this digest cannot be told",
            )  # fmt: skip
        good = [one for one in dict.fromkeys([*listed, tag]) if is_tag(one)]
        found, lost = await each(good, lambda one: client.head(repository, one))
        if lost:
            one, error = next(iter(lost.items()))
            raise type(error)(f"{repository}:{one} could not be read", source=name, why=error.why, mend=error.mend)
        heads = {one: seen for one, seen in found.items() if seen is not None}
        on_it = newest_first([one for one, seen in heads.items() if seen.digest == head.digest])
        return head.digest, tuple(on_it), heads

    async def _holders(self, repository: str, digest: str, heads: Mapping[str, Head]) -> list[str]:
        """Tags of indexes that have this digest as a part: they would be broken."""
        indexes: dict[str, list[str]] = {}
        for tag, head in heads.items():
            if head.media_type in INDEXES and head.digest != digest:
                indexes.setdefault(head.digest, []).append(tag)
        broken: list[str] = []
        for index in list(indexes)[:MOST_INDEXES]:
            try:
                detail = await self.source.inventory.detail(repository, index)
            except QuarterdeckError:
                continue
            if any(part.digest == digest for part in detail.children):
                broken += indexes[index]
        return [f"a part of {repository}:{tag}, which would be broken" for tag in newest_first(broken)]

    async def execute(self, preview: Preview) -> str:
        """Look again, then send the delete. Raises Conflict when the digest or its tags are others now."""
        repository, tag = self.source.place(preview.ref)
        digest, tags, _ = await self._look(repository, tag)
        if (digest, tags) != tuple(preview.token):
            raise Conflict(
                "the delete was not sent", source=self.source.name,
                why=f"{preview.ref.id} moved, or other tags are on its digest now: {', '.join(tags)}",
                mend="look again, then decide anew",
            )  # fmt: skip
        status = 0

        async def send() -> None:
            nonlocal status
            status = await self.source.client.delete(repository, digest)

        lost = await settled(send())
        if status == 405:
            self.source.deletes_refused = DISABLED
            raise Unsupported("the delete was refused", source=self.source.name, why=DISABLED, mend=MEND)
        if status == 404:
            raise NotFound(f"{repository}@{digest[:19]} is gone already", source=self.source.name)
        return lost or f"deleted {digest[:19]}"

    async def verify(self, preview: Preview) -> Outcome:
        """Neither the digest nor any of its tags is there."""
        repository, _ = self.source.place(preview.ref)
        digest, tags = preview.token
        client = self.source.client
        left = [name for name in (digest, *tags) if await client.head(repository, name) is not None]
        if not left:
            gone = f"{repository}@{digest[:19]} and {len(tags)} tag{'s' if len(tags) != 1 else ''} are gone"
            return Outcome(verified=True, message=gone, observed="404")
        return Outcome(verified=False, message=f"still there: {', '.join(left)}", observed=", ".join(left))
