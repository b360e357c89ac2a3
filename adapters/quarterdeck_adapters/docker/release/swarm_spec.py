"""What a release writes into a Swarm service's spec, and how that is taken out again. Pure.

https://docs.docker.com/reference/api/engine/version/v1.41/#operation/ServiceUpdate: an update sends the whole spec, so
all that a release does not change is sent back as it was read.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from quarterdeck_lifecycle.release.model import MARK, Change, Identity, Marks

Json = dict[str, Any]
STOP_FIRST, START_FIRST = "stop-first", "start-first"
MONITOR_S, GRACE_S, START_S = 5.0, 10.0, 60.0
LEAST_S, MOST_S = 120.0, 3600.0
NANO = 1_000_000_000


def identity_of(image: str, *, image_id: str = "") -> Identity:
    """What `repository[:tag]@sha256:...`, `repository:tag` or an engine's id names."""
    if image.startswith("sha256:"):
        return Identity(kind="image", name="", digest="", image_id=image, wanted=image)
    name, _, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    repository = head if colon and "/" not in tag else name
    return Identity(kind="image", name=repository, digest=digest, image_id=image_id, wanted=image)


def container(spec: Mapping[str, Any]) -> Json:
    """The container's part of a service's or a task's spec; empty when it has none (a plugin, an attachment)."""
    template = spec.get("TaskTemplate", spec)
    found: Json = template.get("ContainerSpec") or {}
    return found


def image_of(spec: Mapping[str, Any]) -> str:
    """The image that a service's or a task's spec names."""
    return str(container(spec).get("Image") or "")


def op_of(spec: Mapping[str, Any]) -> str:
    """The operation that wrote this service's spec last, by its marks."""
    return str((spec.get("Labels") or {}).get(f"{MARK}op", ""))


def token(spec: Mapping[str, Any]) -> tuple[str, str, int]:
    """What tells one generation of tasks from another: image, operation, forced updates."""
    template = spec.get("TaskTemplate", spec)
    marks = container(spec).get("Labels") or {}
    return image_of(spec), str(marks.get(f"{MARK}op", "")), int(template.get("ForceUpdate") or 0)


def forward(base: Json, change: Change) -> Json:
    """`base` with the change's image and marks; Swarm stops at a failing update instead of going on with it."""
    spec = copy.deepcopy(base)
    inside = spec.setdefault("TaskTemplate", {}).setdefault("ContainerSpec", {})
    inside["Image"] = change.to.reference
    marks = change.marks().labels()
    for holder in (spec, inside):
        kept = {name: value for name, value in (holder.get("Labels") or {}).items() if name not in _MARKS}
        holder["Labels"] = {**kept, **marks}
    if change.restart_only:
        spec["TaskTemplate"]["ForceUpdate"] = int(spec["TaskTemplate"].get("ForceUpdate") or 0) + 1
    if failure_action(base) == "continue":
        spec["UpdateConfig"]["FailureAction"] = "pause"
    return spec


_MARKS = frozenset(f"{MARK}{name}" for name in Marks.__struct_fields__)


def merged(written: Any, back: Any, current: Any) -> Any:
    """`current` with what turned `back` into `written` undone; what others changed meanwhile stays.

    Where both changed the same thing, `back` wins. Objects are merged by key, lists are whole.
    """
    if current == written:
        return copy.deepcopy(back)
    if back == written:
        return copy.deepcopy(current)
    if not (isinstance(written, dict) and isinstance(back, dict) and isinstance(current, dict)):
        return copy.deepcopy(back)
    missing = object()
    made: Json = {}
    for key in list(current) + [key for key in back if key not in current]:
        parts = [each.get(key, missing) for each in (written, back, current)]
        if parts[2] is parts[0] or parts[2] == parts[0]:
            value = parts[1]
        elif parts[1] is parts[0] or parts[1] == parts[0]:
            value = parts[2]
        elif missing in parts[1:]:
            value = parts[1]
        else:
            value = merged(*parts)
        if value is not missing:
            made[key] = copy.deepcopy(value)
    return made


def fingerprint(spec: Json) -> str:
    """A hash of a spec that tells no secret: of the environment the names alone, no arguments."""
    bare = copy.deepcopy(spec)
    inside = container(bare)
    inside["Env"] = sorted(str(each).partition("=")[0] for each in inside.get("Env") or ())
    for name in ("Args", "Command"):
        inside.pop(name, None)
    return hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()[:32]


def replicas(spec: Mapping[str, Any]) -> int | None:
    """How many tasks a replicated service wants; None for a global one."""
    mode = spec.get("Mode") or {}
    if "Replicated" not in mode:
        return None
    wanted = (mode["Replicated"] or {}).get("Replicas")
    return 1 if wanted is None else int(wanted)


def unfit(spec: Mapping[str, Any]) -> str:
    """Why a release cannot roll this service; empty when it can."""
    mode = spec.get("Mode") or {}
    if "ReplicatedJob" in mode or "GlobalJob" in mode:
        return "it is a job: Swarm does not roll jobs"
    if not container(spec):
        return "its tasks are no containers"
    if replicas(spec) == 0:
        return "it is scaled to 0: nothing would run, so nothing could be proven"
    return ""


def order(spec: Mapping[str, Any], config: str = "UpdateConfig") -> str:
    """start-first or stop-first, of the update or of the RollbackConfig."""
    return str((spec.get(config) or {}).get("Order") or STOP_FIRST)


def failure_action(spec: Mapping[str, Any]) -> str:
    """What Swarm does when a task of an update fails: pause, rollback, continue."""
    return str((spec.get("UpdateConfig") or {}).get("FailureAction") or "pause")


def monitor_s(spec: Mapping[str, Any]) -> float:
    """How long Swarm watches a new task for failure, in seconds."""
    nanos = (spec.get("UpdateConfig") or {}).get("Monitor")
    return MONITOR_S if nanos is None else nanos / NANO


def deadline_s(spec: Mapping[str, Any], tasks: int) -> float:
    """How long a roll of this many tasks may take, in seconds: batches, each with its start, delay, watch and stop."""
    config = spec.get("UpdateConfig") or {}
    at_once = int(config.get("Parallelism", 1) or tasks or 1)
    grace = (container(spec).get("StopGracePeriod") or GRACE_S * NANO) / NANO
    each = START_S + grace + monitor_s(spec) + (config.get("Delay") or 0) / NANO
    return float(min(MOST_S, max(LEAST_S, each * math.ceil(max(1, tasks) / at_once))))
