"""The pull requests pane: open ones, with their checks, reviews and whether they can be merged.

What is beyond the listing is asked again when the pull request, its head or its checks move, and every five minutes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from quarterdeck_adapters.ci.asking import ask_each
from quarterdeck_adapters.ci.sections import trouble_order
from quarterdeck_adapters.ci.values import Json, epoch, rows, section, sha_of, text, whole
from quarterdeck_adapters.github import pull_mapping
from quarterdeck_adapters.github.api import Api, together
from quarterdeck_adapters.github.mapping import Home
from quarterdeck_adapters.github.places import Place
from quarterdeck_adapters.github.pull_mapping import PullFacts
from quarterdeck_lifecycle.errors import Forbidden, NotFound, QuarterdeckError
from quarterdeck_lifecycle.kinds import Job, PullRequest
from quarterdeck_lifecycle.ports import Listing

PER_PAGE = 50
LOOKUPS = 20
AGAIN_S = 300.0
FIRST_CHECKS_S = 120.0
"""How long after a push its first check may take to appear."""
KEPT = 500
Key = tuple[str, int]
Stamp = tuple[str, str, str]


class Known(NamedTuple):
    """What was found out of a pull request, for which state of it, and when."""

    stamp: Stamp
    at: float
    facts: PullFacts


class Pulls:
    """Reads pull requests."""

    def __init__(
        self,
        api: Api,
        slugs: Sequence[str],
        home: Callable[[str], Home],
        moving_heads: Callable[[], set[str]],
        *,
        learn: Callable[[str, str], None] = lambda _slug, _branch: None,
    ) -> None:
        """`learn` is told the default branch of a repository, which the listing of its pull requests happens to say."""
        self.api = api
        self.slugs = slugs
        self.home = home
        self._moving_heads = moving_heads
        self._learn = learn
        self._known: OrderedDict[Key, Known] = OrderedDict()
        self._last: dict[str, list[PullRequest]] = {}
        self._viewer: str | None = None
        self.foreign: OrderedDict[str, Job] = OrderedDict()

    async def viewer(self) -> str:
        """Who we are to GitHub; empty for an installation's token or none. Asked once."""
        if self._viewer is None:
            if not self.api.credential.configured:
                self._viewer = ""
                return ""
            try:
                self._viewer = text((await self.api.object("/user")).get("login"))
            except (Forbidden, NotFound):
                self._viewer = ""
        return self._viewer

    @property
    def known_viewer(self) -> str:
        """As `viewer`, without asking."""
        return self._viewer or ""

    async def listing(self, notes: Sequence[str] = (), *, thrifty: bool = False) -> Listing:
        """The open pull requests of each repository; with `thrifty` nothing more. One that fails keeps its rows."""
        answers = await ask_each(self.slugs, self._open)
        viewer = await self.viewer()
        pulls = [(slug, number, pull) for slug, (found, _) in answers.good.items() for number, pull in found.items()]
        trouble = await self._look([] if thrifty else pulls)
        for slug, (found, _) in answers.good.items():
            for pull in found.values():
                if branch := text(section(section(pull, "base"), "repo").get("default_branch")):
                    self._learn(slug, branch)
                    break
            home = self.home(slug)
            self._last[slug] = [
                pull_mapping.pull_record(pull, home, self._facts(slug, number), viewer)
                for number, pull in found.items()
            ]
        cut = [f"{slug}: the {PER_PAGE} last updated" for slug, (_, more) in answers.good.items() if more]
        return Listing(
            rows=[pull for slug in self.slugs for pull in self._last.get(slug, ())],
            partial="; ".join([*notes, *answers.told, *cut, *trouble]),
            budget=self.api.budget,
        )

    async def _open(self, slug: str) -> tuple[dict[int, Json], bool]:
        params = {"state": "open", "sort": "updated", "direction": "desc", "per_page": PER_PAGE}
        found, more = await self.api.page(f"/repos/{slug}/pulls", params, etag=True)
        by_number = {whole(pull.get("number")) or 0: pull for pull in found.values()}
        return {number: pull for number, pull in by_number.items() if number > 0}, more

    def _facts(self, slug: str, number: int) -> PullFacts:
        known = self._known.get((slug, number))
        return known.facts if known else PullFacts()

    def _stale(self, slug: str, number: int, pull: Json) -> bool:
        known = self._known.get((slug, number))
        if known is None or known.stamp != _stamp(pull) or self.api.now() - known.at > AGAIN_S:
            return True
        checks = known.facts.checks
        if checks is None or not checks.settled or not known.facts.mergeable:
            return True
        pushed = self.api.server_now - (epoch(pull.get("updated_at")) or 0.0)
        return head_of(pull) in self._moving_heads() or (not checks.counts and pushed < FIRST_CHECKS_S)

    async def _look(self, pulls: list[tuple[str, int, Json]]) -> list[str]:
        stale = [each for each in pulls if self._stale(*each)]
        stale.sort(key=lambda each: epoch(each[2].get("updated_at")) or 0.0, reverse=True)
        # Those that were never asked come first, so that many open ones are all known after a few refreshes.
        stale.sort(key=lambda each: (each[0], each[1]) in self._known)
        now, trouble = stale[:LOOKUPS], ""
        answers = await together(self.facts(slug, number, pull) for slug, number, pull in now)
        for (slug, number, pull), answer in zip(now, answers, strict=True):
            if isinstance(answer, PullFacts):
                self._known[slug, number] = Known(_stamp(pull), self.api.now(), answer)
            elif not isinstance(answer, QuarterdeckError):
                raise answer
            elif not isinstance(answer, NotFound):
                trouble = f"checks and reviews: {answer.short}"
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        later = sum((slug, number) not in self._known for slug, number, _ in stale[LOOKUPS:])
        return [line for line in (trouble, f"checks of {later} pull requests follow" if later else "") if line]

    async def facts(self, slug: str, number: int, pull: Json) -> PullFacts:
        """Checks, reviews and mergeability as they are now."""
        place = Place(slug, number)
        checks, reviews, whole_pull = await asyncio.gather(
            self.checks(slug, head_of(pull)), self.reviews(place), self.api.object(place.pull, etag=True)
        )
        return PullFacts(
            pull_mapping.count(*checks), pull_mapping.reviewed(reviews, whole_pull),
            pull_mapping.mergeable_word(whole_pull),
        )  # fmt: skip

    async def checks(self, slug: str, sha: str) -> tuple[list[Json], list[Json]]:
        """The check runs of a commit, and the statuses that other systems posted on it."""
        if not sha:
            return [], []
        root = f"/repos/{slug}/commits/{sha}"
        (found, _), statuses = await asyncio.gather(
            self.api.page(f"{root}/check-runs", {"per_page": 100}, "check_runs", etag=True), self._statuses(root)
        )
        return list(found.values()), statuses

    async def _statuses(self, root: str) -> list[Json]:
        try:
            return rows(await self.api.object(f"{root}/status", {"per_page": 100}, etag=True), "statuses")
        except (Forbidden, NotFound):
            # A permission of its own, which many tokens lack; check runs are what Actions reports by.
            return []

    async def reviews(self, place: Place) -> list[Json]:
        """The reviews, oldest first."""
        found, more = await self.api.page(f"{place.pull}/reviews", {"per_page": 100}, etag=True)
        return (await self.api.all(f"{place.pull}/reviews"))[0] if more else list(found.values())

    async def read(self, place: Place) -> Json:
        """A pull request as it is now, past every cache."""
        return await self.api.object(place.pull)

    async def children(self, place: Place) -> list[Job]:
        """The checks of the head as rows: the failed first. Those of Actions are their jobs."""
        home = self.home(place.slug)
        checks, statuses = await self.checks(place.slug, head_of(await self.read(place)))
        made = [pull_mapping.check_record(check, home) for check in checks]
        made += [pull_mapping.status_record(status, home) for status in statuses]
        for record in made:
            if not record.run:
                self.foreign[record.ref.id] = record
                self.foreign.move_to_end(record.ref.id)
        while len(self.foreign) > KEPT:
            self.foreign.popitem(last=False)
        return sorted(made, key=trouble_order)

    async def record(self, pull: Json, place: Place) -> PullRequest:
        """A pull request read by itself, as a row."""
        return pull_mapping.pull_record(
            pull, self.home(place.slug), self._facts(place.slug, place.number), await self.viewer()
        )


def head_of(pull: Json) -> str:
    """The commit that a pull request proposes; empty when it names none."""
    return sha_of(section(pull, "head").get("sha"))


def _stamp(pull: Json) -> Stamp:
    return text(pull.get("updated_at")), head_of(pull), text(section(pull, "base").get("sha"))
