"""What Jenkins' verbs share: what the operator saw, the write, and finding what it made.

https://www.jenkins.io/doc/book/using/remote-access-api/#submitting-jobs
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck_adapters.ci.acting import CiAction
from quarterdeck_adapters.ci.values import Json, rows, whole
from quarterdeck_adapters.http import Answer
from quarterdeck_adapters.jenkins import checkouts, mapping
from quarterdeck_adapters.jenkins.api import Api
from quarterdeck_adapters.jenkins.places import Place, item_of, job_in, path_of, run_id
from quarterdeck_adapters.jenkins.queueing import job_waiting
from quarterdeck_lifecycle.errors import Conflict, Forbidden, NotFound, Unsupported
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.jenkins.adapter import JenkinsSource

KEPT = 100
NEWEST = "builds[number,queueId,actions[causes[_class,userId]]]{0,20}"
_JOINED = "it joined an equal item that waited already: Jenkins made no second one"


class Seen(NamedTuple):
    """What the operator saw of a run: the build's number (0 in the queue), and its state."""

    number: int
    state: str

    def __str__(self) -> str:
        return f"#{self.number}, {self.state}" if self.number else f"an item of the queue, {self.state}"


class Sent(NamedTuple):
    """What there was of a job right before the write: queue ids of builds and items; and what the answer named."""

    known: frozenset[int]
    item: int = 0


class JenkinsAction(CiAction["JenkinsSource"]):
    """One verb."""

    @property
    def api(self) -> Api:
        """The calls of the source."""
        return self.source.api

    def denied(self, record: Record) -> str | None:
        return self.source.rights.denied(self.verb, job_in(record.ref.id))

    def place(self, ref: Ref) -> Place:
        """What the ref names. Raises NotFound, Unsupported."""
        if ref.kind != self.kind:
            raise Unsupported(f"{self.verb} is not for a {ref.kind}", source=self.source.name)
        return self.source.place(ref)

    async def seen(self, place: Place) -> tuple[Seen, Run, Json]:
        """The run as it is now. Raises NotFound."""
        run, payload = await self.source.runs.run(place)
        number = int(run.number) if run.number.isdigit() else 0
        return Seen(number, run.state), run, payload

    async def post(self, job: str, path: str, form: Mapping[str, str] | None = None) -> Answer:
        """Send the write once. A permission that is missing is remembered."""
        try:
            return await self.api.post(path, form)
        except Forbidden as error:
            self.source.rights.refused(self.verb, job, error)
            raise


class Making(JenkinsAction):
    """A verb that makes a new build: it is found by the queue item that the answer names, or by what is new since."""

    def __init__(self, source: JenkinsSource) -> None:
        super().__init__(source)
        self._sent: OrderedDict[str, Sent] = OrderedDict()

    def key(self) -> str:
        """A name for one preview: what it makes is remembered under it, for its inverse."""
        return secrets.token_hex(8)

    async def _ours(self, job: str) -> dict[int, tuple[int, str]]:
        """Queue id to (number or 0, user) of the newest builds and the items of a job."""
        found: dict[int, tuple[int, str]] = {}
        for item in (await self.source.runs.line.waiting()).items:
            if job_waiting(item) == job:
                found[whole(item.get("id")) or 0] = (0, checkouts.actor(rows(item, "actions")))
        for build in rows(await self.api.fields(path_of(job), NEWEST), "builds"):
            if queue := mapping.queue_of(build):
                found[queue] = (mapping.number_of(build), checkouts.actor(rows(build, "actions")))
        return found

    async def make(self, key: str, job: str, path: str, form: Mapping[str, str] | None) -> str:
        """Note what there is, send it once, and note which item the answer names."""
        self._remember(key, Sent(frozenset(await self._ours(job))))
        answer = await self.post(job, path, form)
        item = item_of(answer.headers.get("location", ""))
        self._remember(key, self._sent[key]._replace(item=item))
        return f"Jenkins accepted it ({answer.status})"

    def _remember(self, key: str, sent: Sent) -> None:
        self._sent[key] = sent
        while len(self._sent) > KEPT:
            self._sent.popitem(last=False)

    async def found(self, preview: Preview, key: str, job: str) -> Outcome:
        """The run that it made. Several that fit, or none in time, leave the outcome unknown."""
        sent = self._sent.get(key)
        if sent is None:
            return Outcome(verified=False, message="nothing was sent: what there is could not be read first")

        async def made() -> list[int] | None:
            if sent.item:
                return [sent.item]
            now = await self._ours(job)
            new = [id for id, (_, user) in now.items() if id not in sent.known and self._mine(user)]
            return new or None

        ids = await self.until(made, preview, "no new build of it is in the queue or listed")
        if len(ids) > 1:
            raise Conflict(
                "which run it made is not certain", source=self.source.name,
                why=f"{len(ids)} began since, by the same user", mend="look at their rows",
            )  # fmt: skip
        place = Place(job, ids[0])
        self.source.made[key] = (self.place(preview.ref).run, place.run)
        while len(self.source.made) > KEPT:
            self.source.made.pop(next(iter(self.source.made)))
        joined = sent.item in sent.known
        try:
            run = (await self.source.runs.run(place))[0]
        except NotFound as error:
            return Outcome(verified=False, message=f"the queue item {ids[0]} is gone: {error.why or error.what}")
        message = f"{_JOINED}; " if joined else ""
        message += f"in the queue: {run.queued_for}" if run.state == "queued" else f"{run.name} is {run.state}"
        return Outcome(verified=True, message=message, observed=str(Ref(self.source.name, "run", run_id(*place[:2]))))

    def _mine(self, user: str) -> bool:
        me = self.source.me.casefold()
        return not me or user.casefold() == me
