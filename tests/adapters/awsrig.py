"""CodePipeline's practice server with an adapter on it, and its answers held to botocore's service models."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from quarterdeck_demo.codepipeline import CodePipelineServer
from quarterdeck_demo.messages import Request, Response

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


__all__ = ["API", "NIGHTLY", "SCORER", "Answered", "Response", "ask", "conforms", "model", "signed"]
