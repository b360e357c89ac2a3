"""The JSON Schema of the config file, for editors: ``quarterdeck config schema``."""

from __future__ import annotations

from typing import Any

import msgspec

from quarterdeck_config import schema
from quarterdeck_config.duration import PATTERN, format_duration

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SECRETS = ("env", "file", "command", "keyring")
_PROBES = ("http", "tcp", "exec", "engine")


def config_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of the file as it is written: durations are texts, secrets one of four mappings.

    It knows all that one entry can know; that names exist elsewhere in the file is checked at loading alone.
    """
    made: dict[str, Any] = msgspec.json.schema(schema.Config)
    definitions = made["$defs"]
    for name, definition in definitions.items():
        struct = getattr(schema, name)
        for found in definition["properties"].values():
            _write_as_text(found)
        shorthand = getattr(struct, "__shorthand__", "")
        if shorthand:
            text = definition["properties"][shorthand]
            definitions[name] = {"title": name, "anyOf": [{"type": "string", **_limits(text)}, definition]}
    _exactly_one(definitions["SecretRef"], _SECRETS)
    _exactly_one(definitions["Probe"], _PROBES)
    _exactly_one(definitions["LocalPipeline"], ("steps", "makefile"))
    definitions["LocalPipeline"]["properties"]["steps"].pop("default", None)
    for name in ("Guard", "Threshold"):
        definitions[name]["anyOf"] = [{"required": ["max"]}, {"required": ["min"]}]
    return {"$schema": DIALECT, "title": "quarterdeck.yaml", **made}


def _limits(text: dict[str, Any]) -> dict[str, Any]:
    return {key: text[key] for key in ("minLength", "maxLength") if key in text}


def _exactly_one(definition: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Require one of ``keys`` and, of these, leave out null, which means that the key is absent."""
    for key in keys:
        found = definition["properties"][key]
        arms = [arm for arm in found.get("anyOf", ()) if arm != {"type": "null"}]
        if arms:
            definition["properties"][key] = arms[0]
    definition["oneOf"] = [
        {"required": [key], **({"properties": {"engine": {"const": True}}} if key == "engine" else {})} for key in keys
    ]


def _write_as_text(found: dict[str, Any]) -> None:
    """A field as the file would say it: durations and their defaults as text, no default for "not said"."""
    for arm in (found, *found.get("anyOf", ())):
        if arm.get("pattern") == PATTERN:
            for number in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
                arm.pop(number, None)
            arm["type"] = "string"
            if isinstance(arm.get("default"), float):
                arm["default"] = format_duration(arm["default"])
    default = found.get("default")
    if default is None or isinstance(default, dict):
        found.pop("default", None)
    elif isinstance(default, tuple):
        found["default"] = list(default)
