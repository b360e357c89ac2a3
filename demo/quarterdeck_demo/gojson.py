"""JSON as Go's encoding/json writes it: no spaces, and `<`, `>`, `&`, U+2028 and U+2029 escaped."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["go_json"]

ESCAPED = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def go_json(obj: Any, indent: int | None = None) -> str:
    """`obj` as Go marshals it; with `indent` as json.MarshalIndent does, that many spaces a level."""
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(obj, ensure_ascii=False, separators=separators, indent=indent, allow_nan=False)
    for character, escape in ESCAPED.items():
        text = text.replace(character, escape)
    return text
