"""The JSON Schema of the config file, for editors: ``quarterdeck config schema``."""

from __future__ import annotations

from functools import reduce
from typing import Any

import msgspec

from quarterdeck_config import schema
from quarterdeck_config.duration import format_duration

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
        _write_defaults(definition)
        shorthand = getattr(struct, "__shorthand__", "")
        if shorthand:
            text = definition["properties"][shorthand]
            definitions[name] = {"title": name, "anyOf": [{"type": "string", **_limits(text)}, definition]}
    _exactly_one(definitions["SecretRef"], _SECRETS)
    _exactly_one(definitions["Probe"], _PROBES)
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


def _write_defaults(definition: dict[str, Any]) -> None:
    """Defaults as the file would say them: durations in their text form, nothing for "not said"."""
    for found in definition.get("properties", {}).values():
        pattern = found.get("pattern") or reduce(
            lambda known, arm: known or arm.get("pattern"), found.get("anyOf", ()), None
        )
        default = found.get("default")
        if isinstance(default, float) and pattern:
            found["default"] = format_duration(default)
        elif default is None or isinstance(default, dict):
            found.pop("default", None)
