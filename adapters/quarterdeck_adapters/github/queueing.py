"""Why a run that has not begun still waits, when it is its concurrency group that holds it.

https://docs.github.com/en/rest/actions/concurrency-groups?apiVersion=2022-11-28
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from quarterdeck_adapters.ci.values import Json, rows, shown, text, whole
from quarterdeck_adapters.github.api import Api
from quarterdeck_adapters.github.places import Place
from quarterdeck_adapters.github.workflows import Workflows
from quarterdeck_lifecycle.errors import Forbidden, NotFound

PLAIN = "pending: it waits for its concurrency group, or for GitHub"
MOST_AHEAD = 3


def held(run: Json) -> bool:
    """Whether it is held before its first job is queued."""
    return text(run.get("status")) == "pending"


class Queueing:
    """Asks what is ahead of a run; an Enterprise server that cannot tell leaves the group that its file names."""

    def __init__(self, api: Api, workflows: Workflows) -> None:
        self.api = api
        self.workflows = workflows

    async def why(self, place: Place, run: Json, numbers: Mapping[int, str]) -> str:
        """In words. `numbers` are the names of known runs by their ids. Raises QuarterdeckError."""
        try:
            body = await self.api.object(f"{place.run}/concurrency_groups", etag=True)
        except (NotFound, Forbidden):
            return await self._by_file(place, run)
        for group in rows(body, "concurrency_groups"):
            waiting = [each for each in rows(group, "group_members") if (whole(each.get("position")) or 0) > 0]
            if waiting:
                name, job = text(group.get("group_name")), whole(waiting[0].get("job_id")) or 0
                return told(name, await self._ahead(place, name, job), numbers)
        return PLAIN

    async def _ahead(self, place: Place, group: str, job: int) -> list[Json]:
        path = f"{place.root}/actions/concurrency_groups/{quote(group, safe='')}"
        item = {"ahead_of_job": job} if job else {"ahead_of_run": place.number}
        try:
            body = await self.api.object(path, item, etag=True)
        except (NotFound, Forbidden):
            return []
        # The last one is the run or job that was asked about.
        return rows(body, "group_members")[:-1]

    async def _by_file(self, place: Place, run: Json) -> str:
        file = await self.workflows.declared(place, text(run.get("path")), text(run.get("head_sha")))
        return f"pending: it waits for its concurrency group {shown(file.group, 80)}" if file.group else PLAIN


def told(group: str, ahead: Sequence[Json], numbers: Mapping[int, str]) -> str:
    """The group, and what is ahead in it."""
    named = []
    for each in ahead[:MOST_AHEAD]:
        id = whole(each.get("run_id")) or 0
        name = numbers.get(id) or f"{shown(each.get('run_name'), 60)} ({id})"
        going = "runs" if text(each.get("status")) == "in_progress" else "waits too"
        named.append(f"{name} {going}")
    more = f" and {len(ahead) - MOST_AHEAD} more" if len(ahead) > MOST_AHEAD else ""
    behind = f" behind {', '.join(named)}{more}" if named else ""
    return f"concurrency group {shown(group, 80)}{behind}"
