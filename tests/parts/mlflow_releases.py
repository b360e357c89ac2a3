"""Releases of aliases for the adapter's tests: a model with versions, targets on it, plans and writes that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parts.mlflow_lab import Lab
from quarterdeck_adapters.mlflow.adapter import MlflowSource
from quarterdeck_adapters.mlflow.release import AliasTarget
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Change, GateRule, Identity, ProbeRule, Step
from quarterdeck_lifecycle.release.ports import Wanted

ALIAS = "registered-models/alias"


class Broken(Exception):
    """A write that a test made fail; no error that the program knows."""


async def quiet(_line: str) -> None:
    """Nobody listens."""


async def filled(lab: Lab, *, versions: int = 3, name: str = "fraud", on: str = "1") -> str:
    """A model with versions, of a run where there are more than two; @champion is on `on`, if anywhere."""
    model = await lab.model(name)
    run = ""
    if versions > 2:
        run = await lab.run("train", status="FINISHED", tags={"mlflow.source.git.commit": "8ae0417c3e"})
    for _ in range(versions):
        await lab.version(model, run)
    if on:
        await lab.alias(model, "champion", on)
    return model


class Bench:
    """One alias as a target, on a source of its own, and the release that is tried on it."""

    def __init__(self, lab: Lab, source: MlflowSource, model: str, alias: str = "champion") -> None:
        self.lab, self.source, self.model, self.alias = lab, source, model, alias
        self.target: AliasTarget = source.target("alias", f"{model}@{alias}", {})

    def wanted(self, to: Identity, **options: Any) -> Wanted:
        """A promotion of this model."""
        given = {"kind": "promote", "op": "op-1", "service": "scorer", "environment": "prod", "back": None,
                 "revision": 7, "actor": "ana", "at": "2026-11-23T02:00:00Z", "probe": ProbeRule(engine=True),
                 "gate": GateRule(), "keep": 5}  # fmt: skip
        return Wanted(to=to, **{**given, **options})

    async def change(self, version: str, **options: Any) -> Change:
        """The change that a plan to go to `version` makes."""
        to = await self.target.resolve(version, self.model)
        return (await self.target.plan(self.wanted(to, **options))).change

    async def move(self, change: Change) -> str:
        """The switch, permitted."""
        with permit("ml"):
            return await self.target.do(change, step("move"), quiet)

    async def mark(self, change: Change) -> str:
        """The proof, told on the version."""
        with permit("ml"):
            return await self.target.do(change, step("mark"), quiet)

    async def back(self, change: Change) -> str:
        """The way back, permitted."""
        with permit("ml"):
            return await self.target.put_back(change, quiet)

    async def where(self) -> str:
        """Where the alias is."""
        return await self.lab.where(self.model, self.alias)

    async def tags(self, version: str) -> dict[str, str]:
        """The tags about this alias, by their short names."""
        begin = f"quarterdeck.alias.{self.alias}."
        found = await self.lab.tags(self.model, version)
        return {key.removeprefix(begin): value for key, value in found.items() if key.startswith(begin)}


def step(name: str) -> Step:
    """A step of that name."""
    return Step(id=name, name=name, title=name, phase="switch", deadline_s=60)


class Writes:
    """Counts the writes of a source, and breaks the chosen one: before it arrives, or after it took effect."""

    def __init__(self, source: MlflowSource, *, broken: int = 0, effect: bool = False) -> None:
        self.count, self._broken, self._effect = 0, broken, effect
        self._post, self._delete, self._api = source.api.post, source.api.delete, source.api
        source.api.post = self._counted(source.api.post)  # type: ignore[method-assign]
        source.api.delete = self._counted(source.api.delete)  # type: ignore[method-assign]

    def heal(self) -> None:
        """No write fails any more, nor is any counted."""
        self._api.post, self._api.delete = self._post, self._delete  # type: ignore[method-assign]

    def _counted(self, send: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(path: str, body: Any) -> Any:
            if path.endswith("/search"):
                return await send(path, body)
            self.count += 1
            if self.count == self._broken:
                if self._effect:
                    await send(path, body)
                raise Broken
            return await send(path, body)

        return counted
