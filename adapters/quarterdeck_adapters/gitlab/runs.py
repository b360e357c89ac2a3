"""The runs pane: the newest pipelines of every project, and where those stand that run, wait or have failed.

A pipeline of a list tells neither its times nor its user: of those that have ended they are asked for once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.asking import ask_each
from quarterdeck_adapters.ci.timing import with_medians
from quarterdeck_adapters.ci.values import Json, epoch, known, rows, text, whole
from quarterdeck_adapters.gitlab import graph, mapping
from quarterdeck_adapters.gitlab.api import GitlabApi
from quarterdeck_adapters.gitlab.gates import Gates
from quarterdeck_adapters.gitlab.mapping import Home, Spot
from quarterdeck_adapters.gitlab.places import Place, root_of
from quarterdeck_adapters.gitlab.projects import Projects
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    RateLimited,
    Timeout,
)
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import Link
from quarterdeck_lifecycle.superseded import settle

PER_PAGE, USUAL, MOST = 100, 50, 1000
MOVING_LOOKUPS, FAILED_LOOKUPS, DETAILS, MANY = 8, 12, 150, 4
FRESH_S = 7 * 86_400.0
KEPT = 3000
GIVEN = frozenset({"web", "api", "trigger", "pipeline"})
"""What starts pipelines that may have been given variables of their own."""
Mark = tuple[str, int, str]


class About(NamedTuple):
    """What was found out of a pipeline beyond its listing."""

    detail: Json | None = None
    spot: Spot = Spot()
    links: tuple[Link, ...] = ()


class Runs:
    """Reads pipelines. What has ended is looked at once for each time that it changed."""

    def __init__(self, api: GitlabApi, projects: Projects, gates: Gates, wanted: int) -> None:
        self.api = api
        self.projects = projects
        self.gates = gates
        self.wanted = wanted
        self._known: OrderedDict[Mark, About] = OrderedDict()
        self._graph = True
        self._links: OrderedDict[Place, tuple[Link, ...]] = OrderedDict()
        self._last: dict[str, list[Run]] = {}
        self._made: dict[str, tuple[Any, Home, dict[int, About], list[Run]]] = {}

    async def listing(self, notes: Sequence[str] = (), *, thrifty: bool = False) -> Listing:
        """The newest pipelines of each project; with `thrifty` nothing more. One that fails keeps the rows it had."""
        answers = await ask_each(self.projects.paths, self._newest)
        found = {path: _merged(pages, self.wanted) for path, pages in answers.good.items()}
        about, trouble = await self._look({} if thrifty else found)
        for path, payloads in found.items():
            self._last[path] = self._rows(path, answers.good[path], list(payloads.values()), about)
        return Listing(
            rows=settle(run for path in self.projects.paths for run in self._last.get(path, ())),
            partial="; ".join([*notes, *answers.told, *trouble]),
            budget=self.api.budget,
        )

    async def _newest(self, path: str) -> list[list[Json]]:
        """Pages of the project's pipelines. Pages may overlap when one was added in between."""
        pages: list[list[Json]] = []
        for number in range(1, -(-self.wanted // PER_PAGE) + 1):
            size = min(PER_PAGE, self.wanted)
            params = {"per_page": size, **({"page": number} if number > 1 else {})}
            body = await self.api.get(f"{root_of(path)}/pipelines", params, etag=True)
            if not isinstance(body, list):
                raise Malformed(
                    f"the pipelines of {path} were no list", source=self.api.source, mend=self.api.mend_malformed
                )
            pages.append(body)
            if len(body) < size:
                break
        return pages

    def _rows(self, path: str, pages: list[list[Json]], payloads: list[Json], about: Mapping[Mark, About]) -> list[Run]:
        home = self.projects.home(path)
        mine = {mark[1]: about[mark] for mark in (_mark(path, run) for run in payloads) if mark in about}
        before = self._made.get(path)
        if (
            before is not None and before[1:3] == (home, mine)
            and len(before[0]) == len(pages) and all(a is b for a, b in zip(before[0], pages, strict=True))
        ):  # fmt: skip
            return before[3]
        made = []
        for run in payloads:
            more = mine.get(whole(run.get("id")) or 0, About())
            made.append(mapping.run_record(run, home, detail=more.detail, spot=more.spot, more=more.links))
        made = with_medians(made)
        self._made[path] = (pages, home, mine, made)
        return made

    async def _look(self, found: Mapping[str, Mapping[int, Json]]) -> tuple[dict[Mark, About], list[str]]:
        """What goes on and what failed lately is looked at with its jobs, of the rest a few; the newest first."""
        now = self.api.server_now
        pairs = [(path, run) for path, runs in found.items() for run in runs.values()]
        pairs.sort(key=lambda pair: epoch(pair[1].get("updated_at")) or 0.0, reverse=True)
        moving = [pair for pair in pairs if mapping.in_flight(pair[1])]
        # What waits for somebody may do so for weeks: it must not take the places of what runs.
        moving = sorted(moving, key=lambda pair: mapping.word(pair[1]) == "manual")[:MOVING_LOOKUPS]
        new = [pair for pair in pairs if not mapping.in_flight(pair[1]) and _mark(*pair) not in self._known]
        failed = [
            pair for pair in new
            if mapping.word(pair[1]) == "failed" and now - (epoch(pair[1].get("updated_at")) or 0.0) < FRESH_S
        ][:FAILED_LOOKUPS]  # fmt: skip
        chosen = {_mark(*pair) for pair in failed}
        rest = [pair for pair in new if _mark(*pair) not in chosen][:DETAILS]
        asked = [*moving, *failed, *rest]
        jobs = {_mark(*pair) for pair in (*moving, *failed)}
        details = await self._many([*failed, *rest])
        answers = await together(
            self._about(path, run, details.get(_mark(path, run)), jobs=_mark(path, run) in jobs) for path, run in asked
        )
        fresh: dict[Mark, About] = {}
        trouble = ""
        for (path, run), answer in zip(asked, answers, strict=True):
            if isinstance(answer, About):
                fresh[_mark(path, run)] = answer
                if not mapping.in_flight(run):
                    self._known[_mark(path, run)] = answer
            elif isinstance(answer, QuarterdeckError):
                # A pipeline may vanish between the listing and this question; its row goes with the next listing.
                trouble = trouble if isinstance(answer, NotFound) else f"where runs stand: {answer.short}"
            else:
                raise answer
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return {**self._known, **fresh}, [trouble] if trouble else []

    async def _many(self, ended: Sequence[tuple[str, Json]]) -> dict[Mark, Json]:
        """What many pipelines that have ended took, a question for each project; nothing where that is not taken."""
        wanted: dict[str, list[Json]] = {}
        for path, run in ended:
            wanted.setdefault(path, []).append(run)
        many = [path for path, runs in wanted.items() if len(runs) >= MANY and self._graph]
        found: dict[Mark, Json] = {}
        for path, answer in zip(
            many, await together(graph.details(self.api, path, self.wanted) for path in many), strict=True
        ):
            if isinstance(answer, dict):
                found |= {
                    _mark(path, run): answer[id] for run in wanted[path] if (id := whole(run.get("id")) or 0) in answer
                }
            elif isinstance(answer, AuthFailed | RateLimited) or not isinstance(answer, QuarterdeckError):
                raise answer
            elif not isinstance(answer, Timeout):
                self._graph = False
        return found

    async def _about(self, path: str, run: Json, detail: Json | None = None, *, jobs: bool) -> About:
        place = Place(path, whole(run.get("id")) or 0)
        moving = mapping.in_flight(run)
        if detail is None:
            detail = await self.api.object(place.pipeline, etag=moving)
        links = await self._given(place) if text(run.get("source")) in GIVEN else ()
        if not jobs:
            return About(detail, links=links)
        listed = await self.jobs(place, etag=moving)
        spot = mapping.spot_of(listed)
        if mapping.word(run) == "manual":
            spot = await self.gates.spot(place, spot)
        return About(detail, spot, links)

    async def _given(self, place: Place) -> tuple[Link, ...]:
        """What its variables tie it to; they never change."""
        if place not in self._links:
            try:
                found = mapping.variable_links(await self.variables(place))
            except (Forbidden, NotFound):
                found = ()
            self._links[place] = found
            while len(self._links) > KEPT:
                self._links.popitem(last=False)
        return self._links[place]

    async def read(self, place: Place) -> Json:
        """A pipeline as it is now, past every cache."""
        return await self.api.object(place.pipeline)

    async def variables(self, place: Place) -> list[Json]:
        """What it was started with. Raises QuarterdeckError, Forbidden where our role may not see that."""
        return rows(await self.api.get(f"{place.pipeline}/variables"))

    async def jobs(self, place: Place, *, etag: bool = False) -> list[Json]:
        """Every attempt of its jobs, the newest first; at most 1,000. Retried ones are left out unless asked for."""
        path, params = f"{place.pipeline}/jobs", {"include_retried": "true"}
        if etag:
            found, more = await self.api.page(path, {**params, "per_page": 100}, etag=True)
            if not more:
                return list(found.values())
        return (await self.api.all(path, limit=1000, **params))[0]

    async def bridges(self, place: Place) -> list[Json]:
        """Its trigger jobs, with the pipelines that they made."""
        return (await self.api.all(f"{place.pipeline}/bridges", limit=200))[0]

    async def bridge(self, place: Place) -> Json | None:
        """The trigger job of a place, which GitLab answers 404 for as a job; None when it is none."""
        return next((each for each in await self.bridges(place) if whole(each.get("id")) == place.job), None)

    def record(self, run: Json, path: str) -> Run:
        """A pipeline read by itself, as a row; with what the last listing knew of it."""
        about = self._known.get(_mark(path, run), About())
        return mapping.run_record(run, self.projects.home(path), detail=run, spot=about.spot, more=about.links)


def _merged(pages: Sequence[Sequence[Json]], most: int) -> dict[int, Json]:
    found: dict[int, Json] = {}
    for page in pages:
        for id, run in known(page).items():
            found.setdefault(id, run)
    return dict(islice(found.items(), most))


def _mark(path: str, run: Json) -> Mark:
    return path, whole(run.get("id")) or 0, text(run.get("updated_at"))
