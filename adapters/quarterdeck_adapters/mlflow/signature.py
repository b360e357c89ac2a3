"""A model's signature from its MLmodel file, read as YAML text. Nothing is ever deserialised into a model.

https://mlflow.org/docs/latest/ml/model/signatures/
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import yaml

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.mlflow.api import Api
from quarterdeck_adapters.mlflow.values import Json, text
from quarterdeck_lifecycle.errors import Malformed, NotFound

MAX_BYTES = 1024 * 1024
ON_LOOP = 16 * 1024
MAX_COLUMNS = 2000


class Field(msgspec.Struct, frozen=True):
    """One column of a signature: `part` is inputs, outputs or params."""

    part: str
    name: str
    type: str
    optional: bool = False


class Signature(msgspec.Struct, frozen=True):
    """What a model takes and gives. `flavours` are the libraries that can load it."""

    fields: tuple[Field, ...] = ()
    flavours: tuple[str, ...] = ()
    mlflow_version: str = ""

    def __str__(self) -> str:
        parts = []
        for part in ("inputs", "outputs", "params"):
            found = [
                (f"{f.name}: " if f.name else "") + f.type + ("?" if f.optional else "")
                for f in self.fields
                if f.part == part
            ]
            if found:
                parts.append(f"{part} {', '.join(found)}")
        return " · ".join(parts)

    def differs(self, other: Signature) -> tuple[str, ...]:
        """What changes from `other` to this one, in words."""
        before = {(f.part, f.name): f for f in other.fields}
        after = {(f.part, f.name): f for f in self.fields}
        found = [f"{part} lose {name or before[part, name].type}" for part, name in before if (part, name) not in after]
        for key, field in after.items():
            was = before.get(key)
            if was is None:
                found.append(f"{field.part} gain {field.name or field.type}")
            elif (was.type, was.optional) != (field.type, field.optional):
                found.append(f"{field.part} {field.name} {was.type} becomes {field.type}")
        return tuple(found)


async def fetch(api: Api, name: str, version: str) -> Signature | None:
    """The signature of a version, or None where its MLmodel file is not there. Raises QuarterdeckError."""
    try:
        answer = await api.ask(
            "GET", "/model-versions/get-artifact", params={"name": name, "version": version, "path": "MLmodel"},
            max_body=MAX_BYTES,
        )  # fmt: skip
    except NotFound:
        return None
    if len(answer.body) <= ON_LOOP:
        return parse(answer.body, api.source)
    return await call(lambda: parse(answer.body, api.source), deadline=10, source=api.source, what="reading an MLmodel")


def parse(body: bytes, source: str) -> Signature:
    """Read an MLmodel file. Raises Malformed."""
    try:
        document: Any = yaml.load(body, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed("the MLmodel file is no YAML", source=source, why=str(error)[:300]) from error
    if not isinstance(document, dict):
        raise Malformed("the MLmodel file is no mapping", source=source)
    declared = document.get("signature")
    fields: list[Field] = []
    for part in ("inputs", "outputs", "params"):
        fields += _fields(part, declared.get(part) if isinstance(declared, dict) else None)
    flavours = document.get("flavors")
    return Signature(
        fields=tuple(fields[:MAX_COLUMNS]),
        flavours=tuple(sorted(text(each) for each in flavours)) if isinstance(flavours, dict) else (),
        mlflow_version=text(document.get("mlflow_version")),
    )


def _fields(part: str, declared: Any) -> list[Field]:
    """The columns of a part, which stands in the file as JSON in a string."""
    if isinstance(declared, str):
        try:
            declared = json.loads(declared)
        except (ValueError, RecursionError):
            return [Field(part, "", "unreadable")]
    if not isinstance(declared, list):
        return []
    return [
        Field(part, text(each.get("name")), _type(each), optional=each.get("required") is False)
        for each in declared
        if isinstance(each, dict)
    ]


def _type(column: Json) -> str:
    """`double`, or `tensor(float32)[-1, 3]` for a tensor."""
    spec = column.get("tensor-spec")
    if isinstance(spec, dict):
        shape = spec.get("shape")
        return f"tensor({text(spec.get('dtype'))}){shape if isinstance(shape, list) else ''}"
    kind = text(column.get("type")) or "?"
    inner = column.get("items")
    if kind == "array" and isinstance(inner, dict):
        return f"array({_type(inner)})"
    return kind
