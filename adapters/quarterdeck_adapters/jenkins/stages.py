"""Stages, steps and inputs of Pipelines, by the Pipeline REST API plugin; a controller without it still lists builds.

https://github.com/jenkinsci/pipeline-stage-view-plugin/blob/master/rest-api/README.md
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.sections import trouble_order
from quarterdeck_adapters.ci.values import Json, rows, shown, text
from quarterdeck_adapters.jenkins import mapping
from quarterdeck_adapters.jenkins.api import Api
from quarterdeck_adapters.jenkins.mapping import Home, Spot
from quarterdeck_adapters.jenkins.places import job_in, path_of
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.records import Status

STAGES = 60
KEPT = 500
LastWords = Callable[[str], Awaitable[str]]


def path(run: Run) -> str:
    """The path of a build."""
    return f"{path_of(job_in(run.ref.id))}/{run.number}"


class Stages:
    """Reads what is inside builds. Where a build failed is asked once."""

    def __init__(self, api: Api, home: Home, last_words: LastWords, may_approve: Callable[[str], bool]) -> None:
        self.api = api
        self.home = home
        self._last_words = last_words
        self._may_approve = may_approve
        self._spots: OrderedDict[tuple[str, str], Spot] = OrderedDict()
        self._ended: OrderedDict[str, Json] = OrderedDict()

    def knows(self, run: Run) -> bool:
        """Whether it is known where an ended build failed."""
        return (run.ref.id, run.state) in self._spots

    def known(self, run: Run) -> Spot | None:
        """Where an ended build failed, as far as it is known."""
        return self._spots.get((run.ref.id, run.state))

    async def described(self, where: str) -> list[Json]:
        """The stages of a build at a path. Raises NotFound without the plugin, too."""
        return rows(await self.api.object(f"{where}/wfapi/describe"), "stages")[:STAGES]

    async def stage(self, where: str, id: str) -> Json:
        """A stage with its steps. Raises NotFound."""
        key = f"{where}/{id}"
        if (known := self._ended.get(key)) is not None:
            return known
        found = await self.api.object(f"{where}/execution/node/{id}/wfapi/describe")
        if mapping.stage_word(found) not in ("running", "waiting"):
            self._ended[key] = found
            while len(self._ended) > KEPT:
                self._ended.popitem(last=False)
        return found

    async def pending(self, where: str) -> list[Json]:
        """The inputs that a build waits for."""
        return rows(await self.api.get(f"{where}/wfapi/pendingInputActions"))

    async def spot(self, run: Run, *, plain: bool = False) -> Spot:
        """Where a build stands. Raises QuarterdeckError."""
        found = self.known(run)
        if found is None:
            found = Spot()
            if run.state in ("running", "waiting") or run.status in (Status.BAD, Status.LOOK):
                try:
                    found = await self._plain(run) if plain else await self._spot(run)
                except NotFound:
                    found = await self._plain(run)
            if run.state not in ("running", "waiting"):
                self._spots[run.ref.id, run.state] = found
                while len(self._spots) > KEPT:
                    self._spots.popitem(last=False)
        return found

    async def _plain(self, run: Run) -> Spot:
        """Without stages: the last line that speaks of an error."""
        if run.state == "running":
            return Spot()
        return Spot(note=await self._last_words(path(run)) or "see its console")

    async def _spot(self, run: Run) -> Spot:
        where = path(run)
        body = await self.api.object(f"{where}/wfapi/describe")
        stages = rows(body, "stages")[:STAGES]
        bad = mapping.first_bad(stages) if run.state != "running" else {}
        steps = rows(await self.stage(where, text(bad.get("id"))), "stageFlowNodes") if _id(bad) else []
        spot = mapping.stage_spot(stages, steps)
        if mapping.stage_word(body) != "waiting" or run.state != "running":
            return spot if spot.note or run.state == "running" else spot._replace(note=await self._words(run))
        asked = [shown(each.get("message"), 120) for each in await self.pending(where)]
        note = f"approval: {'; '.join(filter(None, asked))}" if any(asked) else "approval"
        return spot._replace(note=note, waits=True, mine=self._may_approve(job_in(run.ref.id)))

    async def _words(self, run: Run) -> str:
        return await self._last_words(path(run)) or "before its first stage"

    async def children(self, run: Run, *, plain: bool) -> list[Job]:
        """The stages as rows, the failed ones first; of a build without stages its one job."""
        where = path(run)
        try:
            stages = [] if plain else await self.described(where)
        except NotFound:
            stages = []
        if not stages:
            return [mapping.whole_job(run, self.home)]
        known = [stage for stage in stages if _id(stage)]
        whole = await together(self.stage(where, text(stage.get("id"))) for stage in known)
        made = []
        for stage, full in zip(known, whole, strict=True):
            if isinstance(full, BaseException) and not isinstance(full, QuarterdeckError):
                raise full
            made.append(mapping.job_record(stage if isinstance(full, BaseException) else full, run.ref.id, self.home))
        return sorted(made, key=trouble_order)


def _id(node: Json) -> bool:
    id = text(node.get("id"))
    return id.isascii() and id.isdigit() and len(id) < 10
