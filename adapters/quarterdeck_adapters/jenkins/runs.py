"""The runs pane: the newest builds of every job, and what waits in the queue with the reason.

Jenkins has neither ETags nor limits: what spares it is that only jobs which moved are asked for their builds.
https://www.jenkins.io/doc/book/using/remote-access-api/
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.values import Json, rows, section, text
from quarterdeck_adapters.jenkins import mapping
from quarterdeck_adapters.jenkins.api import Api
from quarterdeck_adapters.jenkins.composing import Composer, Held
from quarterdeck_adapters.jenkins.mapping import Found, Home, Spot
from quarterdeck_adapters.jenkins.places import Place, job_in, path_of
from quarterdeck_adapters.jenkins.queueing import Line, Waiting, job_waiting
from quarterdeck_adapters.jenkins.stages import Stages
from quarterdeck_adapters.jenkins.walking import Walk
from quarterdeck_lifecycle.errors import AuthFailed, NotFound, QuarterdeckError, RateLimited
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import Status

BUILDS = 30
JOBS = 100
OLDER = 10
"""Builds of a job that go on and are older than the listed ones, at most."""
MOVING_LOOKUPS = 8
FAILED_LOOKUPS = 12
FRESH_S = 7 * 86_400.0
REREAD_S = 600.0
"""After so long the builds of a job at rest are asked for anew: one may have been deleted or described."""
KEPT = 5000
ACTIONS = (
    "actions[causes[_class,shortDescription,userId,userName],parameters[_class,name,value],"
    "lastBuiltRevision[SHA1,branch[SHA1,name]],remoteUrls]"
)
BUILD = f"_class,number,queueId,building,result,timestamp,duration,description,{ACTIONS}"


class Runs:
    """Reads builds and the queue."""

    def __init__(self, api: Api, names: Sequence[str], home: Home, stages: Stages, builds: int, jobs: int) -> None:
        self.api = api
        self.names = list(names)
        self.home = home
        self.stages = stages
        self.walk = Walk(api, names)
        self.line = Line(api, names)
        self._builds, self._jobs = builds, jobs
        self._held: dict[str, Held] = {}
        self._composer = Composer()
        self._numbers: OrderedDict[tuple[str, int], int] = OrderedDict()

    async def listing(self, notes: Sequence[str] = ()) -> Listing:
        """The newest builds of each job, and the queue. What fails keeps the rows it had, and is said."""
        found, told = await self.walk.walk()
        told = [*notes, *told]
        jobs = sorted(found, key=lambda job: (not job.moving, -job.last_at))[: self._jobs]
        if len(jobs) < len(found):
            told.append(f"the {len(found) - len(jobs)} jobs with the oldest builds are left out: name fewer in repos:")
        told += await self._read(jobs, await self.line.building())
        known = {job.name: job for job in found}
        self._held = {name: held for name, held in self._held.items() if name in known}
        waiting, trouble = await self.line.known()
        told += trouble
        wanted = {job.name for job in jobs}
        held = [each for name, each in self._held.items() if name in wanted]
        runs = [run for each in held for run in each.runs if run.state != "success"]
        spots, trouble = await self._look(runs)
        told += trouble
        steps = {
            run.ref.id: why
            for run in runs
            if run.state == "running" and (why := waiting.steps.get((job_in(run.ref.id), int(run.number))))
        }
        rows_ = self._composer.rows(held, self._queued(waiting, known), spots, steps)
        return Listing(rows=rows_, partial="; ".join(told), budget=self.api.budget)

    async def _read(self, jobs: Sequence[Found], building: Mapping[str, set[int]]) -> list[str]:
        """Ask for the builds of the jobs that moved. Returns what went wrong."""
        now = self.api.server_now
        asked = [job for job in jobs if job.last and (job.name in building or self._stale(job, now))]
        told: list[str] = []
        failures = 0
        answers = await together(self._newest(job, now, building.get(job.name, set())) for job in asked)
        for job, answer in zip(asked, answers, strict=True):
            if isinstance(answer, AuthFailed | RateLimited):
                raise answer
            if isinstance(answer, QuarterdeckError):
                failures += 1
                told = told or [f"{job.name}: {answer.short}"]
            elif isinstance(answer, BaseException):
                raise answer
            else:
                self._held[job.name] = answer
        return [*told, f"and {failures - 1} more jobs"] if failures > 1 else told

    def _stale(self, job: Found, now: float) -> bool:
        held = self._held.get(job.name)
        return (
            held is None or held.job[:4] != job[:4] or job.moving or held.moving
            or not 0 <= now - held.read_at < REREAD_S
        )  # fmt: skip

    async def _newest(self, job: Found, now: float, building: set[int]) -> Held:
        body = await self.api.fields(path_of(job.name), f"builds[{BUILD}]{{0,{self._builds}}}")
        builds = rows(body, "builds")
        older = sorted(building - {mapping.number_of(build) for build in builds}, reverse=True)[:OLDER]
        found = await together(self.build(Place(job.name), number) for number in older)
        builds += [build for build in found if not isinstance(build, BaseException)]
        return self._made(job, builds, now)

    def _made(self, job: Found, builds: list[Json], now: float) -> Held:
        made: dict[str, Run] = {}
        taken: set[int] = set()
        plain = set()
        slug = ""
        for build in builds:
            number, queue = mapping.number_of(build), mapping.queue_of(build)
            if not number:
                continue
            # An id that a restored controller gave out twice names the newer build alone.
            payload = {**build, "queueId": 0} if queue in taken else build
            taken.add(queue)
            run = mapping.run_record(payload, job, self.home)
            if run.ref.id in made:
                continue
            made[run.ref.id] = run
            self.remember(job.name, mapping.queue_of(payload), number)
            if not is_pipeline(build):
                plain.add(run.ref.id)
            slug = slug or (run.repository if run.link("repository") else "")
        if slug:
            made = {
                id: run if run.link("repository") else replaced(run, slug) for id, run in made.items()
            }
        moving = any(run.state == "running" for run in made.values())
        return Held(job, now, list(made.values()), frozenset(plain), moving)

    def remember(self, job: str, queue: int, number: int) -> None:
        """That an item of the queue became a build."""
        if queue and number:
            self._numbers[job, queue] = number
            while len(self._numbers) > KEPT:
                self._numbers.popitem(last=False)

    def _queued(self, waiting: Waiting, known: dict[str, Found]) -> list[Run]:
        made = []
        for item in waiting.items:
            name = job_waiting(item)
            job, held = known.get(name, Found(name)), self._held.get(name)
            slug = held.runs[0].repository if held and held.runs else ""
            made.append(mapping.queued_record(item, job, self.home, slug=slug))
        return made

    async def _look(self, runs: Sequence[Run]) -> tuple[dict[str, Spot], list[str]]:
        """Where the builds stand that go on or failed lately; the newest first, a few in each refresh."""
        now = self.api.server_now
        newest = sorted(runs, key=lambda run: -(run.updated_at or 0.0))
        moving = [run for run in newest if run.state == "running"][:MOVING_LOOKUPS]
        bad = [
            run for run in newest
            if run.status in (Status.BAD, Status.LOOK) and not self.stages.knows(run)
            and now - (run.updated_at or 0.0) < FRESH_S
        ][:FAILED_LOOKUPS]  # fmt: skip
        asked = [*moving, *bad]
        plain = {id for held in self._held.values() for id in held.plain}
        answers = await together(self.stages.spot(run, plain=run.ref.id in plain) for run in asked)
        found: dict[str, Spot] = {}
        trouble: list[str] = []
        for run, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Spot):
                found[run.ref.id] = answer
            elif isinstance(answer, AuthFailed | RateLimited):
                raise answer
            elif isinstance(answer, QuarterdeckError):
                # A build may vanish between the listing and this question; its row goes with the next listing.
                trouble = trouble if isinstance(answer, NotFound) else [f"where builds stand: {answer.short}"]
            else:
                raise answer
        known = {run.ref.id: spot for run in runs if (spot := self.stages.known(run)) is not None}
        return {**known, **found}, trouble

    async def number(self, place: Place) -> int:
        """The number of the build that a place names; 0 while it waits in the queue. Raises NotFound."""
        if place.number:
            return place.number
        if known := self._numbers.get((place.job, place.queue), 0):
            return known
        try:
            item = await self.line.item(place)
        except NotFound:
            item = {}
        number = mapping.number_of(section(item, "executable"))
        if not number and item and item.get("cancelled") is not True:
            return 0
        if not number:
            body = await self.api.fields(path_of(place.job), "builds[number,queueId]{0,100}")
            builds = rows(body, "builds")
            number = next((mapping.number_of(b) for b in builds if mapping.queue_of(b) == place.queue), 0)
        if not number:
            raise NotFound(
                f"no run {place.run} here", source=self.api.source, why="neither the queue nor the last 100 builds "
                "of its job have it", mend="it was cancelled in the queue, deleted, or is older",
            )  # fmt: skip
        self.remember(place.job, place.queue, number)
        return number

    async def build(self, place: Place, number: int) -> Json:
        """A build as it is now. Raises NotFound."""
        return await self.api.fields(f"{path_of(place.job)}/{number}", BUILD)

    async def run(self, place: Place) -> tuple[Run, Json]:
        """A run as it is now, a build or an item of the queue, and its payload. Raises NotFound."""
        number = await self.number(place)
        job = await self.walk.job(place.job)
        held = self._held.get(place.job)
        slug = held.runs[0].repository if held and held.runs else ""
        if not number:
            item = await self.line.item(place)
            return mapping.queued_record(item, job, self.home, slug=slug), item
        build = await self.build(place, number)
        payload = build if place.queue else {**build, "queueId": 0}
        run = mapping.run_record(payload, job, self.home, slug=slug)
        spot = await self.stages.spot(run, plain=not is_pipeline(build))
        return mapping.seated(run, spot), build


def is_pipeline(build: Json) -> bool:
    """Whether a build is a Pipeline's, which has stages."""
    return text(build.get("_class")).endswith("WorkflowRun")


def replaced(run: Run, slug: str) -> Run:
    """The run with the repository of its job's other builds."""
    return replace(run, repository=slug)
