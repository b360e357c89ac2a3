"""CodePipeline's practice server with an adapter on it, and its answers held to botocore's service models."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from parts.practice import NOW, Clock
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.codepipeline.adapter import CodePipelineSource
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_demo.codepipeline import CodePipelineServer
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import Handler, Request, Response
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story, build_story
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import LogBatch
from quarterdeck_lifecycle.records import Ref

SCORER, API, NIGHTLY = "scorer-deploy", "fraud-api-deploy", "scorer-nightly"
_models: dict[str, Any] = {}


def model(service: str) -> Any:
    """botocore's model of a service."""
    if service not in _models:
        _models[service] = botocore.session.Session().get_service_model(service)
    return _models[service]


class Answered(Exception):
    """An error answer: the code, and the status."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.status = code, status


async def ask(server: CodePipelineServer, service: str, operation: str, /, key: str = "", **params: Any) -> Any:
    """Send an operation as botocore would, and hold its answer to the model. Raises Answered for an error answer."""
    shape = model(service).operation_model(operation)
    report = ParamValidator().validate(params, shape.input_shape)
    assert not report.has_errors(), report.generate_report()
    sent = create_serializer("json").serialize_to_request(params, shape)
    response = await server.handler(signed(server, service, sent["headers"], sent["body"], key=key))
    assert isinstance(response.body, bytes)
    body = json.loads(response.body) if response.body else {}
    if response.status >= 400:
        known = {each.name for each in shape.error_shapes} | COMMON
        assert body["__type"] in known, f"{operation} has no error {body['__type']}"
        raise Answered(body["__type"], body["message"], response.status)
    if shape.output_shape is not None:
        conforms(body, shape.output_shape, operation)
    return body


COMMON = {
    "ThrottlingException", "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException",
    "MissingAuthenticationTokenException", "UnknownOperationException", "SerializationException",
}  # fmt: skip
"""https://docs.aws.amazon.com/codepipeline/latest/APIReference/CommonErrors.html"""


def signed(
    server: CodePipelineServer, service: str, headers: dict[str, str], body: bytes, *, key: str = "", secret: str = ""
) -> Request:
    """A request as it arrives, signed."""
    asked = AWSRequest("POST", "http://127.0.0.1:80/", headers=headers, data=body)
    SigV4Auth(Credentials(key or server.key, secret or server.token), service, "eu-west-1").add_auth(asked)
    arrived = {name.lower(): value for name, value in asked.headers.items()} | {"host": "127.0.0.1"}
    return Request("POST", "/", {}, arrived, body if isinstance(body, bytes) else body.encode())


def conforms(value: Any, shape: Any, where: str) -> None:
    """Fail unless a JSON value is what the shape says: its members, types, enums, lengths, required ones."""
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), where
        assert set(value) <= set(shape.members), f"{where}: unknown {set(value) - set(shape.members)}"
        assert set(shape.required_members) <= set(value), f"{where}: lacks {set(shape.required_members) - set(value)}"
        for name, inner in value.items():
            conforms(inner, shape.members[name], f"{where}.{name}")
    elif kind == "list":
        assert isinstance(value, list), where
        for number, inner in enumerate(value):
            conforms(inner, shape.member, f"{where}[{number}]")
    elif kind == "map":
        for name, inner in value.items():
            conforms(inner, shape.value, f"{where}[{name}]")
    elif kind == "string":
        assert isinstance(value, str), where
        assert not shape.enum or value in shape.enum, f"{where}: {value} is none of {shape.enum}"
        assert len(value) >= shape.metadata.get("min", 0), f"{where}: too short"
        assert len(value) <= shape.metadata.get("max", 1 << 30), f"{where}: too long"
    elif kind == "boolean":
        assert isinstance(value, bool), where
    elif kind in ("integer", "long"):
        assert type(value) is int, where
    elif kind == "timestamp":
        assert isinstance(value, int | float), f"{where}: epoch seconds, not {value!r}"
    else:
        raise AssertionError(f"{where}: {kind}")


TOGETHER = pytest.mark.xdist_group("codepipeline")
"""The modules that share the story run in one worker."""


@cache
def the_story() -> Story:
    """One story for all modules: the server only reads it."""
    folder = Path(tempfile.mkdtemp(prefix="qd-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build_story(1, NOW, folder / "world")


class Rig:
    """CodePipeline, a clock that only moves when told or when the adapter waits, and sources on it."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.clock = Clock(story.now)
        self.aws = CodePipelineServer(story, self.clock)
        self.slept: list[float] = []
        self.made: list[CodePipelineSource] = []
        self.app: Handler = self.aws.handler
        self.server = Server(self._answer, faults=Faults(), clock=self.clock)
        self.url = ""

    async def _answer(self, request: Request) -> Response:
        return await self.app(request)

    @property
    def faults(self) -> Faults:
        """The server's faults."""
        return self.server.faults

    async def sleep(self, seconds: float) -> None:
        """Waiting is the clock moving."""
        self.slept.append(seconds)
        self.clock.move(seconds)

    def source(self, **config: Any) -> CodePipelineSource:
        """A source on the server, as the identity that may do all unless another is given."""
        known: dict[str, Any] = {
            "name": "aws", "system": "codepipeline", "url": self.url, "username": self.aws.key,
            "password": SecretRef(env="AWS_SECRET"), "deadline": 5.0, "options": {"region": "eu-west-1"},
        }  # fmt: skip
        context = Context(secret=self.secret, env={}, config=Config(), project="/", now=self.clock)
        made = CodePipelineSource(SourceConfig(**{**known, **config}), context, sleep=self.sleep)
        self.made.append(made)
        return made

    def secret(self, ref: SecretRef) -> str:
        """The secret access key, or the value that a variable names."""
        return self.aws.token if ref.env == "AWS_SECRET" else f"value of {ref.env or ref.file}"

    def operations(self) -> list[str]:
        """What was asked so far."""
        return [operation for operation, _ in self.aws.calls]


@asynccontextmanager
async def rig(story: Story) -> AsyncIterator[Rig]:
    """Serve a story's CodePipeline on loopback."""
    made = Rig(story)
    made.url = f"http://127.0.0.1:{await made.server.start_tcp()}"
    try:
        yield made
    finally:
        for source in made.made:
            await source.close()
        await made.server.stop()
    assert made.server.errors == []


async def runs_of(source: CodePipelineSource) -> list[Run]:
    """The rows of the pane."""
    return [row for row in (await source.list("run")).rows if isinstance(row, Run)]


def run_in(rows: list[Run], pipeline: str, state: str = "") -> Run:
    """The newest row of a pipeline, in a state if one is named."""
    return next(run for run in rows if run.workflow == pipeline and state in ("", run.state))


def only(hub: Rig, operation: str, spoil: Any) -> None:
    """Spoil the answers of one operation: all of AWS has one path."""
    answer = hub.aws.handler

    async def handle(request: Request) -> Response:
        if request.header("x-amz-target").endswith(f".{operation}"):
            return await spoil(request, answer)  # type: ignore[no-any-return]
        return await answer(request)

    hub.app = handle


def error(code: str, message: str = "", status: int = 400, **headers: str) -> Any:
    """Answer an error."""
    body = f'{{"__type":"{code}","message":"{message}"}}'.encode()
    kind = {"Content-Type": "application/x-amz-json-1.1", **headers}

    async def spoil(request: Request, answer: Any) -> Response:
        return Response(status, kind, body)

    return spoil


async def failed(work: Any) -> QuarterdeckError:
    """What awaiting it raises."""
    with pytest.raises(QuarterdeckError) as raised:
        await work
    return raised.value


async def read(batches: AsyncIterator[LogBatch]) -> tuple[list[str], list[str]]:
    """The lines and the notices of a log, to its end."""
    lines, notices = [], []
    async for batch in batches:
        lines += [line.text for line in batch.lines]
        notices += [batch.notice] if batch.notice else []
    return lines, notices


async def running_build(hub: Rig) -> tuple[Any, Ref]:
    """A source, and the ref of an action whose build runs."""
    source = hub.source()
    run = run_in(await runs_of(source), API, "running")
    listing, _ = await source.children(run.ref)
    return source, next(row.ref for row in listing.rows if row.name == "Build / tests")
