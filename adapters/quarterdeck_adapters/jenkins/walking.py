"""The walk through folders and multibranch projects: one request for each configured name, bounded in depth.

https://www.jenkins.io/doc/book/using/remote-access-api/#remote-api-with-tree
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.values import Json, rows, section, text, whole
from quarterdeck_adapters.jenkins.api import Api
from quarterdeck_adapters.jenkins.mapping import Found, instant
from quarterdeck_adapters.jenkins.places import job_of, path_of
from quarterdeck_lifecycle.errors import AuthFailed, Malformed, NotFound, QuarterdeckError, RateLimited

DEPTH = 4
"""Folders inside each other that are looked into, below a configured name."""
_FIELDS = "_class,name,displayName,url,color,buildable,actions[_class],lastBuild[number,timestamp]"
_MULTI = ("WorkflowMultiBranchProject", "MultiBranchProject")


def tree(depth: int = DEPTH) -> str:
    """What is asked of a job or folder: so deep, and of each only what is used."""
    fields = _FIELDS
    for _ in range(depth):
        fields = f"{_FIELDS},jobs[{fields}]"
    return fields


def _multibranch(item: Json) -> bool:
    return text(item.get("_class")).endswith(_MULTI)


def _primary(job: Json) -> bool:
    return any("PrimaryInstanceMetadata" in text(each.get("_class")) for each in rows(job, "actions"))


def found_job(job: Json, name: str, *, branch: str = "", primary: str = "") -> Found:
    """A job of the walk. `branch` is its branch in a multibranch project, `primary` that of the default one."""
    last = section(job, "lastBuild")
    return Found(
        name, branch, primary, max(0, whole(last.get("number")) or 0), instant(last.get("timestamp")) or 0.0,
        text(job.get("color")).endswith("_anime"),
    )  # fmt: skip


def jobs_in(item: Json, name: str) -> list[Found]:
    """The jobs inside an item, itself where it is one, in the order of Jenkins. Pure."""
    listed = item.get("jobs")
    if not isinstance(listed, list):
        return [found_job(item, name)] if name and ("lastBuild" in item or "color" in item) else []
    inside = rows(listed)
    multi = _multibranch(item)
    primary = next((text(job.get("displayName")) for job in inside if _primary(job)), "") if multi else ""
    made = []
    for each in inside:
        own = job_of(text(each.get("url")))[0]
        if not own:
            continue
        if multi and not isinstance(each.get("jobs"), list):
            branch = text(each.get("displayName")) or text(each.get("name"))
            made.append(found_job(each, own, branch=branch, primary=primary))
        else:
            made += jobs_in(each, own)
    return made


class Walk:
    """Finds the jobs of the configured names; a name that fails keeps the jobs that it had."""

    def __init__(self, api: Api, names: Sequence[str]) -> None:
        self.api = api
        self.names = list(names)
        self.jobs: dict[str, Found] = {}
        self._last: dict[str, list[Found]] = {}

    async def walk(self) -> tuple[list[Found], list[str]]:
        """The jobs, once each, and what could not be looked into. Raises QuarterdeckError when nothing answers."""
        names = self.names or [""]
        answers = await together(self._one(name) for name in names)
        notes: list[str] = []
        errors: list[QuarterdeckError] = []
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, AuthFailed | RateLimited):
                raise answer
            if isinstance(answer, QuarterdeckError):
                errors.append(answer)
                notes.append(f"{name or 'the folders'}: {answer.short}")
                if isinstance(answer, NotFound):
                    self._last.pop(name, None)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                self._last[name] = answer
        if len(errors) == len(names):
            raise errors[0]
        found = {job.name: job for name in names for job in self._last.get(name, ())}
        self.jobs = found
        return list(found.values()), notes

    async def _one(self, name: str) -> list[Found]:
        item = await self.api.fields(path_of(name), tree() if name else f"jobs[{tree()}]")
        if name and (not item or ("jobs" not in item and "lastBuild" not in item and "color" not in item)):
            raise Malformed(f"{name} is neither a folder nor a job", source=self.api.source)
        if not name and not isinstance(item.get("jobs"), list):
            raise Malformed(
                "the jobs were no list", source=self.api.source, mend="check that this is the url of a Jenkins"
            )
        parent = name.rpartition("/")[0]
        if name and parent and not isinstance(item.get("jobs"), list):
            return [await self._alone(item, name, parent)]
        return jobs_in(item, name)

    async def _alone(self, item: Json, name: str, parent: str) -> Found:
        """A job that was named itself: whether it is a branch, its parent says."""
        try:
            above: Mapping[str, object] = await self.api.fields(path_of(parent), "_class")
        except NotFound:
            above = {}
        branch = text(item.get("displayName")) if _multibranch(above) else ""
        return found_job(item, name, branch=branch, primary=branch if branch and _primary(item) else "")

    async def job(self, name: str) -> Found:
        """A job by its name, from the last walk or asked for now. Raises NotFound."""
        known = self.jobs.get(name)
        if known is not None:
            return known
        item = await self.api.fields(path_of(name), _FIELDS)
        found = await self._alone(item, name, name.rpartition("/")[0])
        self.jobs[name] = found
        return found
