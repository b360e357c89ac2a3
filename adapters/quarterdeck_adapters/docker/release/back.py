"""The way back from a release of a container, from whatever state a stop left: by looking, not by remembering."""

from __future__ import annotations

from typing import Any

from quarterdeck_adapters.docker.release.calls import Json
from quarterdeck_adapters.docker.release.facts import Goal, policy, read
from quarterdeck_adapters.docker.release.moves import ALIVE, Moves, name_of, status
from quarterdeck_adapters.docker.release.recreate import NO_RESTART
from quarterdeck_adapters.docker.release.routing import Routing
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.release.model import Change
from quarterdeck_lifecycle.release.ports import Say

HEALTHY_S = 30.0
"""How long a proxy may take to find the old one well, when traffic goes back to it."""


class Back:
    """Puts one change back. Done a second time it only reads."""

    def __init__(self, moves: Moves, change: Change, say: Say) -> None:
        self.moves, self.change, self.say = moves, change, say
        self.calls, self.facts = moves.calls, read(change)

    async def to(self, goal: Goal) -> str:
        """`goal` has the name and runs, the new one is gone, and the old one, where it is not the goal, is retained.

        Raises Conflict, and leaves what is there alone, when the goal is gone or a stranger has the name.
        """
        await self._container(goal.id)
        new = await self.moves.new(self.change)
        await self._stranger(goal, new)
        old = await self.calls.container(self.facts.old_id) if goal.id != self.facts.old_id else None
        beside = self.change.mode in ("start-first", "overlap")
        if not beside:
            await self._halt(new)
            await self._halt(old)
        if new is not None:
            await self._rename(new, self.facts.new_name)
        if old is not None and name_of(old) == self.facts.name:
            await self._rename(old, self.facts.old_name)
        said = [await self._restore(goal)]
        if self.facts.proxy and goal.runs:
            leaving = [each for each in (new, old) if each is not None]
            back = Routing(self.calls, self.facts).back(await self._container(goal.id), leaving, HEALTHY_S, self.say)
            said.append(await back)
        if beside:
            await self._halt(new)
            await self._halt(old)
        said.append(await self.moves.remove_new(self.change, self.say))
        return "; ".join(each for each in said if each)

    async def _container(self, id: str) -> dict[str, Any]:
        found = await self.calls.container(id)
        if found is None:
            raise Conflict(
                f"the container that {self.facts.name} goes back to is gone", source=self.calls.name,
                why=f"{id[:12]} was removed by somebody else; what is there was left alone",
                mend=f"see docker ps --all --filter name={self.facts.name}",
            )  # fmt: skip
        return found

    async def _stranger(self, goal: Goal, new: Json | None) -> None:
        holder = await self.calls.named(self.facts.name)
        if holder is None or holder["Id"] in (goal.id, self.facts.old_id, new and new["Id"]):
            return
        why = f"container {str(holder['Id'])[:12]} is neither the old one nor of release {self.change.op}"
        raise self.moves.foreign(self.facts.name, why)

    async def _halt(self, found: Json | None) -> None:
        """It does not run, and no restart of the engine starts it."""
        if found is None:
            return
        id = str(found["Id"])
        if policy(found)["Name"] != "no":
            await self.calls.policy(id, NO_RESTART)
        if status(found) in ALIVE:
            await self.calls.stop(id, self.facts.stop_s)

    async def _rename(self, found: Json, name: str) -> None:
        if name_of(found) != name:
            await self.calls.rename(str(found["Id"]), name)

    async def _restore(self, goal: Goal) -> str:
        found, done = await self._container(goal.id), []
        if name_of(found) != self.facts.name:
            await self.calls.rename(goal.id, self.facts.name)
            done.append("has its name again")
        if goal.runs and status(found) not in ALIVE:
            await self.calls.start(goal.id)
            done.append("was started")
        if policy(found) != goal.policy:
            await self.calls.policy(goal.id, goal.policy)
            done.append(f"has the restart policy {goal.policy['Name']}")
        return f"{self.facts.name} ({goal.id[:12]}) " + (", ".join(done) or "is as it was")
