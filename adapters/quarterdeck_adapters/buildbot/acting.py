"""What the mutations share: control calls on a run, and following the request that one made.

https://docs.buildbot.net/latest/developer/rest.html#controlling
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.buildbot import mapping
from quarterdeck_adapters.buildbot.api import Api
from quarterdeck_adapters.buildbot.mapping import Known
from quarterdeck_adapters.buildbot.places import Place
from quarterdeck_adapters.ci.acting import CiAction
from quarterdeck_adapters.ci.values import whole
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unsupported
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.buildbot.adapter import BuildbotSource

KEPT = 100
ENOUGH_READS = 4
"""Reads after which a request that no worker took is shown as what it is: one that waits."""


def state_of(known: Known) -> str:
    """How a run stands: its build, else its request."""
    return mapping.word(known.build) if known.build is not None else mapping.request_word(known.asked)


def requests_of(result: Any) -> list[int]:
    """The ids of the build requests that a control call made: it answers [buildset, {builder: request}]."""
    made = result[1] if isinstance(result, list) and len(result) == 2 else None
    return [id for each in (made or {}).values() if (id := whole(each))] if isinstance(made, Mapping) else []


class BuildbotAction(CiAction["BuildbotSource"]):
    """One verb. What a call made is kept by the key in the preview's token until it is verified."""

    def __init__(self, source: BuildbotSource) -> None:
        super().__init__(source)
        self._made: OrderedDict[str, int] = OrderedDict()

    @property
    def api(self) -> Api:
        """The calls of the source."""
        return self.source.api

    def place(self, ref: Ref) -> Place:
        """What the ref names. Raises NotFound, Unsupported."""
        if ref.kind != self.kind:
            raise Unsupported(f"{self.verb} is not for a {ref.kind}", source=self.source.name)
        return self.source.place(ref)

    def key(self) -> str:
        """A name for one preview."""
        return secrets.token_hex(8)

    def keep(self, key: str, result: Any) -> str:
        """Remember the request that a call made; answers what Buildbot said. Raises Conflict when it made none."""
        found = requests_of(result)
        if not found:
            raise Conflict(
                f"{self.verb} made no build", source=self.source.name, why="Buildbot answered with no build request",
                mend="look at the rows of its builder",
            )  # fmt: skip
        self._made[key] = found[0]
        while len(self._made) > KEPT:
            self._made.popitem(last=False)
        return f"Buildbot made build request {found[0]}"

    async def follow(self, key: str, preview: Preview) -> Outcome:
        """The request that was made is there, with its build when a worker took it. Raises Timeout."""
        place = Place(self._made[key])
        reads = 0

        async def begun() -> Known | None:
            nonlocal reads
            reads += 1
            try:
                known = await self.source.runs.read(place)
            except NotFound:
                return None
            waits = known.build is None and known.asked.get("complete") is not True
            return None if waits and reads < ENOUGH_READS else known

        known = await self.until(begun, preview, f"build request {place.request} is not listed")
        run = await self.source.runs.record(known)
        if known.build is None and known.asked.get("complete") is True:
            ended = f"{run.name} ended as {run.state}: {run.note}"
            return Outcome(verified=False, message=ended, observed=str(run.ref))
        waits = f": {run.queued_for}" if run.queued_for else ""
        return Outcome(verified=True, message=f"{run.name} is {run.state}{waits}", observed=str(run.ref))
