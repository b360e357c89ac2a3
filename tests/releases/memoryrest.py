"""What is no container: an orchestrated service that rolls by itself, and an alias in a model registry."""

from __future__ import annotations

from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.release.model import Change, Draft, Identity, Marks, Mode, Step, Workload
from quarterdeck_lifecycle.release.ports import Say, Wanted
from releases.memorytargets import MemoryTarget
from releases.memoryworld import Registry, Swarm


class SwarmTarget(MemoryTarget):
    """The orchestrator rolls; an update names the version that it changes, so a late one is refused."""

    kind = "swarm"
    mode: Mode = "rolling"

    @property
    def _service(self) -> Swarm:
        return self.world.settled(self.place.source)

    def _versions(self) -> list[str]:
        return [self._service.spec, *self._service.kept]

    async def look(self) -> Workload:
        """The service as it is wanted, and whether all tasks run it."""
        await self._read("inspect service")
        it = self._service
        rolled = set(it.tasks) == {it.spec}
        return Workload(
            target=str(self.place), identity=self._identity(it.spec), running=rolled,
            state="completed" if rolled else "updating", id=it.name, marks=Marks.read(it.labels),
        )  # fmt: skip

    async def plan(self, wanted: Wanted) -> Draft:
        """From what is wanted of the service now."""
        now = await self.look()
        facts = {"spec": now.identity.digest if now.identity else "", "version": str(self._service.version)}
        steps = [("check", "prepare"), ("update", "switch")]
        return self._draft(wanted, facts, [*((n, p, "direct") for n, p in steps), ("gate", "gate", "traffic")])  # type: ignore[list-item]

    async def recheck(self, change: Change) -> None:
        """Nobody updated it since."""
        await self._read("recheck")
        it = self._service
        if str(it.version) != change.facts["version"] and it.labels.get("quarterdeck.op") != change.op:
            raise Conflict("the service was updated meanwhile", source=self.place.source)

    async def do(self, change: Change, step: Step, say: Say) -> str:
        """The update, and waiting until it has rolled."""
        await self._read(f"look before {step.name}")
        if step.name == "check":
            return "the image is there"
        it = self._service
        if it.labels.get("quarterdeck.op") != change.op:
            await self._update(change, change.to.digest, change.marks().labels())
        await self._roll(say)
        return f"{change.to.short} rolled"

    async def _update(self, change: Change, digest: str, labels: dict[str, str]) -> None:
        version = self._service.version

        def apply() -> None:
            it = self._service
            if it.version != version:
                raise Conflict("update out of sequence", source=self.place.source)
            it.spec, it.labels = digest, labels
            it.version, it.updated_at = it.version + 1, self.world.now

        await self._write(change, f"update service to {digest}", apply)

    async def _roll(self, say: Say) -> None:
        while set(self._service.tasks) != {self._service.spec}:
            await self.process.clock.sleep(1.0)
            await self._read("poll service")

    async def clear_up(self, change: Change, say: Say) -> str:
        """Nothing is made before the update."""
        await self._read("look before clearing up")
        return "nothing to clear up"

    async def put_back(self, change: Change, say: Say) -> str:
        """The image of before, unless it is wanted already; and waiting until it has rolled."""
        await self._read("look before putting back")
        if self._service.spec != change.facts["spec"]:
            await self._update(change, change.facts["spec"], {})
        await self._roll(say)
        return f"{change.facts['spec']} rolled"


class AliasTarget(MemoryTarget):
    """A name in a registry is moved; a tag beside it says by whom. On "" it is on no version."""

    kind = "alias"
    mode: Mode = "alias"

    @property
    def _registry(self) -> Registry:
        return self.world.registries[self.place.source]

    def _identity(self, digest: str) -> Identity:
        return Identity(kind="model", name="fraud", digest=digest)

    def _versions(self) -> list[str]:
        now = self._registry.aliases[self.place.name]
        return [now, *sorted(self._registry.versions - {now})]

    async def look(self) -> Workload:
        """Which version has the alias."""
        await self._read("get alias")
        version = self._registry.aliases[self.place.name]
        return Workload(
            target=str(self.place),
            identity=self._identity(version) if version else None,
            running=self.world.well(version, 0.0),
            id=self.place.name,
        )

    async def plan(self, wanted: Wanted) -> Draft:
        """From where the alias is."""
        now = await self.look()
        facts = {"from": now.identity.digest if now.identity else ""}
        steps = [("move", "switch", "direct"), ("gate", "gate", "traffic")]
        return self._draft(wanted, facts, steps)  # type: ignore[arg-type]

    async def recheck(self, change: Change) -> None:
        """The alias is where the operator saw it."""
        await self._read("recheck")
        if self._registry.aliases[self.place.name] not in (change.facts["from"], change.to.digest):
            raise Conflict("the alias was moved meanwhile", source=self.place.source)

    async def do(self, change: Change, step: Step, say: Say) -> str:
        """Set, read back, tag."""
        await self._move(change, change.facts["from"], change.to.digest)
        return f"{self.place.name} is v{change.to.digest}"

    async def _move(self, change: Change, came: str, goes: str) -> None:
        await self._read("get alias")
        now = self._registry.aliases[self.place.name]
        if now != goes:
            if now != came:
                raise Conflict(f"the alias was moved to v{now} meanwhile", source=self.place.source)
            await self._write(change, f"alias to {goes}",
                              lambda: self._registry.aliases.update({self.place.name: goes}))  # fmt: skip
            await self._read("read alias back")
        tag = f"{change.op}:{came}->{goes}"
        if self._registry.tags.get(self.place.name) != tag and (now != goes or goes == change.to.digest):
            await self._write(change, "tag alias", lambda: self._registry.tags.update({self.place.name: tag}))

    async def clear_up(self, change: Change, say: Say) -> str:
        """Nothing is made before the move."""
        return "nothing to clear up"

    async def put_back(self, change: Change, say: Say) -> str:
        """The alias to where it was, if it is still where this release put it."""
        await self._move(change, change.to.digest, change.facts["from"])
        return f"{self.place.name} is v{change.facts['from']}"
