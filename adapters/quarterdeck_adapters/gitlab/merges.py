"""The merge requests: open ones, with the jobs of their head's pipeline, approvals and whether they can be merged.

What is beyond the listing is asked again when the merge request moves, while its pipeline runs, and every five minutes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.asking import ask_each
from quarterdeck_adapters.ci.values import Json, epoch, known, rows, text, whole
from quarterdeck_adapters.gitlab import merge_mapping
from quarterdeck_adapters.gitlab.api import GitlabApi
from quarterdeck_adapters.gitlab.merge_mapping import MergeFacts, Reviews
from quarterdeck_adapters.gitlab.places import Place, root_of
from quarterdeck_adapters.gitlab.projects import Projects
from quarterdeck_adapters.gitlab.runs import Runs
from quarterdeck_lifecycle.errors import Forbidden, Malformed, NotFound, QuarterdeckError
from quarterdeck_lifecycle.kinds import PullRequest
from quarterdeck_lifecycle.ports import Listing

PER_PAGE = 50
LOOKUPS = 20
AGAIN_S = 300.0
KEPT = 500
Key = tuple[str, int]


class Known(NamedTuple):
    """What was found out of a merge request, for which state of it, and when."""

    stamp: tuple[str, str]
    at: float
    facts: MergeFacts


class Merges:
    """Reads merge requests."""

    def __init__(self, api: GitlabApi, projects: Projects, runs: Runs) -> None:
        self.api = api
        self.projects = projects
        self.runs = runs
        self._known: OrderedDict[Key, Known] = OrderedDict()
        self._last: dict[str, list[PullRequest]] = {}

    async def listing(self, notes: Sequence[str] = (), *, thrifty: bool = False) -> Listing:
        """The open merge requests of each project; with `thrifty` nothing more. One that fails keeps its rows."""
        answers = await ask_each(self.projects.paths, self._open)
        viewer = await self.projects.viewer()
        found = [(path, number, each) for path, (listed, _) in answers.good.items() for number, each in listed.items()]
        trouble = await self._look([] if thrifty else found)
        for path, (all_of, _) in answers.good.items():
            home = self.projects.home(path)
            self._last[path] = [
                merge_mapping.record(merge, home, self._facts(path, number), viewer)
                for number, merge in all_of.items()
            ]
        cut = [f"{path}: the {PER_PAGE} last updated" for path, (_, more) in answers.good.items() if more]
        return Listing(
            rows=[row for path in self.projects.paths for row in self._last.get(path, ())],
            partial="; ".join([*notes, *answers.told, *cut, *trouble]),
            budget=self.api.budget,
        )

    async def _open(self, path: str) -> tuple[dict[int, Json], bool]:
        params = {"state": "opened", "order_by": "updated_at", "sort": "desc", "per_page": PER_PAGE}
        body = await self.api.get(f"{root_of(path)}/merge_requests", params, etag=True)
        if not isinstance(body, list):
            raise Malformed(
                f"the merge requests of {path} were no list", source=self.api.source, mend=self.api.mend_malformed
            )
        numbered = {whole(merge.get("iid")) or 0: merge for merge in known(body).values()}
        return {number: merge for number, merge in numbered.items() if number > 0}, len(body) >= PER_PAGE

    def _facts(self, path: str, number: int) -> MergeFacts:
        found = self._known.get((path, number))
        return found.facts if found else MergeFacts()

    def _stale(self, path: str, number: int, merge: Json) -> bool:
        found = self._known.get((path, number))
        if found is None or found.stamp != _stamp(merge) or self.api.now() - found.at > AGAIN_S:
            return True
        counts = found.facts.checks
        return counts is None or bool(counts.get("running") or counts.get("waiting"))

    async def _look(self, found: list[tuple[str, int, Json]]) -> list[str]:
        stale = [each for each in found if self._stale(*each)]
        stale.sort(key=lambda each: epoch(each[2].get("updated_at")) or 0.0, reverse=True)
        stale.sort(key=lambda each: (each[0], each[1]) in self._known)
        now, trouble = stale[:LOOKUPS], ""
        answers = await together(self.facts(Place(path, number), merge) for path, number, merge in now)
        for (path, number, merge), answer in zip(now, answers, strict=True):
            if isinstance(answer, MergeFacts):
                self._known[path, number] = Known(_stamp(merge), self.api.now(), answer)
            elif not isinstance(answer, QuarterdeckError):
                raise answer
            elif not isinstance(answer, NotFound):
                trouble = f"checks and approvals: {answer.short}"
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        later = sum((path, number) not in self._known for path, number, _ in stale[LOOKUPS:])
        return [line for line in (trouble, f"checks of {later} merge requests follow" if later else "") if line]

    async def facts(self, place: Place, merge: Json) -> MergeFacts:
        """Approvals, and the jobs of the newest pipeline of its head, as they are now."""
        reviews = await self.reviews(place, merge)
        pipeline = await self.head_pipeline(place, merge)
        if pipeline is None:
            return MergeFacts({}, (), reviews)
        counts, failed = merge_mapping.checks_of(await self.runs.jobs(pipeline, etag=True))
        return MergeFacts(counts, failed, reviews)

    async def reviews(self, place: Place, merge: Json) -> Reviews:
        """The approvals; nothing where they may not be read."""
        try:
            return merge_mapping.reviews_of(await self.api.object(f"{place.merge}/approvals", etag=True), merge)
        except (Forbidden, NotFound):
            return merge_mapping.reviews_of({}, merge)

    async def head_pipeline(self, place: Place, merge: Json) -> Place | None:
        """The newest pipeline of the commit that it proposes."""
        for each in rows(await self.api.get(f"{place.merge}/pipelines", {"per_page": 20}, etag=True)):
            id = whole(each.get("id"))
            if id and text(each.get("sha")) == merge_mapping.head_of(merge):
                return place._replace(number=id)
        return None

    async def read(self, place: Place) -> Json:
        """A merge request as it is now, past every cache."""
        return await self.api.object(place.merge)

    async def record(self, merge: Json, place: Place) -> PullRequest:
        """A merge request read by itself, as a row."""
        facts = self._facts(place.path, place.number)
        return merge_mapping.record(merge, self.projects.home(place.path), facts, await self.projects.viewer())


def _stamp(merge: Json) -> tuple[str, str]:
    return text(merge.get("updated_at")), merge_mapping.head_of(merge)
