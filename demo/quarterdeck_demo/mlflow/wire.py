"""How MLflow reads requests and writes answers: parameters, JSON, errors, page tokens, HTML pages.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html ; the words are those of MLflow 3.17.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from quarterdeck_demo.messages import Request, Response

__all__ = [
    "Field", "MlflowError", "found", "html", "invalid", "number", "page", "parameters", "reply", "safe_float", "stamp",
]  # fmt: skip

SECURE = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN", "Vary": "Origin"}
LARGEST = 1.7976931348623157e308
SEE = " See the API docs for more information about request parameters."
CLASSES = {
    "INVALID_PARAMETER_VALUE": (400, "INVALID_PARAMETER_VALUE", "KAM00"),
    "RESOURCE_ALREADY_EXISTS": (400, "RESOURCE_ALREADY_EXISTS", "KAM00"),
    "RESOURCE_DOES_NOT_EXIST": (404, "RESOURCE_NOT_FOUND", "KAM00"),
    "INTERNAL_ERROR": (500, "CLIENT_INTERNAL_ERROR", "XXM00"),
}
PAGES = {
    400: ("Bad Request", "The browser (or proxy) sent a request that this server could not understand."),
    404: (
        "Not Found",
        "The requested URL was not found on the server. If you entered the URL manually please check your spelling "
        "and try again.",
    ),
    405: ("Method Not Allowed", "The method is not allowed for the requested URL."),
}


class MlflowError(Exception):
    """A refusal with MLflow's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def response(self) -> Response:
        status, kind, state = CLASSES[self.code]
        told = {"error_code": self.code, "message": self.message, "sqlstate": state, "error_class": kind}
        return Response(status, {"Content-Type": "application/json", **SECURE}, json.dumps(told).encode())


def invalid(message: str) -> MlflowError:
    return MlflowError("INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> MlflowError:
    return MlflowError("RESOURCE_DOES_NOT_EXIST", message)


def reply(obj: dict[str, Any]) -> Response:
    """A protobuf message as JSON: two spaces a level, empty fields left out by the caller."""
    body = json.dumps(obj, indent=2) if obj else "{}"
    return Response(200, {"Content-Type": "application/json", **SECURE}, body.encode())


def html(status: int, **headers: str) -> Response:
    """A Werkzeug error page."""
    title, text = PAGES[status]
    body = f"<!doctype html>\n<html lang=en>\n<title>{status} {title}</title>\n<h1>{title}</h1>\n<p>{text}</p>\n"
    return Response(status, {"Content-Type": "text/html; charset=utf-8", **headers, **SECURE}, body.encode())


class Field(NamedTuple):
    """A request parameter: its type (string, int, float, bool, array), whether it must be there, its bounds."""

    name: str
    kind: str = "string"
    required: bool = False
    most: int | None = None
    least: int | None = None
    told: str = ""


def parameters(request: Request, fields: Sequence[Field]) -> dict[str, Any]:
    """The request's parameters by name, checked in the order of `fields` as MLflow does; MlflowError otherwise."""
    if request.method == "GET" and request.query:
        arrays = {field.name for field in fields if field.kind == "array"}
        raw: dict[str, Any] = {name: values if name in arrays else values[0] for name, values in request.query.items()}
    else:
        raw = body_of(request)
    parsed = all(fits(field, raw[field.name]) for field in fields if field.name in raw)
    for field in fields:
        value = raw.get(field.name)
        if field.required and (value is None or value == ""):
            raise invalid(f"Missing value for required parameter '{field.name}'.{SEE}")
        if field.name not in raw:
            continue
        if not parsed and not of_kind(field, value):
            raise wrong(field, value)
        if field.least is not None and int(raw[field.name]) < field.least:
            raise wrong(field, value)
        if field.most is not None and int(raw[field.name]) > field.most:
            raise wrong(field, value)
    return {name: int(value) if is_int(fields, name) else value for name, value in raw.items() if value is not None}


def body_of(request: Request) -> dict[str, Any]:
    if request.method in ("POST", "PUT", "PATCH"):
        media_type = request.header("content-type")
        if not media_type:
            raise invalid("Bad Request. Content-Type header is missing.")
        if media_type.split(";")[0].strip() != "application/json":
            raise invalid("Bad Request. Content-Type must be one of ['application/json'].")
    try:
        raw = request.json()
    except ValueError:
        return {}
    return raw if isinstance(raw, dict) else {}


def is_int(fields: Sequence[Field], name: str) -> bool:
    return any(field.name == name and field.kind == "int" for field in fields)


def fits(field: Field, value: Any) -> bool:
    """Whether protobuf's JSON parser takes it."""
    if field.kind == "int":
        try:
            int(value)
        except (TypeError, ValueError):
            return False
        return not isinstance(value, bool)
    return of_kind(field, value)


def of_kind(field: Field, value: Any) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {"string": str, "array": list, "bool": bool, "float": (int, float, str)}
    return fits(field, value) if field.kind == "int" else isinstance(value, kinds[field.kind])


def wrong(field: Field, value: Any) -> MlflowError:
    if field.told and of_kind(field, value):
        return invalid(field.told + SEE)
    shown = json.dumps(value)
    kind = type(value).__name__
    return invalid(
        f"Invalid value {shown} for parameter '{field.name}' supplied:  Hint: Value was of type '{kind}'.{SEE}"
    )


def token(offset: int) -> str:
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def offset_of(text: str) -> int:
    if not text:
        return 0
    try:
        decoded = base64.b64decode(text)
    except binascii.Error:
        raise invalid("Invalid page token, could not base64-decode") from None
    try:
        parsed = json.loads(decoded)
    except ValueError:
        raise invalid(f"Invalid page token, decoded value={decoded!r}") from None
    if not isinstance(parsed, dict) or not parsed.get("offset"):
        raise invalid(f"Invalid page token, parsed value={parsed}")
    try:
        return int(parsed["offset"])
    except ValueError:
        raise invalid(f"Invalid page token, not stringable {parsed['offset']}") from None


def page(rows: Sequence[Any], count: int, text: str) -> tuple[Sequence[Any], str]:
    """`count` rows from a page token's offset, and the next token, empty on the last page."""
    start = max(offset_of(text), 0)
    kept = rows[start : start + count] if count > 0 else []
    return kept, token(start + count) if len(rows) > start + count else ""


def found(name: str, rows: list[dict[str, Any]], next_token: str = "") -> dict[str, Any]:
    """A list answer: no key at all for an empty list or the last page's token."""
    answer: dict[str, Any] = {name: rows} if rows else {}
    return {**answer, "next_page_token": next_token} if next_token else answer


def safe_float(value: Any) -> float:
    """A logged value as the SQL store keeps it: infinities become the largest float."""
    number = float(value)
    return math.copysign(LARGEST, number) if math.isinf(number) else number


def number(value: float) -> float | str:
    """A metric value as JSON: NaN is a string."""
    return "NaN" if math.isnan(value) else value


def stamp(at: float) -> int:
    """Epoch milliseconds."""
    return int(at * 1000)
