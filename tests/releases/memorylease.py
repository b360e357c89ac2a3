"""The lease of a memory target: one object in the world, whose name can be taken once."""

from __future__ import annotations

import msgspec

from quarterdeck_lifecycle.release.ports import Holder, LeaseLost, LeaseTaken
from releases.memoryworld import Process


class MemoryLease:
    """`ports.Lease` by a name that clashes."""

    advisory = False
    window = "between a write's last look at the lease and the write itself"

    def __init__(self, process: Process, source: str, name: str) -> None:
        self.key = f"{source}/{name}"
        self._process, self._source = process, source
        self._leases = process.world.leases

    async def read(self) -> Holder | None:
        """Who holds it."""
        await self._process.read(self._source, "read lease")
        return self._leases.get(self.key)

    async def acquire(self, holder: Holder) -> Holder:
        """Take it, or find it taken."""

        def take() -> Holder:
            seen = self._leases.get(self.key)
            if seen is not None and seen.op != holder.op:
                raise LeaseTaken(seen, source=self._source)
            if seen is not None:
                return seen
            made = msgspec.structs.replace(holder, id=self._process.world.new_id())
            self._leases[self.key] = made
            return made

        return await self._process.write(self._source, "acquire lease", take, lease=True)

    def _ours(self, held: Holder) -> Holder:
        seen = self._leases.get(self.key)
        if seen is None or (seen.id, seen.op) != (held.id, held.op):
            raise LeaseLost(
                "the lease is not ours", source=self._source, why=f"held by {seen.op if seen else 'nobody'}"
            )
        return seen

    async def beat(self, held: Holder) -> Holder:
        """One more sign of life."""

        def beat() -> Holder:
            self._ours(held)
            self._leases[self.key] = msgspec.structs.replace(held, beat=held.beat + 1)
            return self._leases[self.key]

        return await self._process.write(self._source, "beat", beat, lease=True)

    async def check(self, held: Holder) -> None:
        """Whether it is still ours."""
        await self._process.read(self._source, "check lease")
        self._ours(held)

    async def release(self, held: Holder) -> None:
        """Give it back."""

        def give() -> None:
            seen = self._leases.get(self.key)
            if seen is not None and seen.op == held.op:
                del self._leases[self.key]

        await self._process.write(self._source, "release lease", give, lease=True)

    async def evict(self, seen: Holder) -> None:
        """Remove it as it was read."""

        def remove() -> None:
            now = self._leases.get(self.key)
            if now is None:
                return
            if (now.id, now.beat) != (seen.id, seen.beat):
                raise LeaseTaken(now, source=self._source)
            del self._leases[self.key]

        await self._process.write(self._source, "evict lease", remove, lease=True)
