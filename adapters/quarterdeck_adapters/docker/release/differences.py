"""How the new container's configuration differs from the old one's, a line each, secrets masked. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from quarterdeck_config.masking import mask_args, mask_mapping
from quarterdeck_lifecycle.release.model import MARK

Json = Mapping[str, Any]
_SINGLE = {"Cmd": "command", "Entrypoint": "entrypoint", "WorkingDir": "working folder", "User": "user",
           "StopSignal": "stop signal", "Healthcheck": "health check"}  # fmt: skip


def env(entries: Any) -> dict[str, str]:
    """`NAME=value` entries as a mapping."""
    return {name: value for name, _, value in (str(entry).partition("=") for entry in entries or ())}


def between(before: Json, after: Json, old_host: Json, new_host: Json) -> tuple[str, ...]:
    """Two configurations as inspect says them (`Config`, `HostConfig`)."""
    lines = _changes("env", env(before.get("Env")), env(after.get("Env")))
    lines += _changes("label", _labels(before), _labels(after))
    for key, word in _SINGLE.items():
        if (before.get(key) or None) != (after.get(key) or None):
            lines.append(f"{word}: {_shown(before.get(key))} -> {_shown(after.get(key))}")
    for key in ("ExposedPorts", "Volumes"):
        old, new = set(before.get(key) or ()), set(after.get(key) or ())
        word = "port" if key == "ExposedPorts" else "volume"
        lines += [f"{word} {each}: no more" for each in sorted(old - new)]
        lines += [f"{word} {each}: new" for each in sorted(new - old)]
    for key in sorted({*old_host, *new_host} - {"RestartPolicy"}):
        if (old_host.get(key) or None) != (new_host.get(key) or None):
            lines.append(f"{key}: {_shown(old_host.get(key))} -> {_shown(new_host.get(key))}")
    return tuple(lines)


def merged(own: Json, image: Json) -> dict[str, Any]:
    """What a container's own part becomes on an image."""
    both = {**image, **{key: value for key, value in own.items() if value not in (None, "", [], {})}}
    both["Env"] = [f"{k}={v}" for k, v in {**env(image.get("Env")), **env(own.get("Env"))}.items()]
    for key in ("Labels", "ExposedPorts", "Volumes"):
        both[key] = {**(image.get(key) or {}), **(own.get(key) or {})}
    if own.get("Entrypoint"):
        both["Cmd"] = own.get("Cmd")
    both["Healthcheck"] = {**(image.get("Healthcheck") or {}), **(own.get("Healthcheck") or {})} or None
    return both


def _labels(config: Json) -> dict[str, str]:
    return {str(k): str(v) for k, v in (config.get("Labels") or {}).items() if not k.startswith(MARK)}


def _changes(word: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    old, new = mask_mapping(before), mask_mapping(after)
    lines = [f"{word} {name}: no more" for name in sorted(before.keys() - after.keys())]
    lines += [f"{word} {name}: new, {new[name]}" for name in sorted(after.keys() - before.keys())]
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            same = "another value" if old[name] == new[name] else f"{old[name]} -> {new[name]}"
            lines.append(f"{word} {name}: {same}")
    return lines


def _shown(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return shlex.join(mask_args(value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={v}" for k, v in sorted(value.items())) or "none"
    return str(value) if value not in (None, "", 0, False) else "none"
