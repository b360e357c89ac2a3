"""The lease on a Swarm service: a config object beside it.

Not labels of the service itself: every update of a service, of its labels alone too, replaces PreviousSpec and clears
UpdateStatus (swarmkit, manager/controlapi/service.go), so that a beat there would cost the way back.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.release.swarm_configs import Configs, Stored, config_name
from quarterdeck_lifecycle.errors import Conflict, NotFound
from quarterdeck_lifecycle.release.model import MARK
from quarterdeck_lifecycle.release.ports import Holder, LeaseLost, LeaseTaken

EVICTED = f"{MARK}evicted"
TRIES = 5


def labels_of(holder: Holder) -> dict[str, str]:
    """A holder as labels of its lease; the change is the object's data."""
    return {
        f"{MARK}op": holder.op, f"{MARK}service": holder.service, f"{MARK}env": holder.environment,
        f"{MARK}owner": holder.owner, f"{MARK}host": holder.host, f"{MARK}since": holder.since,
        f"{MARK}beat": str(holder.beat), f"{MARK}lease": f"{holder.lease_s:g}",
    }  # fmt: skip


def holder_of(found: Stored) -> Holder:
    """The holder that a lease names. What cannot be read counts as empty, and as beat 0."""
    told = {name.removeprefix(MARK): value for name, value in found.labels.items()}
    beat = told.get("beat", "")
    try:
        lease_s = float(told.get("lease", ""))
    except ValueError:
        lease_s = 15.0
    return Holder(
        op=told.get("op", ""), service=told.get("service", ""), environment=told.get("env", ""),
        owner=told.get("owner", ""), host=told.get("host", ""), since=told.get("since", ""),
        beat=int(beat) if beat.isascii() and beat.isdigit() else 0, lease_s=lease_s, id=found.id,
        change=found.data.decode("utf-8", "replace"),
    )  # fmt: skip


class SwarmLease:
    """`ports.Lease` by the config object `qd-lease-NAME`: its name clashes atomically (409), beats and evictions are
    compare-and-set on its labels, removal is by id."""

    advisory = False
    window = "between a write's last look at the lease and the write itself, where the service's own version decides"

    def __init__(self, engine: Callable[[], Engine], source: str, service: str) -> None:
        self._engine, self._source = engine, source
        self.name = config_name("qd-lease", service)

    def _configs(self) -> Configs:
        return Configs(self._engine())

    async def read(self) -> Holder | None:
        """Who holds it now. Raises QuarterdeckError."""
        found = await self._configs().named(self.name)
        return holder_of(found) if found is not None else None

    async def acquire(self, holder: Holder) -> Holder:
        """Take it: the one create that succeeds holds it. Raises LeaseTaken, QuarterdeckError."""
        refusal: Conflict | None = None
        for _ in range(TRIES):
            try:
                id = await self._configs().create(self.name, holder.change.encode(), labels_of(holder))
            except Conflict as error:
                refusal = error
            else:
                return replace(holder, id=id)
            found = await self._configs().named(self.name)
            if found is None:
                continue
            if found.labels.get(f"{MARK}op") == holder.op and EVICTED not in found.labels:
                return holder_of(found)
            if EVICTED in found.labels:
                # Whoever marked it died before removing it: nobody holds it any more.
                await self._configs().delete(found.id)
                continue
            raise LeaseTaken(holder_of(found), source=self._source)
        raise refusal or Conflict("the lease could not be taken", source=self._source)

    async def _ours(self, held: Holder) -> Stored:
        found = await self._configs().get(held.id)
        if found is None:
            raise LeaseLost("the lease is not ours any more", source=self._source, why=f"{self.name} is gone")
        if found.labels.get(f"{MARK}op") != held.op or EVICTED in found.labels:
            why = f"taken over: {found.labels.get(EVICTED) or found.labels.get(f'{MARK}op')}"
            raise LeaseLost("the lease is not ours any more", source=self._source, why=why)
        return found

    async def beat(self, held: Holder) -> Holder:
        """Count up. Raises LeaseLost when it was evicted, taken or removed; QuarterdeckError when it cannot be told."""
        for last in (False, True):
            found = await self._ours(held)
            beaten = replace(held, beat=max(held.beat, holder_of(found).beat) + 1)
            try:
                await self._configs().relabel(found, {**found.labels, f"{MARK}beat": str(beaten.beat)})
            except (Conflict, NotFound):
                if last:
                    raise
                continue
            break
        return beaten

    async def check(self, held: Holder) -> None:
        """Read it. Raises LeaseLost, QuarterdeckError."""
        await self._ours(held)

    async def release(self, held: Holder) -> None:
        """Remove it by its id; another's has another id."""
        await self._configs().delete(held.id)

    async def evict(self, seen: Holder) -> None:
        """Mark it under the version that was read, then remove it: a beat since wins, and raises LeaseTaken here."""
        found = await self._configs().get(seen.id)
        if found is None:
            now = await self.read()
            if now is not None:
                raise LeaseTaken(now, source=self._source)
            return
        if EVICTED not in found.labels:
            if holder_of(found).beat != seen.beat:
                raise LeaseTaken(holder_of(found), source=self._source)
            try:
                await self._configs().relabel(found, {**found.labels, EVICTED: "no sign of life"})
            except (Conflict, NotFound) as error:
                now = await self.read()
                if now is None:
                    return
                raise LeaseTaken(now, source=self._source) from error
        await self._configs().delete(found.id)
