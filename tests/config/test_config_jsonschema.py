"""The published schema says what the loader takes."""

from __future__ import annotations

import json
import re
from typing import Any

from quarterdeck_config.duration import PATTERN
from quarterdeck_config.jsonschema import config_schema
from quarterdeck_config.schema import Config


def definitions() -> dict[str, Any]:
    found: dict[str, Any] = config_schema()["$defs"]
    return found


def test_it_is_json_with_every_section() -> None:
    made = config_schema()
    assert json.loads(json.dumps(made)) == made
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(made["$defs"]["Config"]["properties"]) == set(Config.__struct_fields__)
    assert made["$defs"]["Config"]["additionalProperties"] is False


def test_durations_are_texts() -> None:
    gate = definitions()["Gate"]["properties"]
    assert gate["within"]["type"] == "string"
    assert gate["within"]["default"] == "1m"
    assert "maximum" not in definitions()["ConfirmOptions"]["properties"]["write_window"]
    for text in ("2s", "1h30m", "250ms", "1.5s"):
        assert re.search(PATTERN, text)
    for text in ("", "2", "1s1h", "fast"):
        assert not re.search(PATTERN, text)


def test_secrets_are_one_of_four() -> None:
    secret = definitions()["SecretRef"]
    assert secret["oneOf"] == [{"required": [key]} for key in ("env", "file", "command", "keyring")]
    assert secret["properties"]["command"] == {"type": "array", "items": {"type": "string"}, "minItems": 1}
    assert secret["additionalProperties"] is False
    assert definitions()["Source"]["properties"]["token"] == {
        "anyOf": [{"$ref": "#/$defs/SecretRef"}, {"type": "null"}]
    }


def test_shorthands_and_choices() -> None:
    series = definitions()["Series"]["anyOf"]
    assert [arm["type"] for arm in series] == ["string", "object"]
    probe = definitions()["Service"]["properties"]["probe"]["anyOf"]
    assert {"enum": ["none"]} in probe
    assert {"required": ["engine"], "properties": {"engine": {"const": True}}} in definitions()["Probe"]["oneOf"]
    assert definitions()["Guard"]["anyOf"] == [{"required": ["max"]}, {"required": ["min"]}]
