"""A Swarm with a registry and three images, for the tests of services as targets of releases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import msgspec

from parts.registry import Registry
from parts.swarm import Swarm
from quarterdeck_adapters.docker.adapter import DockerSource
from quarterdeck_adapters.docker.release import swarm_roll
from quarterdeck_adapters.docker.release.swarm import SwarmTarget
from quarterdeck_adapters.docker.release.swarm_spec import identity_of
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Change, Draft, GateRule, Identity, ProbeRule, Step
from quarterdeck_lifecycle.release.ports import Wanted

from .conftest import make_source

BROKEN = ("sh", "-c", "echo no MODEL_PATH is set >&2; exit 3")


class Case:
    """One service `web` and a target on it. `said` holds what steps told."""

    def __init__(self, swarm: Swarm, registry: Registry) -> None:
        self.swarm, self.registry = swarm, registry
        self.source = make_source(swarm.url)
        self.said: list[str] = []
        self._poll_s = 0.0

    def image(self, tag: str, **options: Any) -> str:
        """`repository@digest` of an image that is pushed once."""
        return self.swarm.pushed(self.registry, tag, **options)

    def broken(self) -> str:
        """An image whose process ends at once."""
        return self.image("broken", command=BROKEN)

    def target(self, name: str = "web", source: DockerSource | None = None) -> SwarmTarget:
        """A target, as another runner would make it."""
        return SwarmTarget(source or self.source, name, {})

    async def say(self, line: str) -> None:
        """Keep what a step tells."""
        self.said.append(line)

    async def draft(self, to: str | Identity, *, op: str = "op-2", name: str = "web", **wanted: Any) -> Draft:
        """A plan for an image."""
        identity = identity_of(to) if isinstance(to, str) else to
        asked = Wanted(
            kind="deploy", op=op, service="shop", environment="prod", to=identity, back=None, revision=2, actor="ana",
            at="2026-11-23T09:00:00Z", probe=ProbeRule(engine=True), gate=GateRule(), keep=5,
        )  # fmt: skip
        return await self.target(name).plan(msgspec.structs.replace(asked, **wanted))

    async def do(
        self, draft: Draft, *names: str, seconds: float = 30.0, target: SwarmTarget | None = None
    ) -> list[str]:
        """Do the steps of these names, or all but the gate."""
        told, chosen = [], target or self.target(draft.change.place.name)
        for step in draft.steps:
            if step.name in names or (not names and step.name != "gate"):
                bounded = msgspec.structs.replace(step, deadline_s=seconds)
                with permit("local"):
                    told.append(await chosen.do(draft.change, bounded, self.say))
        return told

    async def put_back(self, change: Change, target: SwarmTarget | None = None) -> str:
        """Put it back, with the permit that the engine would hold."""
        with permit("local"):
            return await (target or self.target(change.place.name)).put_back(change, self.say)

    def version(self, name: str = "web") -> int:
        """The version of the service: every write to it makes another."""
        return int(self.swarm.api.inspect_service(name)["Version"]["Index"])

    def only(self, image: str, name: str = "web") -> bool:
        """Whether all tasks that run and are meant to run this image."""
        return (
            set(self.swarm.running(name))
            == {image}
            == {self.swarm.spec(name)["TaskTemplate"]["ContainerSpec"]["Image"]}
        )

    async def __aenter__(self) -> Self:
        self._poll_s, swarm_roll.POLL_S = swarm_roll.POLL_S, 0.05
        return self

    async def __aexit__(self, *_: object) -> None:
        swarm_roll.POLL_S = self._poll_s
        await self.close()

    async def close(self) -> None:
        """Let go of the engine's connections and of what the test made."""
        await self.source.close()
        await asyncio.to_thread(self.swarm.clear_services)


def step(draft: Draft, name: str) -> Step:
    """The step of this name."""
    return next(each for each in draft.steps if each.name == name)


class Counted:
    """Counts the writes of a target's client, and makes the one that it is told to raise, before or after it lands."""

    def __init__(self, fail_at: int = -1, *, after: bool = False) -> None:
        self.count, self.fail_at, self.after = 0, fail_at, after

    def wrap(self, target: SwarmTarget) -> SwarmTarget:
        """The target with its engine's calls counted."""
        engine = target.calls.engine
        original = engine.call

        async def call(work: Callable[[Any], Any], *, what: str, deadline: float | None = None) -> Any:
            if not what.startswith(("updating", "creating", "removing", "marking")):
                return await original(work, what=what, deadline=deadline)
            self.count += 1
            if self.count - 1 == self.fail_at and not self.after:
                raise Killed(what)
            answer = await original(work, what=what, deadline=deadline)
            if self.count - 1 == self.fail_at:
                raise Killed(what)
            return answer

        engine.call = call  # type: ignore[method-assign]
        return target


class Killed(Exception):
    """The runner ended here."""
