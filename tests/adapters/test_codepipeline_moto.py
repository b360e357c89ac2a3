"""A second opinion: moto's CodePipeline, for the operations that it has. It runs in this process, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.awsrig import SCORER, TOGETHER, ask, run_in, runs_of, the_story
from parts.practice import Clock
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.codepipeline.adapter import CodePipelineSource
from quarterdeck_config.schema import Config
from quarterdeck_demo.codepipeline import CodePipelineServer
from quarterdeck_demo.codepipeline.definitions import PIPELINES, declaration
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.permit import permit

pytestmark = TOGETHER


TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "codepipeline.amazonaws.com"},
                        "Action": "sts:AssumeRole"}]}  # fmt: skip


@pytest.fixture
def aws() -> Iterator[Any]:
    """boto3's client on moto, with one of the practice world's pipelines."""
    import boto3
    from moto import mock_aws

    with mock_aws():
        session = boto3.session.Session(region_name="eu-west-1")
        role = session.client("iam").create_role(RoleName="deploys", AssumeRolePolicyDocument=json.dumps(TRUST))
        client = session.client("codepipeline")
        client.create_pipeline(pipeline=declaration(PIPELINES[0]) | {"roleArn": role["Role"]["Arn"]})
        client.start_pipeline_execution(name=SCORER)
        yield client


def members(value: Any) -> Any:
    """The names of an answer's members, one inside the other; of a list those of its first."""
    if isinstance(value, dict):
        return {name: members(inner) for name, inner in value.items() if name != "ResponseMetadata"}
    return members(value[0]) if isinstance(value, list) and value else None


def within(few: Any, many: Any) -> bool:
    """Whether every member of one is a member of the other."""
    if few is None or many is None:
        return True
    return all(name in many and within(inner, many[name]) for name, inner in few.items())


async def test_the_practice_server_answers_what_moto_answers_and_the_adapter_reads_both(aws: Any) -> None:
    server = CodePipelineServer(the_story(), Clock(the_story().now))
    ours = {
        "ListPipelines": await ask(server, "codepipeline", "ListPipelines"),
        "GetPipeline": await ask(server, "codepipeline", "GetPipeline", name=SCORER),
        "ListPipelineExecutions": await ask(server, "codepipeline", "ListPipelineExecutions", pipelineName=SCORER),
    }
    theirs = {
        "ListPipelines": aws.list_pipelines(), "GetPipeline": aws.get_pipeline(name=SCORER),
        "ListPipelineExecutions": aws.list_pipeline_executions(pipelineName=SCORER),
    }  # fmt: skip
    for operation, answer in ours.items():
        assert within(members(theirs[operation]), members(answer)), operation

    source = CodePipelineSource(
        SourceConfig(name="aws", system="codepipeline", options={"region": "eu-west-1"}),
        Context(secret=lambda ref: "", env={}, config=Config(), project="/"),
    )
    run = run_in(await runs_of(source), SCORER)
    assert (run.state, run.repository, run.event) == ("succeeded", "acme/scorer", "StartPipelineExecution")
    assert run.started_at is not None
    assert run.url.startswith("https://eu-west-1.console.aws.amazon.com/codesuite/codepipeline/pipelines/scorer-deploy/")
    preview = await source.actions["run.trigger"].preview(run.ref, {"ref": "main", "inputs": ""})
    with pytest.raises(Refused):
        await source.actions["run.trigger"].execute(preview)
    with permit("aws"):
        await source.actions["run.trigger"].execute(preview)
    assert (await source.actions["run.trigger"].verify(preview)).verified
    assert len(await runs_of(source)) == 2
    assert (await source.probe()).identity.startswith("arn:aws:sts::123456789012:user/moto in eu-west-1")
    await source.close()
