"""The deployments of every repository: what each environment has, what is under way, what waits for an approval.

A deployment's state is in its statuses, one question for each deployment: what has ended is asked once, the newest of
each environment first and a few in each refresh.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from quarterdeck_adapters.ci.asking import ask_each
from quarterdeck_adapters.ci.values import Json, epoch, known, rows, text, whole
from quarterdeck_adapters.github import deployment_mapping as mapped
from quarterdeck_adapters.github.api import Api, together
from quarterdeck_adapters.github.deployment_mapping import Gate, Told
from quarterdeck_adapters.github.mapping import Home
from quarterdeck_adapters.github.places import Place
from quarterdeck_lifecycle.errors import Malformed, NotFound, QuarterdeckError
from quarterdeck_lifecycle.kinds import Deployment
from quarterdeck_lifecycle.ports import Listing

PER_PAGE = 20
LOOKUPS = 20
FRESH_S = 7 * 86_400.0
KEPT = 2000
Mark = tuple[str, int]


class Asked(NamedTuple):
    """What was found of a deployment when it was last changed at `updated`, in the forge's writing."""

    updated: str
    told: Told
    gate: Gate | None


class Read(NamedTuple):
    """A deployment as it is now: its payload, its statuses newest first, and what it waits for."""

    deployment: Json
    statuses: list[Json]
    told: Told
    gate: Gate | None


class Deployments:
    """Reads deployments, their statuses, and the approvals that their runs wait for."""

    def __init__(self, api: Api, slugs: Sequence[str], home: Callable[[str], Home]) -> None:
        self.api = api
        self.slugs = slugs
        self.home = home
        self._asked: OrderedDict[Mark, Asked] = OrderedDict()
        self._last: dict[str, list[Deployment]] = {}

    async def listing(self, notes: Sequence[str] = (), *, thrifty: bool = False) -> Listing:
        """The newest 20 of each repository, as far as their states are known; with `thrifty` no state is asked for.

        One whose state is not known yet is left out and counted in `partial`: a state that is only read later would
        pass for a change. Raises QuarterdeckError.
        """
        answers = await ask_each(self.slugs, self._newest)
        payloads = {slug: list(known(body).values()) for slug, body in answers.good.items()}
        trouble = [] if thrifty else await self._look(payloads)
        for slug, found in payloads.items():
            self._last[slug] = self._rows(slug, found)
        unread = sum(len(found) - len(self._last[slug]) for slug, found in payloads.items())
        if unread:
            trouble = [*trouble, f"{unread} deployments whose states are not read yet"]
        return Listing(
            rows=[row for slug in self.slugs for row in self._last.get(slug, ())],
            partial="; ".join([*notes, *answers.told, *trouble]),
            budget=self.api.budget,
        )

    async def _newest(self, slug: str) -> list[Json]:
        body = await self.api.get(f"/repos/{slug}/deployments", {"per_page": PER_PAGE}, etag=True)
        if not isinstance(body, list):
            mend = "check that this is GitHub's API"
            raise Malformed(f"the deployments of {slug} were no list", source=self.api.source, mend=mend)
        return body

    def _rows(self, slug: str, found: list[Json]) -> list[Deployment]:
        home = self.home(slug)
        found.sort(key=mapped.newest_first)
        asked = {mark[1]: self._asked[mark] for each in found if (mark := _mark(slug, each)) in self._asked}
        told = {id: each.told for id, each in asked.items()}
        current = mapped.currents(found, told)
        passed: set[str] = set()
        made = []
        for each in found:
            id, place = whole(each.get("id")) or 0, text(each.get("environment"))
            if id in asked:
                now = current.get(place) == id
                made.append(
                    mapped.record(
                        each, home, told[id], current=now, superseded=place in passed, gate=asked[id].gate
                    )
                )
            if current.get(place) == id:
                passed.add(place)
        return made

    async def _look(self, payloads: Mapping[str, list[Json]]) -> list[str]:
        """Ask what is under way again, and of the rest what is not known: the newest of each environment first."""
        now = self.api.server_now
        moving: list[tuple[str, Json]] = []
        unknown: list[tuple[int, float, str, Json]] = []
        for slug, found in payloads.items():
            depth: dict[str, int] = {}
            for each in sorted(found, key=mapped.newest_first):
                place, made = text(each.get("environment")), epoch(each.get("created_at")) or 0.0
                depth[place] = depth.get(place, -1) + 1
                last = self._asked.get(_mark(slug, each))
                if last is None or last.updated != text(each.get("updated_at")):
                    unknown.append((depth[place], -made, slug, each))
                elif last.told.state in mapped.IN_FLIGHT and now - made < FRESH_S:
                    moving.append((slug, each))
        unknown.sort(key=lambda each: each[:3])
        asked = [*moving, *((slug, each) for _, _, slug, each in unknown)][:LOOKUPS]
        trouble = ""
        for error in await together(self._ask(slug, each) for slug, each in asked):
            # One that vanished since the listing goes with the next.
            if isinstance(error, QuarterdeckError) and not isinstance(error, NotFound):
                trouble = f"states of deployments: {error.short}"
            elif isinstance(error, BaseException) and not isinstance(error, NotFound):
                raise error
        while len(self._asked) > KEPT:
            self._asked.popitem(last=False)
        return [trouble] if trouble else []

    async def _ask(self, slug: str, deployment: Json) -> None:
        mark = _mark(slug, deployment)
        place = Place(slug, mark[1])
        statuses = await self.api.get(f"{place.deployment}/statuses", {"per_page": 100}, etag=mark in self._asked)
        last = mapped.told(statuses, slug)
        gate = None
        if last.state in mapped.IN_FLIGHT:
            gate = await self.gate(place, deployment, last)
        self._asked[mark] = Asked(text(deployment.get("updated_at")), last, gate)
        self._asked.move_to_end(mark)

    async def gate(self, place: Place, deployment: Json, last: Told, *, etag: bool = True) -> Gate | None:
        """What its run waits for at its environment; None when it does not, or names no run."""
        run = mapped.run_named(deployment, last)[0]
        if not run or last.state not in ("pending", "waiting"):
            return None
        path = f"{place._replace(number=run).run}/pending_deployments"
        try:
            pending = rows(await self.api.get(path, etag=etag))
        except NotFound:
            return None
        return mapped.gate_of(pending, text(deployment.get("environment")))

    async def read(self, place: Place) -> Read:
        """A deployment, past every cache. Raises QuarterdeckError."""
        deployment = await self.api.object(place.deployment)
        statuses = rows(await self.api.get(f"{place.deployment}/statuses", {"per_page": 100}))
        last = mapped.told(statuses, place.slug)
        return Read(deployment, statuses, last, await self.gate(place, deployment, last, etag=False))

    def record(self, read: Read, slug: str) -> Deployment:
        """A deployment read by itself, as a row; with what the last listing knew of its environment."""
        ref = self.home(slug).ref("deployment", whole(read.deployment.get("id")) or 0)
        before = next((row for row in self._last.get(slug, ()) if row.ref == ref), None)
        current = before is not None and before.current
        return mapped.record(read.deployment, self.home(slug), read.told, current=current, gate=read.gate)

    async def now_there(self, place: Place, environment: str) -> Json | None:
        """The newest deployment of an environment, whatever its state; None where there is none."""
        found = await self.api.get(f"{place.root}/deployments", {"environment": environment, "per_page": 10})
        return min(known(found).values(), key=mapped.newest_first, default=None)


def _mark(slug: str, deployment: Json) -> Mark:
    return slug, whole(deployment.get("id")) or 0
