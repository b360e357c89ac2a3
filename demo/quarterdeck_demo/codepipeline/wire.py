"""The JSON 1.1 protocol: an operation by its X-Amz-Target, one JSON object in, one out, errors by `__type`.

https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from quarterdeck_demo.messages import Request, Response

CONTENT = "application/x-amz-json-1.1"
TARGETS = {
    "CodePipeline_20150709": "codepipeline",
    "CodeBuild_20161006": "codebuild",
    "Logs_20140328": "logs",
}


class Refused(Exception):
    """An operation's refusal: the name of its error shape, its message and its status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Call(NamedTuple):
    """What is asked: of which service, which operation, with what."""

    service: str
    operation: str
    params: dict[str, Any]


def call_of(request: Request) -> Call:
    """The call that a request is. Raises Refused for what is none."""
    prefix, _, operation = request.header("x-amz-target").partition(".")
    service = TARGETS.get(prefix)
    if request.method != "POST" or service is None:
        raise Refused("UnknownOperationException", "", 400)
    if request.header("content-type") != CONTENT:
        raise Refused("SerializationException", f"expected {CONTENT}", 400)
    try:
        params = request.json() or {}
    except ValueError as error:
        raise Refused("SerializationException", str(error), 400) from error
    if not isinstance(params, dict):
        raise Refused("SerializationException", "Start of structure or map found where not expected.", 400)
    return Call(service, operation, params)


def answered(request: Request, body: Any, status: int = 200) -> Response:
    """An answer with its request id; `None` stands for an operation without output."""
    data = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    digest = hashlib.sha256(request.header("authorization").encode() + request.body).hexdigest()
    made = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
    return Response(status, {"Content-Type": CONTENT, "x-amzn-RequestId": made}, data)


def refusal(request: Request, error: Refused) -> Response:
    """The error answer."""
    return answered(request, {"__type": error.code, "message": error.message}, error.status)


def text(params: dict[str, Any], name: str, *, required: bool = True) -> str:
    """A string member. Raises Refused (ValidationException) where it is missing or of another type."""
    value = params.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        why = f"Value null at '{name}' failed to satisfy constraint: Member must not be null"
        raise Refused("ValidationException", f"1 validation error detected: {why}")
    return value


def page(params: dict[str, Any], rows: list[Any], most: int, token: str = "") -> tuple[list[Any], dict[str, str]]:
    """The page that maxResults and nextToken ask for, and the next page's token as a member of the answer.

    `token` names what is listed: the token of another listing is refused, as the service does.
    """
    size = params.get("maxResults", most)
    if not isinstance(size, int) or not 1 <= size <= most:
        raise Refused("ValidationException", f"Value at 'maxResults' must be between 1 and {most}")
    given = params.get("nextToken")
    start = 0
    if given is not None:
        name, _, number = str(given).rpartition(":")
        if name != token or not number.isdigit():
            raise Refused("InvalidNextTokenException", "The next token was specified in an invalid format.")
        start = int(number)
    end = start + size
    return rows[start:end], {"nextToken": f"{token}:{end}"} if end < len(rows) else {}
