"""The lease on a container: a container that is created and never started. Its name is unique, so that
creating it is the atomic test; its restart policy's count is the beat, since labels cannot change.

An engine never starts it: `on-failure` acts on a failed run, and it has none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from quarterdeck_adapters.docker.release.calls import Calls
from quarterdeck_adapters.docker.release.facts import read as read_facts
from quarterdeck_adapters.docker.release.naming import lease_name
from quarterdeck_lifecycle.errors import Conflict, NotFound
from quarterdeck_lifecycle.release.model import Change
from quarterdeck_lifecycle.release.ports import Holder, LeaseLost, LeaseTaken

Json = Mapping[str, Any]
LABEL = "quarterdeck.lease."
_FIELDS = ("op", "service", "environment", "owner", "host", "since", "lease_s", "change")
NEVER_STARTED = "/quarterdeck-lease-is-never-started"
SETTLE_S = 10.0
"""How long a name may be in use by a container that the engine does not show, yet or any more."""
PAUSE_S = 0.05


class ContainerLease:
    """The lease of (service, environment) on the container `target`, made from the image that it runs.

    Where nobody said which service it is, `read` finds whatever lease was taken on this very target.
    """

    advisory = False
    window = (
        "a request that was sent before the lease was lost may still arrive at the engine; names that hold the "
        "operation's id keep it from another operation's containers"
    )

    def __init__(self, calls: Calls, target: str, service: str = "", environment: str = "") -> None:
        self._calls = calls
        self._target = target
        self.service, self.environment = service, environment

    async def read(self) -> Holder | None:
        """Who holds it now. Raises Conflict when a container of that name is no lease."""
        if self.service:
            found = await self._calls.named(lease_name(self.service, self.environment, self._target))
        else:
            found = await self._of_target()
        return None if found is None else self._holder(found)

    async def _of_target(self) -> dict[str, Any] | None:
        for each in await self._calls.containers():
            if (each.get("Labels") or {}).get(f"{LABEL}target") == self._target:
                return await self._calls.container(str(each["Id"]))
        return None

    async def acquire(self, holder: Holder) -> Holder:
        """Create the container; a used name is answered by who holds it. Raises LeaseTaken."""
        self.service, self.environment = holder.service, holder.environment
        until = time.monotonic() + SETTLE_S
        name = lease_name(holder.service, holder.environment, self._target)
        while True:
            failure = None
            now = await self.read()
            if now is None:
                try:
                    await self._calls.create(name, await self._body(holder))
                except Conflict as error:
                    failure = error
                now = await self.read()
            if now is not None and now.op != holder.op:
                raise LeaseTaken(now, source=self._calls.name)
            if now is not None:
                return now
            if failure is None or "in use" not in failure.why or time.monotonic() >= until:
                what = f"the lease on {self._target}"
                raise failure or LeaseLost(what, source=self._calls.name, why="it was removed at once")
            # An engine reserves the name before it knows the container, and frees it after it forgot it.
            await asyncio.sleep(PAUSE_S)

    async def _body(self, holder: Holder) -> dict[str, Any]:
        target = await self._somebody(holder)
        image = await self._calls.image(str(target["Image"]))
        # A volume that the image declares would be made and filled for a container that never runs.
        volumes = ((image or {}).get("Config") or {}).get("Volumes") or {}
        return {
            "Image": str(target["Image"]),
            "Entrypoint": [NEVER_STARTED],
            "Labels": {f"{LABEL}target": self._target}
            | {LABEL + field: str(getattr(holder, field)) for field in _FIELDS},
            "HostConfig": {
                "NetworkMode": "none",
                "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": holder.beat},
                "Tmpfs": dict.fromkeys(volumes, ""),
            },
        }

    async def _somebody(self, holder: Holder) -> Json:
        """A container whose image will do: the target, or, where a release stopped between two names, the old one."""
        found = await self._calls.named(self._target)
        if found is None and holder.change:
            with suppress(msgspec.ValidationError, msgspec.DecodeError):
                found = await self._calls.container(read_facts(msgspec.json.decode(holder.change, type=Change)).old_id)
        if found is None:
            raise NotFound(f"no container {self._target}", source=self._calls.name)
        return found

    async def beat(self, held: Holder) -> Holder:
        """Count one up. Raises LeaseLost."""
        now = await self._mine(held)
        beat = max(now.beat, held.beat) + 1
        try:
            await self._calls.policy(held.id, {"Name": "on-failure", "MaximumRetryCount": beat})
        except NotFound as error:
            raise self._lost(held, None) from error
        return msgspec.structs.replace(held, beat=beat)

    async def check(self, held: Holder) -> None:
        """Raises LeaseLost unless the very lease is there."""
        await self._mine(held)

    async def release(self, held: Holder) -> None:
        """Remove it by its id: another's has another id."""
        if held.id:
            await self._calls.remove(held.id, volumes=True)

    async def evict(self, seen: Holder) -> None:
        """Remove it by its id when it has not beaten since. Raises LeaseTaken when it has, or when it is another's."""
        found = await self._calls.container(seen.id)
        now = self._holder(found) if found is not None else await self.read()
        if now is None:
            return
        if (now.id, now.op, now.beat) != (seen.id, seen.op, seen.beat):
            raise LeaseTaken(now, source=self._calls.name)
        await self._calls.remove(seen.id, volumes=True)

    async def _mine(self, held: Holder) -> Holder:
        found = await self._calls.container(held.id)
        now = self._holder(found) if found is not None else None
        if now is None or now.op != held.op:
            raise self._lost(held, now or await self.read())
        return now

    def _lost(self, held: Holder, now: Holder | None) -> LeaseLost:
        why = f"operation {now.op} by {now.owner} on {now.host} holds it now" if now else "its container is gone"
        return LeaseLost(
            f"the lease on {held.service} in {held.environment}", source=self._calls.name, why=why,
            mend=f"quarterdeck attach {now.op}" if now else "nothing more is written; recover the operation",
        )  # fmt: skip

    def _holder(self, found: Json) -> Holder:
        labels = (found.get("Config") or {}).get("Labels") or {}
        name = str(found.get("Name") or "").removeprefix("/")
        if f"{LABEL}op" not in labels:
            raise Conflict(
                f"the container {name} is no lease", source=self._calls.name,
                why="somebody else gave it the name of a release's lease", mend=f"rename or remove {name}",
            )  # fmt: skip
        said = {field: str(labels.get(LABEL + field, "")) for field in _FIELDS if field != "lease_s"}
        policy = (found.get("HostConfig") or {}).get("RestartPolicy") or {}
        return Holder(
            **said, id=str(found["Id"]), beat=int(policy.get("MaximumRetryCount") or 0),
            lease_s=_seconds(labels.get(f"{LABEL}lease_s", "")),
        )  # fmt: skip


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 15.0
