"""Putting a digest under another tag. A registry has no compare-and-set: the digests are compared right before."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from quarterdeck_adapters.registry.client import Head, Manifest, settled
from quarterdeck_adapters.registry.content import child, children, entries, is_index, parse, section
from quarterdeck_adapters.registry.reference import is_digest, target_of
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unsupported
from quarterdeck_lifecycle.kinds import Tag
from quarterdeck_lifecycle.ports import Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.registry.source import RegistrySource

MOST_PARTS = 200


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy needs: manifests from the innermost out, and the blobs that the target repository must have."""

    manifests: tuple[Manifest, ...]
    blobs: tuple[str, ...]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """From where to where: `origin` is the repository that has the digest."""

    origin: str
    digest: str
    repository: str
    tag: str
    before: str

    @property
    def target(self) -> str:
        """The target's name."""
        return f"{self.repository}:{self.tag}"


class CopyTag:
    """tag.copy: `to` is a new tag or repository:tag. With `digest` that digest of the target's own repository is
    put there instead: the way back from a copy that overwrote a tag.
    """

    def __init__(self, source: RegistrySource) -> None:
        self.source = source

    def permitted(self, record: Record) -> str | None:
        """None for a tag whose digest is known."""
        return None if isinstance(record, Tag) and record.digest else "its digest is not known"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """Read both tags and what must be linked. Raises QuarterdeckError."""
        route = await self._route(ref, args)
        plan = await self._plan(route)
        client = self.source.client
        steps = [Step(call="GET manifest", detail=f"{route.origin}@{route.digest}")]
        steps += [
            Step(call=f"POST /v2/{route.repository}/blobs/uploads/", detail=f"mount={blob} from={route.origin}")
            for blob in plan.blobs
        ]
        last = len(plan.manifests) - 1
        steps += [
            Step(
                call=f"PUT /v2/{route.repository}/manifests/{route.tag if n == last else manifest.digest}",
                detail=f"{len(manifest.data)} bytes, {manifest.media_type}",
            )
            for n, manifest in enumerate(plan.manifests)
        ]
        warnings: list[str] = []
        impact = [f"{route.target} stands for {route.digest[:19]}"]
        if route.before == route.digest:
            warnings.append(f"{route.target} is already that digest: nothing would change")
        elif route.before:
            warnings.append(f"{route.target} exists and is overwritten: it is {route.before[:19]} now")
            impact.append(f"{route.before[:19]} loses the tag {route.tag}")
        inverse, why = None, ""
        if route.before and route.before != route.digest:
            inverse = ("tag.copy", {"to": route.target, "digest": route.before})
        elif not route.before:
            why = f"a registry deletes by digest: to take {route.target} away, delete it with the tags that share it"
        else:
            why = "nothing changes"
        place = f"docker://{client.host}/"
        return Preview(
            verb="tag.copy", ref=ref, args=dict(args), title=f"copy {ref.id} to {route.target}", steps=tuple(steps),
            impact=tuple(impact), warnings=tuple(warnings), before=route.before or "no such tag", after=route.digest,
            token=route, inverse=inverse, why_no_inverse=why,
            command=shlex.join(["skopeo", "copy", "--all", "--preserve-digests",
                                f"{place}{route.origin}@{route.digest}", f"{place}{route.target}"]),
        )  # fmt: skip

    async def _route(self, ref: Ref, args: Mapping[str, str]) -> Route:
        repository, tag = self.source.place(ref)
        client = self.source.client
        to_repository, to_tag = target_of(args.get("to", ""), client.host, repository, self.source.name)
        wanted = args.get("digest", "")
        if wanted:
            if not is_digest(wanted):
                raise Conflict("the copy was not sent", source=self.source.name, why=f"{wanted[:100]} is no digest")
            origin, found = to_repository, await client.head(to_repository, wanted)
        else:
            if (to_repository, to_tag) == (repository, tag):
                raise Conflict("the copy was not sent", source=self.source.name, why=f"{ref.id} is that very tag")
            origin, found = repository, await client.head(repository, tag)
        if found is None:
            what = f"{origin}@{wanted[:19]}" if wanted else ref.id
            raise NotFound(f"{what} is gone", source=self.source.name)
        target: Head | None = await client.head(to_repository, to_tag)
        return Route(
            origin=origin, digest=found.digest, repository=to_repository, tag=to_tag,
            before=target.digest if target else "",
        )  # fmt: skip

    async def _plan(self, route: Route) -> Plan:
        client = self.source.client
        top = await client.manifest(route.origin, route.digest)
        if route.origin == route.repository:
            return Plan(manifests=(top,), blobs=())
        inner: list[Manifest] = []
        if is_index(top.media_type, parse(top.data)):
            listed = children(parse(top.data))
            if len(listed) > MOST_PARTS:
                why = f"it is an index of {len(listed)} parts"
                raise Unsupported("the copy was not sent", source=self.source.name, why=why)
            inner = [await client.manifest(route.origin, one.digest) for one in listed]
        blobs: dict[str, None] = {}
        for manifest in inner or [top]:
            document = parse(manifest.data)
            named = [section(document.get("config")), *entries(document.get("layers"))]
            blobs.update(dict.fromkeys(one.digest for one in map(child, named) if one.digest))
        return Plan(manifests=(*inner, top), blobs=tuple(blobs))

    async def execute(self, preview: Preview) -> str:
        """Link the blobs, then put the manifests. Raises Conflict when a tag moved since the preview.

        A blob that is linked and then not used is for the registry's garbage collection.
        """
        route: Route = preview.token
        client = self.source.client
        await self._unmoved(preview)
        plan = await self._plan(route)
        for blob in plan.blobs:
            if not await client.mount(route.repository, blob, route.origin):
                raise Unsupported(
                    "the copy was given up", source=self.source.name,
                    why=f"the registry does not link blobs of {route.origin} into {route.repository}",
                    mend=f"run: {preview.command}",
                )  # fmt: skip
        for manifest in plan.manifests[:-1]:
            await client.put(route.repository, manifest.digest, manifest)
        if plan.blobs:
            await self._unmoved(preview)
        return await settled(client.put(route.repository, route.tag, plan.manifests[-1])) or f"put {route.digest[:19]}"

    async def _unmoved(self, preview: Preview) -> None:
        now = await self._route(preview.ref, preview.args)
        if now != preview.token:
            moved = preview.ref.id if now.digest != preview.token.digest else now.target
            raise Conflict(
                "the copy was not sent", source=self.source.name, why=f"{moved} moved since you looked",
                mend="look again, then decide anew",
            )  # fmt: skip

    async def verify(self, preview: Preview) -> Outcome:
        """The target's digest is the one that was copied."""
        route: Route = preview.token
        found = await self.source.client.head(route.repository, route.tag)
        seen = found.digest if found else "no such tag"
        if seen == route.digest:
            return Outcome(verified=True, message=f"{route.target} is {seen[:19]}", observed=seen)
        return Outcome(verified=False, message=f"{route.target} is {seen[:19]}, not {route.digest[:19]}", observed=seen)
