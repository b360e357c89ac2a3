"""The runs pane: the newest builds, the requests that wait for one, and those that ended without.

What has ended does not change: only what is new since, and what goes on, is asked for at each refresh.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from quarterdeck_adapters.buildbot import mapping, queueing
from quarterdeck_adapters.buildbot.api import Api
from quarterdeck_adapters.buildbot.mapping import PROPERTIES, RETRY, Home, Known, Spot
from quarterdeck_adapters.buildbot.places import Place
from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.timing import with_medians
from quarterdeck_adapters.ci.values import Json, rows, shown, text, whole
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.superseded import settle

LIMIT = 100
"""Builds, and waiting requests, that are listed at most."""
WHOLE_S = 300.0
"""Seconds after which everything is read anew: builds are removed, a master's database is changed for another."""
LOOKUPS = 12
UNBUILT = 50
UNBUILT_S = 86_400.0
KEPT = 500


def ids(found: Iterable[Json], name: str) -> dict[int, Json]:
    """Payloads by their id, once each: pages overlap when something is added."""
    made: dict[int, Json] = {}
    for each in found:
        id = whole(each.get(name))
        if id is not None and id > 0:
            made.setdefault(id, each)
    return made


class Runs:
    """Reads builds and requests. `only` names the builders to show; none: all."""

    def __init__(self, api: Api, home: Home, only: Sequence[str]) -> None:
        self.api = api
        self.home = home
        self.only = only
        self.builders: dict[int, str] = {}
        self._read_at: float | None = None
        self._ended: OrderedDict[int, Json] = OrderedDict()
        self._moving: frozenset[int] = frozenset()
        self._waited: dict[int, Json] = {}
        self._unbuilt: OrderedDict[int, Json] = OrderedDict()
        self._buildsets: OrderedDict[int, tuple[tuple[Json, ...], str]] = OrderedDict()
        self._spots: OrderedDict[int, Spot] = OrderedDict()

    async def listing(self) -> Listing:
        """The newest builds and what waits, newest first. Raises QuarterdeckError."""
        trouble: list[str] = []
        whole_again = self._read_at is None or self.api.now() - self._read_at > WHOLE_S
        if whole_again:
            await self._builders()
        # Requests before builds: one that gets its worker between the two is then seen twice, and never missed.
        waiting = await self._waiting()
        builds = await self._builds(whole_again=whole_again)
        if not self._all_known(builds.values(), waiting.values()):
            await self._builders()
        requests = self._newest_of_each(builds.values(), waiting)
        waiting = {id: request for id, request in waiting.items() if id not in requests}
        await self._lost(waiting, requests)
        pending = {**waiting, **{id: asked for id, asked in self._unbuilt.items() if id not in requests}}
        reasons = await self._reasons(waiting, builds, trouble)
        await self._sources(pending.values(), trouble)
        spots = await self._spots_of([known.build for known in requests.values() if known.build is not None], trouble)
        made = [
            mapping.run_record(known, self.home, spot=spots.get(whole(known.build.get("buildid")) or 0, Spot()))
            for known in requests.values()
            if known.build is not None
        ]
        made += [
            mapping.run_record(self._asked(asked), self.home, queued_for=reasons.get(id, ""))
            for id, asked in pending.items()
        ]
        made.sort(key=lambda run: (run.created_at or 0.0, int(run.ref.id)), reverse=True)
        if len(waiting) >= LIMIT:
            trouble.append(f"only {LIMIT} of the requests that wait are shown")
        return Listing(rows=settle(with_medians(made)), partial="; ".join(trouble))

    async def _builders(self) -> None:
        found = ids(await self.api.rows("builders", "builders"), "builderid")
        self.builders = {id: text(each.get("name")) for id, each in found.items()}
        self._read_at = self.api.now()

    def _all_known(self, *payloads: Iterable[Json]) -> bool:
        return all((whole(each.get("builderid")) or 0) in self.builders for group in payloads for each in group)

    def _wanted(self) -> dict[str, list[int]]:
        mine = [id for id, name in self.builders.items() if name in self.only]
        return {"builderid": mine or [0]} if self.only else {}

    async def _waiting(self) -> dict[int, Json]:
        found = await self.api.rows(
            "buildrequests", "buildrequests", complete="false", claimed="false", order="-buildrequestid", limit=LIMIT,
            **self._wanted(),
        )  # fmt: skip
        return ids(found, "buildrequestid")

    async def _builds(self, *, whole_again: bool) -> dict[int, Json]:
        if not whole_again:
            since = min([*self._moving, max(self._ended, default=0) + 1])
            found = await self._page(buildid__ge=since)
            whole_again = not self._moving <= set(found)
        if whole_again:
            found = await self._page()
            self._ended.clear()
        for id in sorted(found):
            if found[id].get("complete") is True:
                self._ended[id] = found[id]
        self._moving = frozenset(id for id, build in found.items() if build.get("complete") is not True)
        while len(self._ended) > LIMIT:
            self._ended.popitem(last=False)
        return {**self._ended, **{id: found[id] for id in self._moving}}

    async def _page(self, **params: int) -> dict[int, Json]:
        found = await self.api.rows(
            "builds", "builds", order="-buildid", limit=LIMIT, property=list(PROPERTIES), **self._wanted(), **params
        )
        newest = sorted(ids(found, "buildid").items(), reverse=True)[:LIMIT]
        return dict(newest)

    def _newest_of_each(self, builds: Iterable[Json], waiting: dict[int, Json]) -> dict[int, Known]:
        """The requests that have a build, each with its newest one; one that waits to be retried is left out."""
        found: dict[int, Known] = {}
        for build in sorted(builds, key=lambda each: whole(each.get("buildid")) or 0):
            id, builder = whole(build.get("buildrequestid")) or 0, whole(build.get("builderid")) or 0
            attempt = found[id].attempt + 1 if id in found else 1
            found[id] = Known(id, self.builders.get(builder, f"builder {builder}"), builder, build, attempt=attempt)
        again = {id for id in waiting if id in found and whole((found[id].build or {}).get("results")) == RETRY}
        return {id: known for id, known in found.items() if id not in again}

    async def _lost(self, waiting: dict[int, Json], built: dict[int, Known]) -> None:
        """Look after requests that waited and are gone: cancelled, merged into another, or just being taken."""
        gone = [id for id in self._waited if id not in waiting and id not in built][:LOOKUPS]
        answers = await together(self.api.one(f"buildrequests/{id}", "buildrequests") for id in gone)
        taken: dict[int, Json] = {}
        for id, answer in zip(gone, answers, strict=True):
            if isinstance(answer, NotFound):
                continue
            if isinstance(answer, QuarterdeckError):
                taken[id] = self._waited[id]
            elif isinstance(answer, BaseException):
                raise answer
            elif answer.get("complete") is True:
                self._unbuilt[id] = answer
            else:
                taken[id] = answer
        self._waited = {**waiting, **taken}
        waiting.update(taken)
        for id, asked in list(self._unbuilt.items()):
            old = self.api.server_now - (mapping.seconds(asked.get("complete_at")) or 0.0) > UNBUILT_S
            if old or id in built or len(self._unbuilt) > UNBUILT:
                del self._unbuilt[id]

    async def _reasons(self, waiting: dict[int, Json], builds: dict[int, Json], trouble: list[str]) -> dict[int, str]:
        queued = {id: asked for id, asked in waiting.items() if asked.get("claimed") is not True}
        if not queued:
            return {}
        try:
            workers = await self.api.rows("workers", "workers")
        except QuarterdeckError as error:
            trouble.append(f"why requests wait is not known: {error.short}")
            return {}
        return {id: self.reason(asked, workers, queued, [builds[each] for each in self._moving if each in builds])
                for id, asked in queued.items()}  # fmt: skip

    def reason(self, asked: Json, workers: Sequence[Json], queued: dict[int, Json], moving: Sequence[Json]) -> str:
        """Why a request waits, by the workers, the other requests, and the builds that go on."""
        building: dict[int, list[str]] = {}
        # A worker does one build of a builder at a time: that of the same builder is what is waited for.
        for build in sorted(moving, key=lambda each: each.get("builderid") != asked.get("builderid")):
            name = self.builders.get(whole(build.get("builderid")) or 0, "another builder")
            building.setdefault(whole(build.get("workerid")) or 0, []).append(f"{shown(name)} #{build.get('number')}")

        def rank(request: Json) -> tuple[int, int]:
            return -(whole(request.get("priority")) or 0), whole(request.get("buildrequestid")) or 0

        mine = [each for each in queued.values() if each.get("builderid") == asked.get("builderid")]
        return queueing.why(asked, workers, building, sum(rank(each) < rank(asked) for each in mine))

    async def _sources(self, pending: Iterable[Json], trouble: list[str]) -> None:
        sets = [whole(asked.get("buildsetid")) or 0 for asked in pending]
        new = [id for id in dict.fromkeys(sets) if id and id not in self._buildsets][:LOOKUPS]
        for id, answer in zip(new, await together(self.buildset(id) for id in new), strict=True):
            if isinstance(answer, QuarterdeckError) and not isinstance(answer, NotFound):
                trouble.append(f"what request set {id} is for: {answer.short}")

    async def buildset(self, id: int) -> tuple[tuple[Json, ...], str]:
        """The sourcestamps of a request, and the reason that was given. They never change. Raises QuarterdeckError."""
        if id not in self._buildsets:
            found = await self.api.one(f"buildsets/{id}", "buildsets")
            self._buildsets[id] = tuple(rows(found, "sourcestamps")), text(found.get("reason"))
            while len(self._buildsets) > KEPT:
                self._buildsets.popitem(last=False)
        return self._buildsets[id]

    def _asked(self, asked: Json) -> Known:
        builder = whole(asked.get("builderid")) or 0
        sources, reason = self._buildsets.get(whole(asked.get("buildsetid")) or 0, ((), ""))
        name = self.builders.get(builder, f"builder {builder}")
        return Known(whole(asked.get("buildrequestid")) or 0, name, builder, None, asked, sources, reason)

    async def _spots_of(self, builds: Sequence[Json], trouble: list[str]) -> dict[int, Spot]:
        """Where builds stand that go on or have failed; that of an ended one is asked once."""
        newest = sorted(builds, key=lambda each: -(whole(each.get("buildid")) or 0))
        moving = [build for build in newest if mapping.word(build) == "running"][:LOOKUPS]
        failed = [build for build in newest if whole(build.get("results")) in mapping.BAD]
        new = [build for build in failed if whole(build.get("buildid")) not in self._spots][:LOOKUPS]
        asked = [whole(build.get("buildid")) or 0 for build in (*moving, *new)]
        found: dict[int, Spot] = {}
        answers = await together(self.api.rows(f"builds/{id}/steps", "steps") for id in asked)
        for id, build, answer in zip(asked, (*moving, *new), answers, strict=True):
            if isinstance(answer, NotFound):
                continue
            if isinstance(answer, QuarterdeckError):
                trouble.append(f"where build {id} stands: {answer.short}")
            elif isinstance(answer, BaseException):
                raise answer
            elif build.get("complete") is True:
                self._spots[id] = mapping.spot_of(build, answer)
            else:
                found[id] = mapping.spot_of(build, answer)
        while len(self._spots) > KEPT:
            self._spots.popitem(last=False)
        return {**self._spots, **found}

    async def read(self, place: Place) -> Known:
        """A run as it is now, past everything that was kept. Raises QuarterdeckError."""
        asked = await self.api.one(f"buildrequests/{place.request}", "buildrequests")
        path = f"buildrequests/{place.request}/builds"
        builds = await self.api.rows(path, "builds", property=list(PROPERTIES))
        if not self._all_known([asked]):
            await self._builders()
        builds = sorted(builds, key=lambda each: whole(each.get("buildid")) or 0)
        builder = whole(asked.get("builderid")) or 0
        sources, reason = await self.buildset(whole(asked.get("buildsetid")) or 0)
        retried = asked.get("claimed") is not True and asked.get("complete") is not True
        build = builds[-1] if builds and not retried else None
        name = self.builders.get(builder, f"builder {builder}")
        attempt = len(builds) + (1 if retried else 0)
        return Known(place.request, name, builder, build, asked, sources, reason, max(1, attempt))

    async def record(self, known: Known) -> Run:
        """A run that was read by itself, as a row. Raises QuarterdeckError."""
        queued = ""
        if known.build is None and mapping.request_word(known.asked) == "queued":
            queued = await self.why(known)
        spots = await self._spots_of([known.build], []) if known.build is not None else {}
        spot = spots.get(whole((known.build or {}).get("buildid")) or 0, Spot())
        return mapping.run_record(known, self.home, spot=spot, queued_for=queued)

    async def why(self, known: Known) -> str:
        """Why a request waits, read now. Raises QuarterdeckError."""
        workers = await self.api.rows("workers", "workers")
        moving = await self.api.rows("builds", "builds", complete="false", limit=LIMIT)
        return self.reason(known.asked, workers, {known.request: known.asked}, moving)

    async def steps(self, known: Known) -> list[Json]:
        """The steps of a run's build, in order; of one that waits none. Raises QuarterdeckError."""
        id = whole((known.build or {}).get("buildid"))
        return mapping.visible(await self.api.rows(f"builds/{id}/steps", "steps")) if id else []

    async def children(self, place: Place) -> list[Job]:
        """The steps as rows: those that failed first, the rest in their order. Raises QuarterdeckError."""
        known = await self.read(place)
        steps = sorted(await self.steps(known), key=lambda step: whole(step.get("results")) not in mapping.BAD)
        return [mapping.job_record(step, self.home, known) for step in steps]
