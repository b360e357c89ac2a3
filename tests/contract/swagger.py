"""Holds answers to a vendor's OpenAPI 2.0 description: types, enumerations, required and unknown fields."""

from __future__ import annotations

from typing import Any

Json = Any
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class Description:
    """A description read from JSON."""

    def __init__(self, document: Json) -> None:
        self._document = document

    def offences(self, path: str, method: str, status: int, answer: Json) -> list[str]:
        """What in an answer is not as described. Null fits every type: the engine writes it for what is empty."""
        schema = self._document["paths"][path][method]["responses"][str(status)]["schema"]
        return self._check(schema, answer, f"{method} {path}")

    def _flat(self, schema: Json) -> Json:
        while "$ref" in schema:
            schema = self._document["definitions"][schema["$ref"].rpartition("/")[2]]
        if "allOf" not in schema:
            return schema
        flat: Json = {**schema, "properties": dict(schema.get("properties", {}))}
        for part in map(self._flat, schema["allOf"]):
            flat["properties"] |= part.get("properties", {})
            flat["required"] = [*flat.get("required", []), *part.get("required", [])]
            flat = {**part, **flat}
        return flat

    def _check(self, schema: Json, value: Json, where: str) -> list[str]:
        schema = self._flat(schema)
        kind = schema.get("type")
        if value is None or kind is None:
            return []
        if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
            return [f"{where} is a {type(value).__name__}, not a {kind}"]
        if "enum" in schema and value not in schema["enum"]:
            return [f"{where} is {value!r}, not one of {schema['enum']}"]
        if kind == "array":
            return [line for item in value for line in self._check(schema["items"], item, f"{where}[]")]
        if kind != "object":
            return []
        found = [f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value]
        fields, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            if name in fields:
                found += self._check(fields[name], item, f"{where}.{name}")
            elif isinstance(others, dict):
                found += self._check(others, item, f"{where}.*")
            elif fields and not others:
                found.append(f"{where}.{name} is not described")
        return found
