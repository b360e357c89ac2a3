"""The pipelines as they are defined, and as GetPipeline answers them.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PipelineDeclaration.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ACCOUNT, REGION = "123456789012", "eu-west-1"
CONNECTION = f"arn:aws:codestar-connections:{REGION}:{ACCOUNT}:connection/8f1c2f2e-41c4-4d0e-9a53-3d0c6f2ab911"


@dataclass(frozen=True, slots=True)
class Action:
    """An action of a stage; those of one `order` run side by side. `seconds` 0: it waits for a person."""

    name: str
    category: str
    provider: str
    seconds: float
    order: int = 1
    configuration: dict[str, str] = field(default_factory=dict)
    namespace: str = ""
    inputs: tuple[str, ...] = ("SourceOutput",)
    outputs: tuple[str, ...] = ()

    @property
    def type(self) -> dict[str, str]:
        """Its actionTypeId."""
        return {"category": self.category, "owner": "AWS", "provider": self.provider, "version": "1"}


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage; `on_failure` is what happens by itself when it fails: ROLLBACK, RETRY, or nothing."""

    name: str
    actions: tuple[Action, ...]
    on_failure: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the pipeline, which a new execution may be given; without a default it must be."""

    name: str
    default: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline over a repository. `mode` says what happens to executions that meet each other."""

    name: str
    slug: str
    mode: str
    stages: tuple[Stage, ...]
    variables: tuple[Variable, ...] = ()
    version: int = 1

    @property
    def arn(self) -> str:
        """Its resource name."""
        return f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:{self.name}"

    def index(self, stage: str) -> int:
        """Where a stage stands; -1 for one that is not of it."""
        return next((i for i, each in enumerate(self.stages) if each.name == stage), -1)


def _source(slug: str) -> Action:
    settings = {"ConnectionArn": CONNECTION, "FullRepositoryId": slug, "BranchName": "main", "DetectChanges": "true"}
    return Action(
        "Source", "Source", "CodeStarSourceConnection", 6, configuration=settings, namespace="SourceVariables",
        inputs=(), outputs=("SourceOutput",),
    )  # fmt: skip


def _build(name: str, project: str, seconds: float, order: int = 1, **more: Any) -> Action:
    return Action(name, more.pop("category", "Build"), "CodeBuild", seconds, order, {"ProjectName": project}, **more)


def _deploy(name: str, service: str, cluster: str, seconds: float, order: int) -> Action:
    settings = {"ClusterName": cluster, "ServiceName": service, "FileName": "imagedefinitions.json"}
    return Action(name, "Deploy", "ECS", seconds, order, settings, inputs=("BuildOutput",))


def _approval(service: str) -> Action:
    settings = {"CustomData": f"Staging of {service} is well? Then it goes to production."}
    return Action("approve", "Approval", "Manual", 0, 1, settings, inputs=())


def _to_production(name: str, service: str, slug: str, mode: str, on_failure: str, *, version: int) -> Pipeline:
    return Pipeline(
        name, slug, mode,
        (
            Stage("Source", (_source(slug),)),
            Stage("Build", (
                _build("tests", f"{service}-tests", 110, category="Test"),
                _build("image", f"{service}-image", 150, namespace="Image", outputs=("BuildOutput",)),
            )),
            Stage("Staging", (
                _deploy("deploy", service, "staging", 70, 1),
                _build("smoke", f"{service}-smoke", 40, 2, category="Test"),
            )),
            Stage("Production", (
                _approval(service), _deploy("deploy", service, "production", 95, 2),
                _build("verify", f"{service}-verify", 30, 3, category="Test"),
            ), on_failure),
        ),
        (
            Variable("CANARY_PERCENT", "10", "share of the traffic that the new one has first, in percent"),
            Variable("TICKET", "none", "the change's ticket"),
        ),
        version,
    )  # fmt: skip


PIPELINES: tuple[Pipeline, ...] = (
    _to_production("scorer-deploy", "scorer", "acme/scorer", "SUPERSEDED", "", version=7),
    _to_production("fraud-api-deploy", "fraud-api", "acme/fraud-api", "QUEUED", "ROLLBACK", version=12),
    Pipeline(
        "scorer-nightly", "acme/scorer", "PARALLEL",
        (
            Stage("Source", (_source("acme/scorer"),)),
            Stage("Test", (_build("load", "scorer-load", 900, category="Test"),)),
            Stage("Report", (_build("report", "scorer-report", 45),)),
        ),
        (Variable("RATE", description="requests per second of the load"), Variable("MINUTES", "12")),
        3,
    ),
)  # fmt: skip


def declaration(pipeline: Pipeline) -> dict[str, Any]:
    """The pipeline, as GetPipeline answers it."""
    stages = []
    for stage in pipeline.stages:
        actions = [
            {
                "name": action.name, "actionTypeId": action.type, "runOrder": action.order,
                "configuration": dict(action.configuration),
                "outputArtifacts": [{"name": name} for name in action.outputs],
                "inputArtifacts": [{"name": name} for name in action.inputs], "region": REGION,
                **({"namespace": action.namespace} if action.namespace else {}),
            }
            for action in stage.actions
        ]  # fmt: skip
        made: dict[str, Any] = {"name": stage.name, "actions": actions}
        if stage.on_failure:
            made["onFailure"] = {"result": stage.on_failure}
        stages.append(made)
    variables = [
        {"name": each.name, **({"defaultValue": each.default} if each.default else {}),
         **({"description": each.description} if each.description else {})}
        for each in pipeline.variables
    ]  # fmt: skip
    return {
        "name": pipeline.name, "roleArn": f"arn:aws:iam::{ACCOUNT}:role/service-role/codepipeline",
        "artifactStore": {"type": "S3", "location": f"codepipeline-{REGION}-{ACCOUNT}"}, "stages": stages,
        "version": pipeline.version, "executionMode": pipeline.mode, "pipelineType": "V2", "variables": variables,
    }  # fmt: skip
