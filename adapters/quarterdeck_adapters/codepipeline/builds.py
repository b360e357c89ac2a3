"""From an action to its log: the CodeBuild build, its place in CloudWatch Logs, and its events page by page.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from quarterdeck_adapters.ci.values import Json, rows, section, shown, text, whole
from quarterdeck_adapters.codepipeline.mapping import moment
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unsupported
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.text import LineGate, LogLine

if TYPE_CHECKING:
    from quarterdeck_adapters.codepipeline.client import Clients

PAGES_AT_ONCE = 8
"""Pages of one question, of 1 MB at most each: what is more comes with the next one."""
MOST_EVENTS = 10_000
LATE_S = 30.0
"""CloudWatch shows an event some seconds after it was written: a log has ended this long after its build."""


class Build(NamedTuple):
    """A build, and where its log is; `group` is empty as long as it has none."""

    id: str
    name: str
    group: str = ""
    stream: str = ""
    complete: bool = False
    ended_at: float | None = None
    payload: Json = {}


def is_build(detail: Json) -> bool:
    """Whether an action execution is a build of CodeBuild."""
    return section(detail, "input", "actionTypeId").get("provider") == "CodeBuild"


def build_id(detail: Json) -> str:
    """The build of an action execution; an empty string as long as it has none."""
    return text(section(detail, "output", "executionResult").get("externalExecutionId"))


def no_log(detail: Json) -> str:
    """Why an action has no log here."""
    kind = section(detail, "input", "actionTypeId")
    category, provider = shown(kind.get("category"), 60), shown(kind.get("provider"), 60)
    if category == "Approval":
        return "an approval writes no log"
    if category == "Source":
        return "a source action writes no log"
    return f"{provider or 'this action'} keeps its log elsewhere: only CodeBuild's is read"


async def builds_of(clients: Clients, details: Sequence[Json]) -> list[Build]:
    """The builds of action executions, oldest first."""
    wanted = {
        build_id(each): f"{text(each.get('stageName'))} / {text(each.get('actionName'))}"
        for each in sorted(details, key=lambda each: moment(each.get("startTime")) or 0.0)
        if is_build(each) and build_id(each)
    }  # fmt: skip
    if not wanted:
        return []
    ids = list(wanted)[:100]
    body = await clients.call("codebuild", "BatchGetBuilds", ids=ids)
    found = {text(each.get("id")): each for each in rows(body, "builds")}
    return [_build(id, wanted[id], found[id]) for id in ids if id in found]


def _build(id: str, name: str, payload: Json) -> Build:
    logs = section(payload, "logs")
    kept = text(section(logs, "cloudWatchLogs").get("status")) != "DISABLED"
    return Build(
        id, shown(name), text(logs.get("groupName")) if kept else "", text(logs.get("streamName")) if kept else "",
        payload.get("buildComplete") is True, moment(payload.get("endTime")), payload,
    )  # fmt: skip


class Stream:
    """One log as it is read on: the place in it, and what of a line came without its end."""

    def __init__(self, clients: Clients, build: Build, options: LogOptions, source: str = "") -> None:
        self.clients, self.build, self.options, self.name = clients, build, options, source
        self.ended = False
        self._gate = LineGate(source)
        self._token = ""
        self._at: int | None = None
        self._same = self._skip = 0
        self._quiet_since_end = False

    async def more(self, *, newest: int = 0) -> tuple[list[LogLine], str]:
        """The lines since the last question, and a notice; the first one brings the `newest` events, if that is said.

        Raises NotFound when the log is gone, Unsupported when there is none.
        """
        if not self.build.group or not self.build.stream:
            if not self.build.complete:
                return [], ""
            self.ended = True
            raise Unsupported(
                f"no log of {self.build.name}", source=self.clients.source,
                why="its build project writes none to CloudWatch Logs", mend="look at its page with o",
            )  # fmt: skip
        found: list[LogLine] = []
        notice = ""
        for _ in range(PAGES_AT_ONCE):
            before = self._token
            try:
                body = await self._page(newest)
            except Conflict:
                if not before:
                    raise
                notice = f"{self.build.name}: AWS no longer knows the place in the log: on from its last line's time"
                self._token, self._skip = "", self._same
                body = await self._page(MOST_EVENTS)
            except NotFound:
                if before or self.build.complete:
                    raise
                return [], ""  # the build has a place for its log before it has written a line
            events = rows(body, "events")
            if newest and not before and len(events) >= newest:
                notice = f"{self.build.name}: earlier lines are not shown"
            found += [line for event in events for line in self._lines(event)]
            self._token = text(body.get("nextForwardToken")) or self._token
            if not events or self._token == before:
                break
        self._settle(found)
        return found, notice

    async def _page(self, newest: int) -> Json:
        since, until = self.options.since, self.options.until
        params: dict[str, Any] = {"logGroupName": self.build.group, "logStreamName": self.build.stream}
        if self._token:
            params |= {"nextToken": self._token, "startFromHead": True}
        else:
            start = self._at if self._at is not None or since is None else int(since * 1000)
            if start is not None:
                params["startTime"] = max(0, start)
            if newest:
                params["limit"] = max(1, min(newest, MOST_EVENTS))
            else:
                params["startFromHead"] = True
        if until is not None:
            params["endTime"] = max(0, int(until * 1000))
        return await self.clients.call("logs", "GetLogEvents", **params)

    def _lines(self, event: Json) -> list[LogLine]:
        at = whole(event.get("timestamp"))
        seconds = at / 1000 if at is not None and 0 <= at < 1 << 47 else None
        if self._skip and at == self._at:
            self._skip -= 1  # it was shown before the place in the log was lost
            return []
        if seconds is not None:
            self._same = self._same + 1 if at == self._at else 1
            self._at = at
        raw = text(event.get("message")).encode("utf-8", "replace").rstrip(b"\r\n") + b"\n"
        return [line._replace(at=seconds) for line in self._gate.feed(raw)]

    def _settle(self, found: Sequence[LogLine]) -> None:
        """Whether it has ended: its build is complete, and what came late has come."""
        if not self.build.complete:
            return
        late = self.build.ended_at is not None and self.clients.server_now - self.build.ended_at > LATE_S
        self.ended = late or (not found and self._quiet_since_end)
        self._quiet_since_end = not found
