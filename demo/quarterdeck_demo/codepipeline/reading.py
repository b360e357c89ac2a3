"""The reads: pipelines, their state and executions, builds and their log events.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from typing import Any

from quarterdeck_demo.codepipeline import builds, shapes
from quarterdeck_demo.codepipeline.definitions import Pipeline, declaration
from quarterdeck_demo.codepipeline.machine import Machine
from quarterdeck_demo.codepipeline.verbs import Verbs
from quarterdeck_demo.codepipeline.wire import Refused, page, text

MOST_EVENTS = 10_000


class Reads:
    """Every method takes the input and the moment, and answers the output."""

    def __init__(self, machine: Machine, verbs: Verbs) -> None:
        self.machine, self.verbs = machine, verbs
        self.codepipeline: Mapping[str, Callable[[dict[str, Any], float], Any]] = {
            "ListPipelines": self.pipelines, "GetPipeline": self.pipeline, "GetPipelineState": self.state,
            "ListPipelineExecutions": self.executions, "GetPipelineExecution": self.execution,
            "ListActionExecutions": self.actions,
        }  # fmt: skip

    def _created(self, pipeline: Pipeline) -> float:
        rows = self.machine.executions[pipeline.name]
        return round(rows[0].started - 60, 3) if rows else 0.0

    def pipelines(self, params: dict[str, Any], now: float) -> dict[str, Any]:  # noqa: ARG002 - as all of them
        """By name."""
        rows = [
            {"name": each.name, "version": each.version, "pipelineType": "V2", "executionMode": each.mode,
             "created": self._created(each), "updated": self._created(each)}
            for each in sorted(self.machine.pipelines.values(), key=lambda each: each.name)
        ]  # fmt: skip
        found, more = page(params, rows, 1000, "pipelines")
        return {"pipelines": found} | more

    def pipeline(self, params: dict[str, Any], now: float) -> dict[str, Any]:  # noqa: ARG002
        """A pipeline's declaration."""
        found = self.verbs.pipeline(params, "name")
        metadata = {"pipelineArn": found.arn, "created": self._created(found), "updated": self._created(found)}
        return {"pipeline": declaration(found), "metadata": metadata}

    def state(self, params: dict[str, Any], now: float) -> dict[str, Any]:
        """Where its executions stand."""
        found = self.verbs.pipeline(params, "name")
        return shapes.state(found, self.machine.executions[found.name], self.machine.transitions, now)

    def executions(self, params: dict[str, Any], now: float) -> dict[str, Any]:  # noqa: ARG002
        """Newest first; with a filter those that succeeded in a stage."""
        found = self.verbs.pipeline(params)
        rows = sorted(self.machine.executions[found.name], key=lambda each: -each.started)
        stage = ((params.get("filter") or {}).get("succeededInStage") or {}).get("stageName")
        if stage is not None:
            rows = [each for each in rows if each.stage_status.get(stage) == "Succeeded"]
        listed, more = page(params, rows, 100, f"executions/{found.name}/{stage or ''}")
        return {"pipelineExecutionSummaries": [shapes.summary(each) for each in listed]} | more

    def execution(self, params: dict[str, Any], now: float) -> dict[str, Any]:  # noqa: ARG002
        """One execution."""
        found = self.verbs.pipeline(params)
        return {"pipelineExecution": shapes.whole(self.verbs.execution(found, text(params, "pipelineExecutionId")))}

    def actions(self, params: dict[str, Any], now: float) -> dict[str, Any]:
        """Newest first, of all executions or of one; earlier attempts stay listed."""
        found = self.verbs.pipeline(params)
        rows = self.machine.executions[found.name]
        wanted = params.get("filter") or {}
        inner = wanted.get("latestInPipelineExecution") or wanted
        id = inner.get("pipelineExecutionId")
        if id is not None:
            rows = [self.verbs.execution(found, id)]
        pairs = sorted(((run.start, each, run) for each in rows for run in each.runs), key=lambda pair: -pair[0])
        listed, more = page(params, pairs, 100, f"actions/{found.name}/{id or ''}")
        return {"actionExecutionDetails": [shapes.action_detail(each, run, now) for _, each, run in listed]} | more

    def builds(self, params: dict[str, Any], now: float) -> dict[str, Any]:
        """BatchGetBuilds: what is unknown is named."""
        ids = params.get("ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 100:
            raise Refused("InvalidInputException", "ids: between 1 and 100")
        known = list(self.machine.by_log)
        found = [
            builds.build(*self.machine.by_log[id], known.index(id) + 1, now) for id in ids if id in self.machine.by_log
        ]
        missing = [id for id in ids if id not in self.machine.by_log]
        return {"builds": found} | ({"buildsNotFound": missing} if missing else {})

    def events(self, params: dict[str, Any], now: float) -> dict[str, Any]:
        """GetLogEvents. At the end of what there is, the token that was sent is sent back."""
        group, stream = text(params, "logGroupName"), text(params, "logStreamName")
        found = self.machine.by_log.get(f"{group.removeprefix('/aws/codebuild/')}:{stream}")
        if found is None:
            raise Refused("ResourceNotFoundException", "The specified log stream does not exist.")
        lines = builds.lines(*found, now)
        since, until = params.get("startTime"), params.get("endTime")
        # Places are counted from the log's first line, whatever window is asked for.
        first = 0 if since is None else bisect.bisect_left(lines, (since / 1000,))
        last = len(lines) if until is None else bisect.bisect_left(lines, (until / 1000,))
        limit = params.get("limit", MOST_EVENTS)
        if not isinstance(limit, int) or not 1 <= limit <= MOST_EVENTS:
            raise Refused("InvalidParameterException", "limit: between 1 and 10000")
        token = params.get("nextToken")
        if token is None:
            start = first if params.get("startFromHead") is True else max(first, last - limit)
            end = min(last, start + limit)
        else:
            way, _, place = str(token).partition("/")
            if way not in ("f", "b") or not place.isdigit():
                raise Refused("InvalidParameterException", "The specified nextToken is invalid.")
            if way == "f":
                start = max(first, min(int(place), last))
                end = min(last, start + limit)
            else:
                end = min(int(place), last)
                start = max(first, end - limit)
        return {
            "events": [
                {"timestamp": int(at * 1000), "message": line, "ingestionTime": int(at * 1000) + 400}
                for at, line in lines[start:end]
            ],
            "nextForwardToken": f"f/{end:056d}", "nextBackwardToken": f"b/{start:056d}",
        }  # fmt: skip
