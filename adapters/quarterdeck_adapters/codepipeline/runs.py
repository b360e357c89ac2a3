"""The runs pane: the newest executions of every pipeline, and where those stand that go on or have failed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.asking import ask_each
from quarterdeck_adapters.ci.timing import with_medians
from quarterdeck_adapters.ci.values import Json, rows, section, text, whole
from quarterdeck_adapters.codepipeline.client import Clients
from quarterdeck_adapters.codepipeline.mapping import MOVING, Home, Spot, home_of, moment, run_record
from quarterdeck_adapters.codepipeline.places import Place, is_execution
from quarterdeck_adapters.codepipeline.stages import jobs_of, spot_in, spot_of
from quarterdeck_lifecycle.errors import Forbidden, NotFound, QuarterdeckError, RateLimited, Unsupported
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.superseded import settle

PER_PAGE = 50
PIPELINES = 50
MOVING_LOOKUPS, ENDED_LOOKUPS = 8, 16
NEWEST = 2
"""Executions of each pipeline and end that are asked about however old they are: where they failed, what they made."""
FRESH_S = 7 * 86_400.0
NAMES_S, DECLARED_S = 300.0, 600.0
PAGES = 6
KEPT = 500
Mark = tuple[str, str, float | None]


def mark(pipeline: str, summary: Json) -> Mark:
    """An execution as it was when it last changed."""
    return pipeline, text(summary.get("pipelineExecutionId")), moment(summary.get("lastUpdateTime"))


class Runs:
    """Reads executions. What an ended one tells of itself is asked once."""

    def __init__(self, clients: Clients, name: str, environment: str) -> None:
        self.clients, self.name, self.environment = clients, name, environment
        self._spots: OrderedDict[Mark, Spot] = OrderedDict()
        self._last: dict[str, list[Run]] = {}
        self._declared: dict[str, tuple[float, Json]] = {}
        self._names: tuple[float, tuple[str, ...]] = (0.0, ())

    async def pages(self, operation: str, key: str, id: str, **params: Any) -> tuple[list[Json], bool]:
        """The objects of several pages, once each by `id`, and whether some were left out. A token that leads in
        circles ends it."""
        found: dict[str, Json] = {}
        seen: set[str] = set()
        for _ in range(PAGES):
            body = await self.clients.call("codepipeline", operation, **params)
            for each in rows(body, key):
                found.setdefault(text(each.get(id)), each)
            token = text(body.get("nextToken"))
            if not token or token in seen:
                return list(found.values()), False
            seen.add(token)
            params["nextToken"] = token
        return list(found.values()), True

    async def names(self) -> tuple[tuple[str, ...], str]:
        """The pipelines of the config, else those of the account, with what is left out. Raises Unsupported."""
        given = self.clients.given.pipelines
        if given:
            return given, ""
        at, names = self._names
        if not names or self.clients.now() - at > NAMES_S:
            found, more = await self.pages("ListPipelines", "pipelines", "name")
            names = tuple(name for each in found if (name := text(each.get("name"))))
            self._names = self.clients.now(), names
            if not names:
                raise Unsupported(
                    "no pipeline to look at", source=self.name, why=f"there is none in {self.clients.region}",
                    mend="name another region in options:, or repos: [PIPELINE]",
                )  # fmt: skip
            if more:
                return names[:PIPELINES], "not all pipelines were listed: name those that matter in repos:"
        cut = len(names) > PIPELINES
        note = f"{len(names) - PIPELINES} pipelines are not shown: name those that matter in repos:" if cut else ""
        return names[:PIPELINES], note

    async def declared(self, pipeline: str, *, fresh: bool = False) -> Json:
        """A pipeline's declaration, kept for ten minutes; empty but for its name where it may not be read."""
        at, known = self._declared.get(pipeline, (0.0, {}))
        if known and not fresh and self.clients.now() - at < DECLARED_S:
            return known
        try:
            body = await self.clients.call("codepipeline", "GetPipeline", name=pipeline)
            known = section(body, "pipeline")
        except Forbidden:
            known = {"name": pipeline}
        self._declared[pipeline] = self.clients.now(), known
        return known

    async def home(self, pipeline: str) -> Home:
        """What the records of a pipeline share."""
        declared = await self.declared(pipeline)
        given = self.clients.given
        made = home_of(self.name, self.environment, self.clients.region, given.endpoint, declared)
        return made._replace(pipeline=pipeline)

    async def state(self, pipeline: str) -> Json:
        """Where the executions of a pipeline stand now."""
        return await self.clients.call("codepipeline", "GetPipelineState", name=pipeline)

    async def actions(self, place: Place) -> list[Json]:
        """Every attempt of every action of an execution."""
        found, _ = await self.pages(
            "ListActionExecutions", "actionExecutionDetails", "actionExecutionId", pipelineName=place.pipeline,
            filter={"pipelineExecutionId": place.execution}, maxResults=PER_PAGE,
        )  # fmt: skip
        return found

    async def listing(self, notes: Sequence[str] = ()) -> Listing:
        """The newest 50 executions of each pipeline. One that fails keeps the rows it had."""
        names, left_out = await self.names()
        answers = await ask_each(names, self._newest)
        homes: dict[str, Home] = {name: home for name, (home, _, _) in answers.good.items()}
        found = {name: (listed, state) for name, (_, listed, state) in answers.good.items()}
        spots, trouble = await self._look(found)
        for name, (listed, _) in found.items():
            made = [
                run_record(each, homes[name], spot=spots.get(mark(name, each), Spot()))
                for each in listed if is_execution(text(each.get("pipelineExecutionId")))
            ]  # fmt: skip
            self._last[name] = with_medians(made)
        told = [*notes, *filter(None, (left_out,)), *answers.told, *trouble]
        return Listing(
            rows=settle(run for name in names for run in self._last.get(name, ())), partial="; ".join(told)
        )

    async def _newest(self, pipeline: str) -> tuple[Home, list[Json], Json]:
        home = await self.home(pipeline)
        body = await self.clients.call(
            "codepipeline", "ListPipelineExecutions", pipelineName=pipeline, maxResults=PER_PAGE
        )
        once: dict[str, Json] = {}
        for each in rows(body, "pipelineExecutionSummaries"):
            once.setdefault(text(each.get("pipelineExecutionId")), each)
        listed = sorted(once.values(), key=lambda each: moment(each.get("startTime")) or 0.0, reverse=True)
        state: Json = {}
        if any(text(each.get("status")) in MOVING for each in listed):
            try:
                state = await self.state(pipeline)
            except Forbidden:
                state = {}
        return home, listed, state

    async def _look(self, found: dict[str, tuple[list[Json], Json]]) -> tuple[dict[Mark, Spot], list[str]]:
        """Where those stand that go on, and what the ended ones tell: the newest first, a few in each refresh."""
        fresh: dict[Mark, Spot] = {}
        moving: list[tuple[str, Json]] = []
        ended: list[tuple[str, Json]] = []
        for name, (listed, state) in found.items():
            count = {"Succeeded": 0, "Failed": 0}
            for each in listed:
                status = text(each.get("status"))
                if status in MOVING:
                    spot = spot_in(state, text(each.get("pipelineExecutionId")))
                    if spot is not None:
                        fresh[mark(name, each)] = spot
                    else:
                        moving.append((name, each))
                if status not in count:
                    continue
                count[status] += 1
                if mark(name, each) in self._spots:
                    continue
                at = moment(each.get("lastUpdateTime")) or 0.0
                fresh_failure = status == "Failed" and self.clients.server_now - at < FRESH_S
                if fresh_failure or count[status] <= NEWEST:
                    ended.append((name, each))
        ended.sort(key=lambda pair: (text(pair[1].get("status")) != "Failed", -(mark(*pair)[2] or 0.0)))
        pairs = [*moving[:MOVING_LOOKUPS], *ended[:ENDED_LOOKUPS]]
        answers = await together(self._spot(name, each) for name, each in pairs)
        trouble = ""
        for (name, each), answer in zip(pairs, answers, strict=True):
            if isinstance(answer, Spot):
                fresh[mark(name, each)] = answer
                if text(each.get("status")) not in MOVING:
                    self._spots[mark(name, each)] = answer
            elif isinstance(answer, RateLimited) or not isinstance(answer, QuarterdeckError):
                raise answer
            else:
                # An execution may vanish between the listing and this question; its row goes with the next listing.
                trouble = "" if isinstance(answer, NotFound) else f"where executions stand: {answer.short}"
        while len(self._spots) > KEPT:
            self._spots.popitem(last=False)
        return {**self._spots, **fresh}, [trouble] if trouble else []

    async def _spot(self, pipeline: str, summary: Json) -> Spot:
        return spot_of(await self.actions(Place(pipeline, text(summary.get("pipelineExecutionId")))))

    async def read(self, place: Place) -> Json:
        """An execution as it is now. Raises NotFound."""
        body = await self.clients.call(
            "codepipeline", "GetPipelineExecution", pipelineName=place.pipeline,
            pipelineExecutionId=place.execution,
        )  # fmt: skip
        return section(body, "pipelineExecution")

    async def children(self, place: Place) -> list[Job]:
        """Its stages with their actions."""
        home = await self.home(place.pipeline)
        details = await self.actions(place)
        declared, state = await self.declared(place.pipeline), await self.state(place.pipeline)
        if details and (ran := whole(details[0].get("pipelineVersion"))) and ran != whole(declared.get("version")):
            declared = await self.declared(place.pipeline, fresh=True)
        return jobs_of(declared, details, state, home, place.execution)

    def heads(self, pipeline: str) -> dict[str, str]:
        """The commits of the executions of the last listing."""
        return {run.ref.id.partition("/")[2]: run.head for run in self._last.get(pipeline, ()) if run.head}

    def known(self, place: Place) -> Run | None:
        """The row of the last listing."""
        return next(
            (run for run in self._last.get(place.pipeline, ()) if run.ref.id == place.run), None
        )
