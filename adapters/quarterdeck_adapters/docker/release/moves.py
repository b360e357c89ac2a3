"""The steps of a container's release and the way back. Each looks first and sends only what is missing, so that it
can be run again after a stop at any point.

The order of the writes keeps one promise: a restart of the engine in between never starts both. The old container
loses its restart policy before it stops, and the new one has none until the old one's is gone.
"""

from __future__ import annotations

from typing import Any

from quarterdeck_adapters.docker.mapping import epoch
from quarterdeck_adapters.docker.release import images
from quarterdeck_adapters.docker.release.calls import Calls, Json
from quarterdeck_adapters.docker.release.facts import policy, read
from quarterdeck_adapters.docker.release.naming import kept_name
from quarterdeck_adapters.docker.release.recreate import NO_RESTART, networks, recipe
from quarterdeck_lifecycle.errors import Conflict, NotFound
from quarterdeck_lifecycle.release.model import MARK, Change
from quarterdeck_lifecycle.release.ports import Say

ALIVE = frozenset({"running", "restarting", "paused"})
POLICY = f"{MARK}restart"
"""The label of a new container that keeps its restart policy, so that going back to it can restore it."""
LAST_LINES = 50


def status(found: Json) -> str:
    """The engine's word for its state."""
    return str((found.get("State") or {}).get("Status") or "")


def name_of(found: Json) -> str:
    """Its name, without the slash."""
    return str(found.get("Name") or "").removeprefix("/")


class Moves:
    """What is done to the containers of one target. Every method raises QuarterdeckError."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    async def new(self, change: Change) -> dict[str, Any] | None:
        """The new container, under whichever of its two names. Raises Conflict when another has the first."""
        facts = read(change)
        for name in (facts.new_name, facts.name):
            found = await self.calls.named(name)
            if found is None or found["Id"] == facts.old_id:
                continue
            labels = (found.get("Config") or {}).get("Labels") or {}
            if labels.get(f"{MARK}op") == change.op:
                return found
            if name == facts.new_name:
                raise self.foreign(name, f"release {change.op} did not make it")
        return None

    async def old(self, change: Change) -> dict[str, Any]:
        """The old container. Raises Conflict when it is gone."""
        facts = read(change)
        found = await self.calls.container(facts.old_id)
        if found is None:
            raise Conflict(
                f"the old {facts.name} is gone", source=self.calls.name,
                why=f"container {facts.old_id[:12]} was removed by somebody else; what is there was left alone",
                mend=f"see docker ps --all --filter name={facts.name}",
            )  # fmt: skip
        return found

    def foreign(self, name: str, why: str) -> Conflict:
        return Conflict(
            f"the name {name} is taken", source=self.calls.name, why=why, mend=f"rename or remove {name}, then go on"
        )

    async def create(self, change: Change) -> str:
        """Create the new container with the old one's configuration, and connect its networks; not started."""
        facts, made = read(change), False
        found = await self.new(change)
        source = await self.calls.container(facts.recipe_from)
        if source is None:
            raise NotFound(
                f"the container to copy is gone: {facts.recipe_from[:12]}", source=self.calls.name,
                mend="plan again",
            )  # fmt: skip
        image = None if facts.own_image else await self.calls.image(str(source["Image"]))
        wanted = await images.local(self.calls, change.to)
        if wanted is None:
            raise NotFound(f"image {change.to.short} is not here", source=self.calls.name, mend="pull it first")
        labels = change.marks().labels() | {POLICY: _policy_text(facts.policy)}
        config = None if image is None else image.get("Config") or {}
        body, others = recipe(source, config, images.create_reference(change.to, wanted), labels)
        if found is None:
            try:
                id = await self.calls.create(facts.new_name, body)
            except Conflict as error:
                raise await images.disk_full(self.calls, error.why, error.what) or error from error
            found, made = await self.calls.container(id), True
        if found is None:
            raise Conflict(f"the new {facts.name} is gone", source=self.calls.name, why="somebody removed it at once")
        if found.get("Image") != wanted.get("Id"):
            raise Conflict(
                f"the new {facts.name} has another image", source=self.calls.name,
                why=f"{str(found.get('Image'))[7:19]} and not {str(wanted.get('Id'))[7:19]}",
            )  # fmt: skip
        there = networks(found)
        for network, endpoint in others.items():
            if network not in there:
                await self.calls.connect(network, str(found["Id"]), endpoint)
                made = True
        return f"{'created' if made else 'is there already'}: {name_of(found)} ({str(found['Id'])[:12]})"

    async def stop_old(self, change: Change) -> str:
        """Take its restart policy away, then stop it. It stays."""
        facts, old = read(change), await self.old(change)
        done = []
        if policy(old)["Name"] != "no":
            await self.calls.policy(facts.old_id, NO_RESTART)
            done.append("set to restart: no")
        if status(old) in ALIVE:
            await self.calls.stop(facts.old_id, facts.stop_s)
            now = await self.old(change)
            if status(now) in ALIVE:
                raise Conflict(f"the old {facts.name} did not stop", source=self.calls.name, why=f"it is {status(now)}")
            done.append(f"stopped, exit code {(now.get('State') or {}).get('ExitCode')}")
        return ", ".join(done) or "it was stopped already"

    async def swap_names(self, change: Change) -> bool:
        """The old one makes room, the new one takes the name. Whether anything was sent."""
        facts, old = read(change), await self.old(change)
        new, sent = await self._made(change), False
        if name_of(old) == facts.name:
            await self.calls.rename(facts.old_id, facts.old_name)
            sent = True
        if name_of(new) != facts.name:
            await self.calls.rename(str(new["Id"]), facts.name)
            sent = True
        return sent

    async def start_new(self, change: Change) -> str:
        """Give the new one its restart policy and start it."""
        facts, new = read(change), await self._made(change)
        id, sent = str(new["Id"]), False
        if policy(new) != facts.policy:
            await self.calls.policy(id, facts.policy)
            sent = True
        if status(new) not in ALIVE:
            await self.calls.start(id)
            sent = True
        return f"started {name_of(new)} ({id[:12]})" if sent else f"{name_of(new)} runs already"

    async def gap(self, change: Change) -> float | None:
        """Seconds between the old one's end and the new one's start, as the engine wrote them down."""
        old, new = await self.old(change), await self._made(change)
        ended = epoch((old.get("State") or {}).get("FinishedAt"))
        began = epoch((new.get("State") or {}).get("StartedAt"))
        return began - ended if ended and began and status(old) not in ALIVE else None

    async def _made(self, change: Change) -> dict[str, Any]:
        found = await self.new(change)
        if found is None:
            raise Conflict(f"the new {read(change).name} is gone", source=self.calls.name, why="somebody removed it")
        return found

    async def name_proven(self, change: Change) -> None:
        """Have the old one's name say that this release is proven; gone or named so already is fine."""
        facts = read(change)
        old = await self.calls.container(facts.old_id)
        if old is not None and name_of(old) == facts.old_name:
            await self.calls.rename(facts.old_id, kept_name(facts.name, change.op))

    async def remove_new(self, change: Change, say: Say) -> str:
        """Say how the new one ended, then remove it; its volumes stay."""
        new = await self.new(change)
        if new is None:
            return ""
        id, ran = str(new["Id"]), epoch((new.get("State") or {}).get("StartedAt")) is not None
        if ran:
            for line in await self.calls.log(id, LAST_LINES):
                await say(line)
            await say(ending(new))
        await self.calls.remove(id, force=True)
        return f"removed the new one ({id[:12]}{', ' + ending(new) if ran else ', never started'})"


def ending(found: Json) -> str:
    """How a container ended, in a line."""
    state = found.get("State") or {}
    said = [status(found), f"exit code {state.get('ExitCode')}"]
    said += ["killed for want of memory"] if state.get("OOMKilled") else []
    said += [str(state["Error"])] if state.get("Error") else []
    return ", ".join(said)


def _policy_text(said: dict[str, Any]) -> str:
    return f"{said['Name']}:{said['MaximumRetryCount']}" if said["MaximumRetryCount"] else str(said["Name"])


def policy_of_label(found: Json) -> dict[str, Any] | None:
    """The restart policy that a release gave this container, None when no release did."""
    text = str(((found.get("Config") or {}).get("Labels") or {}).get(POLICY) or "")
    name, _, count = text.partition(":")
    if not name:
        return None
    return {"Name": name, "MaximumRetryCount": int(count) if count.isascii() and count.isdigit() else 0}


def started_at(found: Json) -> float | None:
    """When it was started last, epoch seconds."""
    return epoch((found.get("State") or {}).get("StartedAt"))
