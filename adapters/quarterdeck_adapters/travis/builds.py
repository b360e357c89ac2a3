"""The newest builds of every repository, and where those stand that run, wait or have failed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.asking import ask_each
from quarterdeck_adapters.ci.sections import trouble_order
from quarterdeck_adapters.ci.timing import with_medians
from quarterdeck_adapters.ci.values import Json, epoch, known, section, text, whole
from quarterdeck_adapters.travis import logs, mapping
from quarterdeck_adapters.travis.api import Pages, TravisApi
from quarterdeck_adapters.travis.mapping import Home, Spot
from quarterdeck_adapters.travis.places import Place, repository_path
from quarterdeck_adapters.travis.rights import Rights
from quarterdeck_adapters.travis.steps import Told
from quarterdeck_lifecycle.errors import Malformed, NotFound, QuarterdeckError
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.superseded import settle

BUILDS = 50
MOVING_LOOKUPS = 8
FAILED_LOOKUPS = 12
MADE_OF, MADE_LOOKUPS = 12, 12
"""Of how many passed builds of each repository it is asked, once, what they made; and how many in one refresh."""
STEPS_OF = 3
KEPT = 2000
Mark = tuple[int, str, str]


class Builds:
    """Reads builds and their jobs. Where a failed build stopped is asked once for each of its ends."""

    def __init__(
        self, api: TravisApi, slugs: Sequence[str], home: Callable[[str], Home], rights: Rights, wanted: int
    ) -> None:
        self.api, self.slugs, self.home, self.rights, self.wanted = api, slugs, home, rights, wanted
        self._spots: OrderedDict[Mark, Spot] = OrderedDict()
        self._told: OrderedDict[Mark, Told] = OrderedDict()
        self._last: dict[str, list[Run]] = {}
        self._totals: dict[str, int | None] = {}

    async def listing(self) -> Listing:
        """The newest builds of each repository; one that fails keeps the rows it had. Raises QuarterdeckError."""
        answers = await ask_each(self.slugs, self._newest)
        spots, trouble = await self._look({slug: pages.rows for slug, pages in answers.good.items()})
        for slug, pages in answers.good.items():
            self._last[slug] = self._rows(slug, pages.rows, spots)
            self._totals[slug] = pages.total
        told = [*answers.told, *trouble]
        told += [f"{slug}: builds went while they were listed" for slug, pages in answers.good.items() if pages.moved]
        totals = [self._totals.get(slug) for slug in self.slugs]
        known_totals = [total for total in totals if total is not None]
        return Listing(
            rows=settle(run for slug in self.slugs for run in self._last.get(slug, ())), partial="; ".join(told),
            total=sum(known_totals) if len(known_totals) == len(totals) and not answers.bad else None,
            budget=self.api.budget,
        )  # fmt: skip

    async def _newest(self, slug: str) -> Pages:
        return await self.api.listed(f"{repository_path(slug)}/builds", "builds", self.wanted)

    def _rows(self, slug: str, builds: Sequence[Json], spots: dict[Mark, Spot]) -> list[Run]:
        home = self.home(slug)
        made = []
        for build, at in zip(builds, mapping.made_before(builds), strict=True):
            self.rights.learn("run", build)
            made.append(mapping.run_record(build, home, spot=spots.get(mark_of(build), Spot()), created_at=at))
        return with_medians(made)

    async def _look(self, builds: dict[str, list[Json]]) -> tuple[dict[Mark, Spot], list[str]]:
        """Where the builds stand that are under way or failed, and what the newest ones made; a few in each refresh."""
        every = [build for rows in builds.values() for build in rows]
        every.sort(key=lambda build: epoch(build.get("updated_at")) or 0.0, reverse=True)
        moving = [build for build in every if mapping.in_flight(build)][:MOVING_LOOKUPS]
        failed = [
            build for build in every
            if mapping.failed(build) and mark_of(build) not in self._spots
        ][:FAILED_LOOKUPS]  # fmt: skip
        passed = [
            build for rows in builds.values()
            for build in [each for each in rows if mapping.word(each) == "passed"][:MADE_OF]
            if mark_of(build) not in self._spots
        ][:MADE_LOOKUPS]  # fmt: skip
        asked = [*moving, *failed, *passed]
        answers = await together(self._spot(build) for build in asked)
        fresh: dict[Mark, Spot] = {}
        trouble = ""
        for build, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Spot):
                fresh[mark_of(build)] = answer
                if not mapping.in_flight(build):
                    self._spots[mark_of(build)] = answer
            elif isinstance(answer, QuarterdeckError):
                # A build may vanish between the listing and this question; its row goes with the next listing.
                trouble = trouble if isinstance(answer, NotFound) else f"where builds stand: {answer.short}"
            else:
                raise answer
        while len(self._spots) > KEPT:
            self._spots.popitem(last=False)
        return {**self._spots, **fresh}, [trouble] if trouble else []

    async def _spot(self, build: Json) -> Spot:
        return mapping.spot_of(await self.jobs(whole(build.get("id")) or 0))

    async def read(self, place: Place) -> Json:
        """A build as it is now. Raises NotFound where it is of another repository."""
        build = await self.api.object(place.build)
        slug = text(section(build, "repository").get("slug"))
        if whole(build.get("id")) != place.number or (slug and slug.lower() != place.slug.lower()):
            why = f"Travis has it in {slug or 'no repository'}"
            raise NotFound(f"no build {place.number} in {place.slug}", source=self.api.source, why=why)
        self.rights.learn("run", build)
        return build

    async def jobs(self, build: int) -> list[Json]:
        """The jobs of a build, by number, with their config: they have no pages."""
        body = await self.api.object(f"/build/{build}/jobs", {"include": "job.config"})
        if not isinstance(body.get("jobs"), list):
            raise Malformed(f"the jobs of build {build} were no list", source=self.api.source)
        found = list(known(body, "jobs").values())
        for job in found:
            self.rights.learn("job", job)
        return found

    async def job(self, place: Place) -> Json:
        """A job as it is now, with its config."""
        job = await self.api.object(place.the_job, {"include": "job.config"})
        self.rights.learn("job", job)
        return job

    async def children(self, place: Place) -> list[Job]:
        """The jobs as rows: the failed ones first, with the steps that their logs tell of."""
        home = self.home(place.slug)
        jobs = await self.jobs(place.number)
        bad = [job for job in jobs if mapping.word(job) in mapping.FAILED][:STEPS_OF]
        told = await together(self._steps(place._replace(job=whole(job.get("id")) or 0), job) for job in bad)
        known = {id(job): steps for job, steps in zip(bad, told, strict=True) if isinstance(steps, Told)}
        made = [mapping.job_record(job, home, place.number, known.get(id(job), Told(()))) for job in jobs]
        return sorted(made, key=trouble_order)

    async def _steps(self, place: Place, job: Json) -> Told:
        """What the log of a job that failed tells of its commands; asked once for each of its ends."""
        mark = mark_of(job)
        if mark not in self._told:
            self._told[mark] = (await logs.seen(self.api, place)).told
            while len(self._told) > KEPT:
                self._told.popitem(last=False)
        return self._told[mark]

    def record(self, build: Json, slug: str) -> Run:
        """A build read by itself, as a row; with what the last listing knew of it."""
        return mapping.run_record(build, self.home(slug), spot=self._spots.get(mark_of(build), Spot()))


def mark_of(build: Json) -> Mark:
    """What tells one end of a build from the next one after it was started again."""
    return whole(build.get("id")) or 0, mapping.word(build), text(build.get("finished_at"))
