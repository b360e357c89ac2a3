"""How one spec of a Swarm service differs from another, fit to be shown. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from quarterdeck_config.secrets import MASK, looks_secret, mask_args, redact
from quarterdeck_lifecycle.release.model import MARK

LONGEST = 200
_LISTS_OF_NAMES = ("Env",)
_ARGUMENTS = ("Args", "Command")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """A line for each thing that differs, without a release's own marks; what looks secret is masked."""
    old, new = dict(_flat(before)), dict(_flat(after))
    lines = []
    for path in sorted(old.keys() | new.keys()):
        left, right = old.get(path), new.get(path)
        if left == right:
            continue
        shown = [_shown(path, value) for value in (left, right)]
        hidden = " (its value changes)" if shown[0] == shown[1] else ""
        lines.append(f"{path.removeprefix('TaskTemplate.')}: {shown[0]} -> {shown[1]}{hidden}")
    return tuple(lines)


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        path = f"{prefix}{key}"
        if key.startswith(MARK):
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        elif key in _LISTS_OF_NAMES and isinstance(value, list):
            for each in value:
                name, _, text = str(each).partition("=")
                yield f"{path}.{name}", text
        elif key in _ARGUMENTS and isinstance(value, list):
            yield path, json.dumps(mask_args([str(each) for each in value]))
        elif value is not None:
            yield path, value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _shown(path: str, value: str | None) -> str:
    if value is None:
        return "not set"
    if value and looks_secret(path.rpartition(".")[2]):
        return MASK
    text = redact(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
