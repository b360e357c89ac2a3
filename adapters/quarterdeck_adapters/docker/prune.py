"""Pruning, item by item: what is previewed by name is what is deleted, and nothing that came later.

The engine's own prune calls decide anew when they run, and /volumes/prune of an engine before API 1.42 takes named
volumes too; single deletes of unused things cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from quarterdeck_adapters.docker.acting import Mutation, size, truth
from quarterdeck_adapters.docker.faults import translate
from quarterdeck_adapters.docker.kin import OURS
from quarterdeck_adapters.docker.mapping import name_of
from quarterdeck_adapters.docker.mapping_stores import PREDEFINED, Users, is_anonymous, tags_of
from quarterdeck_lifecycle.errors import Conflict, QuarterdeckError
from quarterdeck_lifecycle.ports import Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref

Json = Mapping[str, Any]
LEASE = "qd-lease-"
STOPPED = frozenset({"exited", "created", "dead"})
SHOWN = 200


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing: its path in the API, the name people know, its size in bytes, and why it is kept if it is."""

    path: str
    name: str
    size: int | None = None
    kept: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind is pruned: what the engine holds of it, as items; and the docker command's words."""

    items: Callable[[Json, bool], Sequence[Item]]
    what: str
    words: tuple[str, ...]
    networks: bool = False


def containers(held: Json, everything: bool) -> list[Item]:  # noqa: ARG001
    """Stopped containers; those that a release may go back to, and leases, are kept. Their volumes all stay."""
    found = []
    for entry in held.get("Containers") or ():
        if entry.get("State") not in STOPPED:
            continue
        name, service = name_of(entry), (entry.get("Labels") or {}).get(OURS)
        kept = "a release's lease" if name.startswith(LEASE) else f"retained for {service}" if service else ""
        found.append(Item(path=f"/containers/{entry['Id']}?v=0", name=name, size=entry.get("SizeRw", 0), kept=kept))
    return found


def images(held: Json, everything: bool) -> list[Item]:
    """Images without a tag that no container uses; with `everything` those with a tag too."""
    users = Users(held.get("Containers") or ())
    found = []
    for entry in held.get("Images") or ():
        tags, count = tags_of(entry), users.images[entry["Id"]]
        kept = f"used by {count}" if count else f"tagged {tags[0]}" if tags and not everything else ""
        name = tags[0] if tags else entry["Id"].removeprefix("sha256:")[:12]
        total, shared = entry.get("Size"), entry.get("SharedSize")
        own = total - shared if isinstance(total, int) and isinstance(shared, int) and shared > 0 else total
        found += [Item(path=f"/images/{each}", name=each if tags else name, size=own if at == 0 else 0, kept=kept)
                  for at, each in enumerate(tags or (entry["Id"],))]  # fmt: skip
    return found


def volumes(held: Json, everything: bool) -> list[Item]:  # noqa: ARG001
    """Anonymous volumes that no container has; every named one is kept."""
    users = Users(held.get("Containers") or ())
    found = []
    for entry in held.get("Volumes") or ():
        count = users.volumes[entry["Name"]]
        kept = f"used by {count}" if count else "" if is_anonymous(entry) else "named"
        usage = (entry.get("UsageData") or {}).get("Size")
        found.append(Item(path=f"/volumes/{entry['Name']}", name=entry["Name"], size=usage, kept=kept))
    return found


def networks(held: Json, everything: bool) -> list[Item]:  # noqa: ARG001
    """Networks of the operator's own that no container names, a stopped one neither: it could not start again."""
    users = Users(held.get("Containers") or ())
    found = []
    for entry in held.get("Networks") or ():
        if entry["Name"] in PREDEFINED or entry.get("Ingress") or entry.get("Scope") == "swarm":
            continue
        count = users.networks[entry["Id"]] + users.networks[entry["Name"]]
        kept = f"used by {count}" if count else ""
        found.append(Item(path=f"/networks/{entry['Id']}", name=entry["Name"], kept=kept))
    return found


PLANS = {
    "container.prune": Plan(items=containers, what="stopped containers", words=("container", "rm")),
    "image.prune": Plan(items=images, what="unused images", words=("image", "rm")),
    "volume.prune": Plan(items=volumes, what="unused anonymous volumes", words=("volume", "rm")),
    "network.prune": Plan(items=networks, what="unused networks", words=("network", "rm"), networks=True),
}


class Prune(Mutation):
    """One of the prune verbs, on the source itself."""

    kinds = ("source",)

    def __init__(self, source: Any, verb: str, plan: Plan) -> None:
        super().__init__(source, verb)
        self.plan = plan

    def permitted(self, record: Record) -> str | None:
        """Always on the source itself; the preview shows what there is."""
        return super().permitted(record)

    async def _items(self, everything: bool) -> list[Item]:
        def ask(client: Any) -> Json:
            if self.plan.networks:
                return {"Networks": client.networks(), "Containers": client.containers(all=True)}
            return dict(client.df())

        held = await self.source.engine().call(ask, what=f"looking for {self.plan.what}", deadline=120)
        return sorted(self.plan.items(held, everything), key=lambda item: (not item.kept, item.name))

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What is kept first, then each name with its size. Raises Conflict when there is nothing to remove."""
        self.check(ref)
        everything = truth(args, "all")
        items = await self._items(everything)
        kept, going = [i for i in items if i.kept], [i for i in items if not i.kept]
        if not going:
            why = f"{len(kept)} are kept" if kept else "there are none"
            raise Conflict(f"no {self.plan.what} to remove", source=self.source.name, why=why)
        known = [item.size for item in going if item.size is not None and item.size >= 0]
        total = f", {size(sum(known))}" if known and not self.plan.networks else ""
        impact = [f"kept: {item.name} ({item.kept})" for item in kept[:SHOWN]]
        if self.verb == "container.prune":
            impact.insert(0, "kept: every volume of these containers")
        if len(kept) > SHOWN:
            impact.append(f"kept: {len(kept) - SHOWN} more")
        impact += [f"remove: {i.name}" + ("" if self.plan.networks else f" ({size(i.size)})") for i in going]
        return Preview(
            verb=self.verb, ref=ref, args={"all": "true"} if everything else {},
            title=f"remove {len(going)} {self.plan.what}{total}", deadline_s=310,
            steps=tuple(Step(call=f"DELETE {item.path}", detail=item.name) for item in going),
            impact=tuple(impact), before=f"{len(items)} looked at", after=f"{len(going)} fewer",
            token=tuple(item.path for item in going), why_no_inverse="what is removed is gone",
            command=self.command(*self.plan.words, "--", *(item.name for item in going)),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Delete what was previewed, one by one, never by force. Raises Conflict when one of them is in use by now."""
        now = {item.path for item in await self._items(preview.args.get("all") == "true") if not item.kept}
        if gone := [path for path in preview.token if path not in now]:
            raise Conflict(
                f"{self.verb} was not sent", source=self.source.name,
                why=f"{len(gone)} of them are used or gone by now: {', '.join(gone)[:300]}", mend="look again",
            )  # fmt: skip
        engine = self.source.engine()
        failed: list[QuarterdeckError] = []

        def send(client: Any) -> int:
            removed = 0
            for path in preview.token:
                url, _, query = path.partition("?")
                try:
                    client._raise_for_status(client._delete(client._url("{0}", url), params=query))
                    removed += 1
                except Exception as error:
                    failed.append(translate(error, source=engine.source, what=path, address=engine.address))
            return removed

        removed = await engine.call(send, what=preview.title, deadline=300)
        if failed and not removed:
            raise failed[0]
        return f"{removed} removed" + (f", {len(failed)} not: {failed[0].why}" if failed else "")

    async def verify(self, preview: Preview) -> Outcome:
        """None of them is there any more."""
        here = {item.path for item in await self._items(preview.args.get("all") == "true")}
        left = [path for path in preview.token if path in here]
        return Outcome(
            verified=not left, message=f"{len(left)} left" if left else "all are gone", observed=", ".join(left)
        )
