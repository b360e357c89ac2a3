"""The runs pane: the newest runs of every repository, and where those stand that run, wait or have failed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from quarterdeck_adapters.ci.asking import ask_each
from quarterdeck_adapters.ci.sections import trouble_order
from quarterdeck_adapters.ci.values import Json, epoch, known, rows, shown, text, whole
from quarterdeck_adapters.github import mapping, queueing
from quarterdeck_adapters.github.api import Api, together
from quarterdeck_adapters.github.mapping import Home, Spot
from quarterdeck_adapters.github.places import Place
from quarterdeck_adapters.github.queueing import Queueing
from quarterdeck_adapters.github.workflows import Workflows
from quarterdeck_lifecycle.errors import Malformed, NotFound, QuarterdeckError
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.superseded import settle

PER_PAGE = 50
MOVING_LOOKUPS = 8
FAILED_LOOKUPS = 12
FRESH_S = 7 * 86_400.0
KEPT = 500
Mark = tuple[int, int, str]


class Runs:
    """Reads runs and their jobs. Where a failed run stopped is asked once for each attempt."""

    def __init__(
        self, api: Api, slugs: Sequence[str], home: Callable[[str], Home], workflows: Workflows
    ) -> None:
        self.api = api
        self.slugs = slugs
        self.home = home
        self.queueing = Queueing(api, workflows)
        self._names: dict[int, str] = {}
        self.moving_heads: set[str] = set()
        self._spots: OrderedDict[Mark, Spot] = OrderedDict()
        self._last: dict[str, list[Run]] = {}
        self._made: dict[str, tuple[Any, Home, dict[int, Spot], list[Run]]] = {}

    async def listing(self, notes: Sequence[str] = (), *, thrifty: bool = False) -> Listing:
        """The newest 50 runs of each repository; with `thrifty` nothing more. One that fails keeps the rows it had."""
        answers = await ask_each(self.slugs, self._newest)
        payloads = {slug: known(body, "workflow_runs") for slug, body in answers.good.items()}
        self._names = {
            id: f"#{text(run.get('run_number'))} {shown(run.get('name'), 60)}".rstrip()
            for runs in payloads.values() for id, run in runs.items() if mapping.in_flight(run)
        }  # fmt: skip
        spots, trouble = await self._look({} if thrifty else payloads)
        self.moving_heads = {
            text(run.get("head_sha")) for runs in payloads.values() for run in runs.values() if mapping.in_flight(run)
        }
        for slug, runs in payloads.items():
            self._last[slug] = self._rows(slug, answers.good[slug], list(runs.values()), spots)
        totals = [whole(body.get("total_count")) for body in answers.good.values()]
        told = [*notes, *answers.told, *trouble]
        return Listing(
            rows=settle(run for slug in self.slugs for run in self._last.get(slug, ())),
            partial="; ".join(told),
            total=sum(total or 0 for total in totals) if None not in totals and not answers.bad else None,
            budget=self.api.budget,
        )

    async def _newest(self, slug: str) -> Json:
        body = await self.api.object(f"/repos/{slug}/actions/runs", {"per_page": PER_PAGE}, etag=True)
        if not isinstance(body.get("workflow_runs"), list):
            raise Malformed(
                f"the runs of {slug} were no list", source=self.api.source, mend="check that this is GitHub's API"
            )
        return body

    def _rows(self, slug: str, body: Json, runs: list[Json], spots: dict[Mark, Spot]) -> list[Run]:
        home = self.home(slug)
        mine = {mark[0]: spots[mark] for mark in map(_mark, runs) if mark in spots}
        before = self._made.get(slug)
        if before is not None and before[0] is body and before[1:3] == (home, mine):
            return before[3]
        made = [
            mapping.run_record(
                run, home, spot=mine.get(_mark(run)[0], Spot()), median_s=mapping.median_before(run, runs)
            )
            for run in runs
        ]
        self._made[slug] = (body, home, mine, made)
        return made

    async def _look(self, payloads: dict[str, dict[int, Json]]) -> tuple[dict[Mark, Spot], list[str]]:
        """Where the runs stand that are under way or failed lately; the newest first, a few in each refresh."""
        now = self.api.server_now
        pairs = [(slug, run) for slug, runs in payloads.items() for run in runs.values()]
        pairs.sort(key=lambda pair: epoch(pair[1].get("updated_at")) or 0.0, reverse=True)
        moving = [pair for pair in pairs if mapping.in_flight(pair[1])][:MOVING_LOOKUPS]
        failed = [
            (slug, run) for slug, run in pairs
            if mapping.failed(run) and _mark(run) not in self._spots
            and now - (epoch(run.get("updated_at")) or 0.0) < FRESH_S
        ][:FAILED_LOOKUPS]  # fmt: skip
        asked = [*moving, *failed]
        answers = await together(self._spot(slug, run) for slug, run in asked)
        fresh: dict[Mark, Spot] = {}
        trouble = ""
        for (_, run), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Spot):
                fresh[_mark(run)] = answer
                if not mapping.in_flight(run):
                    self._spots[_mark(run)] = answer
            elif isinstance(answer, QuarterdeckError):
                # A run may vanish between the listing and this question; its row goes with the next listing.
                trouble = "" if isinstance(answer, NotFound) else f"where runs stand: {answer.short}"
            else:
                raise answer
        while len(self._spots) > KEPT:
            self._spots.popitem(last=False)
        return {**self._spots, **fresh}, [trouble] if trouble else []

    async def _spot(self, slug: str, run: Json) -> Spot:
        place = Place(slug, whole(run.get("id")) or 0)
        moving = mapping.in_flight(run)
        if why := await self.waits(place, run):
            return Spot(where=why, queued=why)
        body = await self.api.object(
            f"{place.run}/jobs", {"filter": "latest", "per_page": 100}, etag=moving
        )
        spot = mapping.spot_of(rows(body, "jobs"))
        if text(run.get("status")) == "waiting":
            pending = await self.api.get(f"{place.run}/pending_deployments", etag=True)
            asked = rows(pending)
            return spot._replace(note=mapping.approval_note(asked) or spot.note, mine=mapping.approvable(asked))
        return spot if moving or not mapping.failed(run) else spot._replace(note=spot.note or spot.where)

    async def waits(self, place: Place, run: Json) -> str:
        """What holds a run before its first job is queued; an empty string for one that is not held."""
        return await self.queueing.why(place, run, self._names) if queueing.held(run) else ""

    async def read(self, place: Place) -> Json:
        """A run as it is now, past every cache."""
        return await self.api.object(place.run)

    async def jobs(self, place: Place, *, attempt: int = 0, etag: bool = False) -> list[Json]:
        """The jobs of a run's latest attempt, or of one named by its number; at most 1,000."""
        path = f"{place.run}/attempts/{attempt}/jobs" if attempt else f"{place.run}/jobs"
        if etag:
            found, more = await self.api.page(path, {"filter": "latest", "per_page": 100}, "jobs", etag=True)
            if not more:
                return list(found.values())
        return (await self.api.all(path, "jobs", limit=1000, filter="latest"))[0]

    async def children(self, place: Place) -> list[Job]:
        """The jobs as rows: the failed ones first."""
        home = self.home(place.slug)
        return sorted(
            (mapping.job_record(job, home, place.number) for job in await self.jobs(place)), key=trouble_order
        )

    def record(self, run: Json, slug: str) -> Run:
        """A run read by itself, as a row; with what the last listing knew of it."""
        return mapping.run_record(run, self.home(slug), spot=self._spots.get(_mark(run), Spot()))


def _mark(run: Json) -> Mark:
    return (whole(run.get("id")) or 0, whole(run.get("run_attempt")) or 1, text(run.get("updated_at")))
