"""What waits on a controller, with the reason, and what its executors do.

https://www.jenkins.io/doc/book/using/remote-access-api/
https://javadoc.jenkins.io/hudson/model/Queue.html
https://javadoc.jenkins.io/hudson/model/Computer.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quarterdeck_adapters.ci.values import Json, rows, section, shown, text, whole
from quarterdeck_adapters.jenkins.api import Api
from quarterdeck_adapters.jenkins.places import Place, inside, job_of
from quarterdeck_lifecycle.errors import AuthFailed, NotFound, QuarterdeckError, RateLimited

ITEM = (
    "_class,id,why,inQueueSince,stuck,blocked,buildable,cancelled,executable[number,url],task[_class,name,url],"
    "actions[causes[_class,shortDescription,userId,userName],parameters[_class,name,value]]"
)
_FOLDERS = ("MultiBranchProject", "OrganizationFolder", "Folder")
_AT_WORK = "executors[currentExecutable[url]],oneOffExecutors[currentExecutable[url]]"


class Waiting(NamedTuple):
    """The queue: items of jobs, and what steps of running builds wait for, by job and number."""

    items: list[Json]
    steps: dict[tuple[str, int], str]


def job_waiting(item: Json) -> str:
    """The full name of the job that an item is of, or an empty string."""
    return job_of(text(section(item, "task").get("url")))[0]


class Line:
    """Reads the queue and the executors. A queue that cannot be read is as it was."""

    def __init__(self, api: Api, names: Sequence[str]) -> None:
        self.api = api
        self.names = list(names)
        self._last = Waiting([], {})

    def _ours(self, job: str) -> bool:
        return bool(job) and (not self.names or inside(job, self.names))

    async def waiting(self) -> Waiting:
        """What waits. Raises QuarterdeckError."""
        body = await self.api.fields("/queue", f"items[{ITEM}]")
        items, steps = [], {}
        for item in rows(body, "items"):
            job, number = job_of(text(section(item, "task").get("url")))
            # Folders that look for branches wait there, too; they make no builds.
            if not self._ours(job) or text(section(item, "task").get("_class")).endswith(_FOLDERS):
                continue
            if number:
                steps[job, number] = shown(item.get("why"), 200)
            elif (whole(item.get("id")) or 0) > 0:
                items.append(item)
        return Waiting(items, steps)

    async def known(self) -> tuple[Waiting, list[str]]:
        """What waits, or what waited when it could last be read, and what is said of that."""
        try:
            self._last = await self.waiting()
        except (AuthFailed, RateLimited):
            raise
        except QuarterdeckError as error:
            return self._last, [f"the queue: {error.short}"]
        return self._last, []

    async def item(self, place: Place) -> Json:
        """The item of the queue, which can be read for some minutes after it has left. Raises NotFound."""
        item = await self.api.fields(f"/queue/item/{place.queue}", ITEM)
        if job_waiting(item) != place.job:
            raise NotFound(f"no item {place.queue} of {place.job}", source=self.api.source)
        return item

    async def building(self) -> dict[str, set[int]]:
        """The numbers of the builds that go on, by job: one may wait for an approval for weeks, far behind the newest.

        Empty where the executors may not be seen.
        """
        try:
            body = await self.api.fields("/computer", f"computer[{_AT_WORK}]")
        except (AuthFailed, RateLimited):
            raise
        except QuarterdeckError:
            return {}
        found: dict[str, set[int]] = {}
        for computer in rows(body, "computer"):
            for executor in (*rows(computer, "executors"), *rows(computer, "oneOffExecutors")):
                job, number = job_of(text(section(executor, "currentExecutable").get("url")))
                if number and self._ours(job):
                    found.setdefault(job, set()).add(number)
        return found
