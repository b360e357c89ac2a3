"""An operator with a ledger, over one source, for the tests of verbs."""

from __future__ import annotations

from pathlib import Path

from quarterdeck_lifecycle.actor import Actor
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.ledger import Ledger
from quarterdeck_lifecycle.operate import Operator, Result
from quarterdeck_lifecycle.policy import Policy
from quarterdeck_lifecycle.ports import Preview, Source
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.state import StateDB
from quarterdeck_lifecycle.verbs import Registry, built_in


class Bench:
    """An operator with a ledger, over one source."""

    def __init__(self, source: Source, folder: Path) -> None:
        self.source = source
        self.hub = Hub([source])
        self.db = StateDB(folder)
        self.ledger = Ledger(self.db, Actor.current(), lambda text: text)
        self.registry = Registry(built_in())
        self.operator = Operator(self.hub, self.registry, Policy(), self.ledger)

    async def do(self, verb: str, ref: Ref, /, **args: str) -> Result:
        """Preview, then perform."""
        return await self.operator.perform(await self.preview(verb, ref, **args))

    async def preview(self, verb: str, ref: Ref, /, **args: str) -> Preview:
        """What it would send; arguments that are not given have their defaults, as in the deck."""
        found = self.registry.get(verb)
        assert found is not None
        defaults = {each.name: each.default for each in found.args if each.default}
        return await self.operator.preview(found, ref, {**defaults, **args})

    async def phases(self) -> list[tuple[str, str]]:
        """The ledger, oldest first."""
        return [(row.phase, row.result.partition(":")[0]) for row in reversed(await self.ledger.rows())]
