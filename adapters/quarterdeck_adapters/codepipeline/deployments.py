"""Deployments: what the Deploy actions of the pipelines brought into each stage, and which of it is there now.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListActionExecutions.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from quarterdeck_adapters.ci.asking import ask_each
from quarterdeck_adapters.ci.values import Json, rows, section, sha_of, shown, text
from quarterdeck_adapters.codepipeline.mapping import Home, links_of, moment, repository, status_of, word
from quarterdeck_adapters.codepipeline.places import is_execution
from quarterdeck_adapters.codepipeline.stages import failure_of
from quarterdeck_lifecycle.kinds import Deployment
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import Link, Status

if TYPE_CHECKING:
    from quarterdeck_adapters.codepipeline.runs import Runs

PER_PAGE = 100
SHOWN = 30
"""Deployments of each pipeline."""
_WHERE = ("ClusterName", "ServiceName", "ApplicationName", "DeploymentGroupName", "EnvironmentName", "StackName",
          "FunctionName", "BucketName", "EndpointName")  # fmt: skip
"""Settings of a Deploy action that name what it deploys to, by its provider."""


class Deployments:
    """Reads the newest action executions of each pipeline."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._last: dict[str, list[Deployment]] = {}

    async def listing(self) -> Listing:
        """The newest 30 of each pipeline. One that fails keeps the rows it had."""
        names, left_out = await self.runs.names()
        answers = await ask_each(names, self._newest)
        self._last |= answers.good
        told = [*filter(None, (left_out,)), *answers.told]
        return Listing(rows=[row for name in names for row in self._last.get(name, ())], partial="; ".join(told))

    async def _newest(self, pipeline: str) -> list[Deployment]:
        home = await self.runs.home(pipeline)
        body = await self.runs.clients.call(
            "codepipeline", "ListActionExecutions", pipelineName=pipeline, maxResults=PER_PAGE
        )
        return deployments_of(rows(body, "actionExecutionDetails"), home, self.runs.heads(pipeline))


def deployments_of(details: Sequence[Json], home: Home, heads: Mapping[str, str]) -> list[Deployment]:
    """The Deploy actions among action executions, newest first; of each target the newest that succeeded is current.

    `heads` are the commits of executions: one that rolls back has no source action of its own.
    """
    sources = {
        text(each.get("pipelineExecutionId")): section(each, "output", "executionResult") for each in details
        if section(each, "input", "actionTypeId").get("category") == "Source"
    }  # fmt: skip
    made: dict[str, Deployment] = {}
    taken: set[tuple[str, str]] = set()
    for each in sorted(details, key=lambda each: moment(each.get("startTime")) or 0.0, reverse=True):
        id, run = text(each.get("actionExecutionId")), text(each.get("pipelineExecutionId"))
        if section(each, "input", "actionTypeId").get("category") != "Deploy" or id in made or not is_execution(run):
            continue
        row = _deployment(each, home, sources.get(run) or {"externalExecutionId": heads.get(run)})
        what = row.target, text(each.get("actionName"))
        if row.status is Status.OK and what not in taken:
            taken.add(what)
            row = replace(row, current=True)
        made[id] = row
    return list(made.values())[:SHOWN]


def _deployment(detail: Json, home: Home, source: Json) -> Deployment:
    run, stage = text(detail.get("pipelineExecutionId")), text(detail.get("stageName"))
    state, settings = word(detail.get("status")), section(detail, "input", "resolvedConfiguration")
    page, head = text(source.get("externalExecutionUrl")), sha_of(source.get("externalExecutionId"))
    where = "/".join(shown(settings.get(key), 60) for key in _WHERE if settings.get(key))
    note = failure_of(detail) if state == "failed" else ""
    revision = {"sourceRevisions": [{"revisionId": head, "revisionUrl": page}]} if head else {}
    return Deployment(
        ref=home.ref("deployment", run, stage, text(detail.get("actionExecutionId"))),
        name=f"{home.pipeline} {stage} #{run[:8]}",
        status=status_of(state),
        state=state,
        updated_at=moment(detail.get("lastUpdateTime")),
        environment=home.environment,
        url=home.page(run),
        note="; ".join(filter(None, (note, where))),
        links=(*links_of(home, revision), Link(kind="run", value=f"{home.pipeline}/{run}", evidence="its execution")),
        system="codepipeline",
        repository=repository(home, page)[1] or home.pipeline,
        target=stage,
        number=run[:8],
        branch=home.branch,
        head=head,
        actor=shown(text(detail.get("updatedBy")).rpartition("/")[2], 60),
        run=f"{home.pipeline}/{run}",
        created_at=moment(detail.get("startTime")),
    )
