"""The lease on an alias: a tag of its registered model, set and read back. It warns; it cannot exclude.

https://mlflow.org/docs/latest/api_reference/rest-api.html#set-registered-model-tag writes without comparing.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Awaitable, Callable

import msgspec

from quarterdeck_adapters.mlflow.registry import Registry
from quarterdeck_adapters.mlflow.values import pairs
from quarterdeck_lifecycle.errors import Conflict, NotFound, QuarterdeckError
from quarterdeck_lifecycle.release.ports import Holder, LeaseLost, LeaseTaken

LEASE_TAG = "quarterdeck.lease"
SETTLE_S = 0.25


class AliasLease:
    """`ports.Lease` as a tag `quarterdeck.lease.ALIAS` that holds the Holder as JSON."""

    advisory = True
    window = (
        f"an alias's lease is advisory: MLflow writes tags without comparing. Of two that take it within {SETTLE_S:g} s"
        " the last one has it; a slower write is seen only when the lease is next read, which is before every write"
    )

    def __init__(
        self,
        registry: Registry,
        model: str,
        alias: str,
        *,
        settle_s: float = SETTLE_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.key = f"{LEASE_TAG}.{alias}"
        self._registry = registry
        self._api = registry.api
        self._model = model
        self._settle_s = settle_s
        self._sleep = sleep

    async def read(self) -> Holder | None:
        """Who holds it. Raises QuarterdeckError."""
        found = pairs(await self._registry.read_model(self._model), "tags").get(self.key, "")
        return _holder(found) if found else None

    async def acquire(self, holder: Holder) -> Holder:
        """Take it: found free, written, and read back after a moment in which others may write. Raises LeaseTaken."""
        seen = await self.read()
        if seen is not None:
            if seen.op == holder.op:
                return seen
            raise LeaseTaken(seen, source=self._api.source)
        made = msgspec.structs.replace(holder, id=uuid.uuid4().hex)
        try:
            await self._write(made)
        except QuarterdeckError:
            # A server whose database lets one of two inserts in refuses the other, with an error of that database.
            if await self.read() is None:
                raise
        await self._sleep(self._settle_s)
        now = await self.read()
        if now is None:
            raise Conflict(
                "the lease was not taken", source=self._api.source,
                why=f"somebody removed the tag {self.key} at the same moment", mend="look again, then decide anew",
            )  # fmt: skip
        if now.id != made.id:
            raise LeaseTaken(now, source=self._api.source)
        return made

    async def beat(self, held: Holder) -> Holder:
        """Count the beat up. Raises LeaseLost when it is another's or gone."""
        await self.check(held)
        beaten = msgspec.structs.replace(held, beat=held.beat + 1)
        await self._write(beaten)
        return beaten

    async def check(self, held: Holder) -> None:
        """Raises LeaseLost when it is another's or gone."""
        now = await self.read()
        if now is None or (now.id, now.op) != (held.id, held.op):
            who = f"operation {now.op} by {now.owner} on {now.host} holds it" if now is not None else "nobody holds it"
            raise LeaseLost(f"the lease on {self._model} is not ours any more", source=self._api.source, why=who)

    async def release(self, held: Holder) -> None:
        """Remove the tag if it is ours still."""
        try:
            await self.check(held)
        except (LeaseLost, NotFound):
            return
        await self._remove()

    async def evict(self, seen: Holder) -> None:
        """Remove the tag if it still says what was read. Raises LeaseTaken when it does not."""
        now = await self.read()
        if now is None:
            return
        if (now.id, now.op, now.beat) != (seen.id, seen.op, seen.beat):
            raise LeaseTaken(now, source=self._api.source)
        await self._remove()

    async def _write(self, holder: Holder) -> None:
        value = msgspec.json.encode(holder).decode()
        await self._api.post("registered-models/set-tag", {"name": self._model, "key": self.key, "value": value})

    async def _remove(self) -> None:
        await self._api.delete("registered-models/delete-tag", {"name": self._model, "key": self.key})


def _holder(value: str) -> Holder:
    """What a tag says. One that nobody can read is somebody's too: it is held, and can only be evicted."""
    try:
        return msgspec.json.decode(value, type=Holder)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        known = hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return Holder(
            op="unknown", service="unknown", environment="unknown", owner="unknown", host="unknown", since="unknown",
            id=f"unreadable-{known}",
        )  # fmt: skip
