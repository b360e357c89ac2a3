"""Holds JSON documents to an OpenAPI 3.0 description: the subset of JSON Schema that descriptions use.

Format and length keywords are not looked at. A property that a schema does not name is reported, unless the schema
is open (`additionalProperties`) or combined of several.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
COMBINED = ("allOf", "anyOf", "oneOf")


class Description:
    """One vendor's description, read from a file."""

    def __init__(self, path: Path) -> None:
        self._document = json.loads(path.read_text(encoding="utf-8"))
        self._paths = []
        for template, methods in self._document["paths"].items():
            parts = re.split(r"\{\w+\}", template)
            pattern = "([^/]+)".join(re.escape(part) for part in parts)
            self._paths.append((template, re.compile(pattern), methods))

    def operation(self, method: str, path: str) -> dict[str, Any]:
        """The operation of a request; raises `LookupError` when the description has none.

        A template with fewer parameters is preferred, as `/runs/{id}/jobs` over one that would swallow more.
        """
        for _, pattern, methods in sorted(self._paths, key=lambda row: row[0].count("{")):
            if pattern.fullmatch(path) and method.lower() in methods:
                found: dict[str, Any] = methods[method.lower()]
                return found
        raise LookupError(f"{method} {path} is not in the description")

    def faults(self, method: str, path: str, status: int, content_type: str, body: bytes) -> list[str]:
        """What is wrong with an answer; empty when it is as described."""
        try:
            operation = self.operation(method, path)
        except LookupError as error:
            return [str(error)]
        response = operation["responses"].get(str(status))
        if response is None:
            return [f"{method} {path}: status {status} is not described"]
        response = self._resolve(response)
        content = response.get("content") or {}
        if not content:
            return [f"{method} {path}: {status} has a body"] if body and status not in (401, 403) else []
        kind = content_type.partition(";")[0]
        if kind not in content:
            return [f"{method} {path}: {status} as {kind}, described as {sorted(content)}"]
        return [f"{method} {path}: {fault}" for fault in self.check(json.loads(body), content[kind]["schema"], "$")]

    def schema(self, name: str) -> dict[str, Any]:
        """A schema by its name."""
        found: dict[str, Any] = self._document["components"]["schemas"][name]
        return found

    def check(self, value: Any, schema: dict[str, Any], at: str) -> list[str]:
        """What is wrong with a value."""
        schema = self._resolve(schema)
        if value is None and self._nullable(schema):
            return []
        faults = self._combined(value, schema, at)
        if (kind := schema.get("type")) is not None:
            wrong = not isinstance(value, TYPES[kind])
            if wrong or (isinstance(value, bool) and kind != "boolean"):
                return [*faults, f"{at}: {type(value).__name__} where {kind} is described"]
        if "enum" in schema and value not in schema["enum"]:
            faults.append(f"{at}: {value!r} is none of {schema['enum']}")
        if isinstance(value, dict):
            faults += self._properties(value, schema, at)
        if isinstance(value, list) and "items" in schema:
            for index, item in enumerate(value):
                faults += self.check(item, schema["items"], f"{at}[{index}]")
        return faults

    def _properties(self, value: dict[str, Any], schema: dict[str, Any], at: str) -> list[str]:
        faults = [f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        properties = schema.get("properties", {})
        more = schema.get("additionalProperties")
        for name, inner in value.items():
            if name in properties:
                faults += self.check(inner, properties[name], f"{at}.{name}")
            elif isinstance(more, dict):
                faults += self.check(inner, more, f"{at}.{name}")
            elif more is False or (more is None and properties and not any(key in schema for key in COMBINED)):
                faults.append(f"{at}: {name} is not described")
        return faults

    def _combined(self, value: Any, schema: dict[str, Any], at: str) -> list[str]:
        faults: list[str] = []
        for part in schema.get("allOf", ()):
            faults += self.check(value, part, at)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                tries = [self.check(value, part, at) for part in schema[word]]
                if all(tries):
                    faults.append(f"{at}: fits none of {word}: {min(tries, key=len)[:3]}")
        return faults

    def _nullable(self, schema: dict[str, Any]) -> bool:
        return bool(schema.get("nullable")) or any(
            self._nullable(self._resolve(part)) for word in COMBINED for part in schema.get(word, ())
        )

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            target: Any = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        return schema
