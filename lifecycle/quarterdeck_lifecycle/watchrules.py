"""What matters of each kind of row to somebody who watches it. Pure: facts seen last, and a record; what to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from quarterdeck_lifecycle.kinds import (
    Alert,
    Container,
    ModelVersion,
    Operation,
    PullRequest,
    RegisteredModel,
    Rule,
    Run,
    TrainingRun,
)  # fmt: skip
from quarterdeck_lifecycle.records import Record, Status

GOING = frozenset({Status.RUNNING, Status.QUEUED, Status.WAITING, Status.UNKNOWN})
HARMLESS_ENDS = frozenset({"skipped", "neutral"})
AFTER_GATE = frozenset({"soak", "verify", "prune", "keep", "hook-post", "announce", "release"})
LISTED_WHILE_ACTIVE = frozenset({"alert"})
"""Kinds whose absence means that all is quiet."""
AIMS = {
    "run": "its end", "job": "its end", "training_run": "its end, or NaN or a stall", "operation": "the gate, its end",
    "alert": "it fires or clears", "rule": "it fires or clears", "container": "healthy, or its end",
    "model": "an alias moves", "version": "an alias moves", "pull_request": "checks, review or its end",
}  # fmt: skip
ANYTHING = "anything of it changes"
NOT_HEALTHY = "its end, or trouble"


class Told(NamedTuple):
    """What is told. `good` None: neither well nor badly. A `final` one ends the watch."""

    word: str
    text: str
    good: bool | None = None
    final: bool = False


Facts = dict[str, str]
Outcome = tuple[Told | None, Facts]
WatchRule = Callable[[Facts, Record | None], Outcome]


def facts_of(record: Record | None) -> Mapping[str, str]:
    """The facts of a row that its rule compares."""
    match record:
        case None:
            return {"state": "inactive"}
        case Container():
            return {"phase": phase(record)}
        case RegisteredModel():
            return {f"@{alias}": version for alias, version in record.aliases.items()}
        case ModelVersion():
            return {"aliases": " ".join(sorted(record.aliases)), "state": record.state}
        case Alert() | Rule():
            return {"state": record.state}
        case Operation():
            return {"phase": "ended" if record.result else "on", "gate": gate(record)}
        case Run():
            return {"phase": "ended" if ended(record) else "on", "mark": str(record.attempt)}
        case TrainingRun():
            return {"phase": "ended" if ended(record) else "on", "mark": str(record.finished_at)}
        case PullRequest():
            return {"state": record.state, "checks": checks(record), "review": record.review}
    return {"phase": "ended" if ended(record) else "on"} if record.kind == "job" else _fields(record)


def ended(record: Record) -> bool:
    """Whether nothing more happens to it by itself."""
    match record:
        case Operation():
            return bool(record.result)
        case TrainingRun():
            return record.finished_at is not None or record.state not in ("running", "scheduled", "")
        case Container():
            return phase(record) == "ended"
        case PullRequest():
            return record.state in ("merged", "closed")
    return record.kind in ("run", "job") and record.status not in GOING


def well(record: Record) -> bool:
    """Whether something that ended did so well."""
    if isinstance(record, Operation):
        return record.result == "SUCCEEDED"
    if isinstance(record, Container):
        return record.status is not Status.BAD
    if isinstance(record, PullRequest):
        return record.state == "merged"
    return record.status is Status.OK or record.state in HARMLESS_ENDS


def phase(record: Container) -> str:
    """How far a container is: `healthy`, `unhealthy`, `restarting`, `ended` or `other`.

    One without a health check counts as healthy while it runs: more is not known of it.
    """
    word = record.state.partition(" ")[0].rstrip(",")
    if word in ("exited", "dead"):
        return "ended"
    if word == "unhealthy" or (word == "running" and record.health == "unhealthy"):
        return "unhealthy"
    if word == "healthy" or (word == "running" and record.health in ("", "healthy")):
        return "healthy"
    return "restarting" if word == "restarting" else "other"


def gate(record: Operation) -> str:
    """The verdict of all gates of a release so far: `passed`, `failed`, or empty while there is none."""
    if record.state == "putting back" or record.result in ("ROLLED_BACK", "STUCK"):
        return "failed"
    return "passed" if record.step in AFTER_GATE or record.result == "SUCCEEDED" else ""


def checks(record: PullRequest) -> str:
    """How the checks of a change request stand in one word; empty without any."""
    counts = record.checks
    if not sum(counts.values()):
        return ""
    if counts.get("running") or counts.get("waiting"):
        return "running"
    return "failed" if counts.get("failed") else "passed"


def _end(facts: Facts, record: Record | None) -> Outcome:
    """Runs, jobs, training runs: the end, once more after each re-run; what waits for somebody, or broke, once."""
    assert record is not None
    now = dict(facts_of(record))
    kept = {key: facts[key] for key in ("waits", "broken") if key in facts}
    if now["phase"] == "ended":
        if facts.get("phase") == "on" or facts.get("mark") != now.get("mark"):
            return Told("ended", _why(record), well(record), final=True), now
        return None, now
    if record.status is Status.WAITING and "waits" not in kept:
        return Told("waits", _why(record), None), now | kept | {"waits": "yes"}
    troubled = isinstance(record, TrainingRun) and record.status in (Status.BAD, Status.LOOK)
    if troubled and "broken" not in kept:
        return Told("broken", _why(record), False), now | kept | {"broken": "yes"}
    return None, now | kept


def _operation(facts: Facts, record: Record | None) -> Outcome:
    assert isinstance(record, Operation)
    now = dict(facts_of(record))
    if record.result:
        first = facts.get("phase") != "ended"
        return (Told("ended", _why(record), well(record), final=True) if first else None), now
    if now["gate"] and now["gate"] != facts.get("gate"):
        words = "passed its gate" if now["gate"] == "passed" else "failed, and is put back"
        return Told("gate", f"{words}: {record.said}".rstrip(": "), now["gate"] == "passed"), now
    return None, now


def _alert(facts: Facts, record: Record | None) -> Outcome:
    now = dict(facts_of(record))
    was, state = facts.get("state", ""), now["state"]
    if state == "firing" and was != "firing":
        return Told("fires", _why(record), False, final=True), now
    if was == "firing" and state != "firing":
        return Told("clears", f"no longer fires: {state}", True, final=True), now
    if was == "pending" and state == "inactive":
        return Told("clears", "is no longer pending, and did not fire", True, final=True), now
    return None, now


def _container(facts: Facts, record: Record | None) -> Outcome:
    assert isinstance(record, Container)
    now, was = dict(facts_of(record)), facts.get("phase", "")
    told = {key: facts[key] for key in ("unhealthy", "restarting") if key in facts}
    is_now = now["phase"]
    if is_now == was:
        return None, now | told
    if is_now in ("healthy", "ended"):
        return Told(is_now, _why(record), is_now == "healthy" or well(record), final=True), now | told
    if is_now in ("unhealthy", "restarting") and is_now not in told:
        return Told(is_now, _why(record), False), now | told | {is_now: "yes"}
    return None, now | told


def _model(facts: Facts, record: Record | None) -> Outcome:
    assert isinstance(record, RegisteredModel)
    now = dict(facts_of(record))
    moved = [
        f"{alias} {_version(facts.get(alias))}→{_version(now.get(alias))}"
        for alias in sorted({key for key in {**facts, **now} if key.startswith("@")})
        if facts.get(alias) != now.get(alias)
    ]
    return (Told("moves", ", ".join(moved), None, final=True) if moved else None), now


def _model_version(facts: Facts, record: Record | None) -> Outcome:
    assert isinstance(record, ModelVersion)
    now = dict(facts_of(record))
    was, has = set(facts.get("aliases", "").split()), set(record.aliases)
    parts = [f"now has @{alias}" for alias in sorted(has - was)] + [f"lost @{alias}" for alias in sorted(was - has)]
    if parts:
        return Told("moves", ", ".join(parts), None, final=True), now
    if now["state"] != facts.get("state"):
        return Told("changes", _why(record), record.status is not Status.BAD, final=True), now
    return None, now


def _pull(facts: Facts, record: Record | None) -> Outcome:
    assert isinstance(record, PullRequest)
    now = dict(facts_of(record))
    if now["state"] != facts.get("state") and ended(record):
        return Told("ended", record.state, well(record), final=True), now
    if now["checks"] in ("passed", "failed") and now["checks"] != facts.get("checks"):
        return Told("checks", f"checks {now['checks']}", now["checks"] == "passed", final=True), now
    if now["review"] and now["review"] != facts.get("review"):
        return Told("review", f"review: {now['review']}", None, final=True), now
    return None, now


def other_rule(facts: Facts, record: Record | None) -> Outcome:
    """Any other kind: what its changes are made of, else how it is doing."""
    assert record is not None
    now = dict(_fields(record))
    changed = [field for field in now if facts.get(field) != now[field]]
    parts = [f"{field} {_short(facts.get(field, ''))}→{_short(now[field])}" for field in changed]
    good = False if record.status in (Status.BAD, Status.LOOK) else None
    return (Told("changes", ", ".join(parts), good, final=True) if parts else None), now


def _fields(record: Record) -> Facts:
    names = [name for name in record.watched if isinstance(getattr(record, name), str)] or ["status"]
    return {name: str(getattr(record, name)) for name in names}


def _why(record: Record | None) -> str:
    """The state and, where there is one, the reason."""
    if record is None:
        return ""
    note = record.note or (record.said if isinstance(record, Operation) else "")
    return f"{record.state}: {note}" if note else record.state


def _version(version: str | None) -> str:
    return f"v{version}" if version else "none"


def _short(value: str) -> str:
    if value.startswith("sha256:"):
        return value[:15]
    if len(value) == 40 and all(char in "0123456789abcdef" for char in value):
        return value[:7]
    return value[:40] or "-"


RULES: Mapping[str, WatchRule] = {
    "run": _end, "job": _end, "training_run": _end, "operation": _operation, "alert": _alert, "rule": _alert,
    "container": _container, "model": _model, "version": _model_version, "pull_request": _pull,
}  # fmt: skip
