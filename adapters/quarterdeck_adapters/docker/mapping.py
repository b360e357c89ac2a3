"""Containers: what the engine's list says, as records. Pure: a payload and what is known besides it, in; rows, out.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerList
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from quarterdeck_config.secrets import mask_mapping
from quarterdeck_lifecycle.kinds import Container
from quarterdeck_lifecycle.records import Link, Ref, Status

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
REVISION = "org.opencontainers.image.revision"
ORIGIN = "org.opencontainers.image.source"
MODEL_LABELS = ("mlflow.model", "mlflow.model.name", "mlflow.registered_model", "ml.model.name")
VERSION_LABELS = ("mlflow.version", "mlflow.model.version", "mlflow.model_version", "ml.model.version")
STOPPED_ON_PURPOSE = frozenset({0, 130, 143})
"""Exit codes of a program that ended well, or because it was asked to by SIGINT or SIGTERM."""

ANYWHERE = ("0.0.0.0", "::")  # noqa: S104
_EXIT = re.compile(r"^(?:Exited|Restarting) \((-?\d+)\)")
_HEALTH = re.compile(r"\((healthy|unhealthy|health: starting)\)$")
Json = Mapping[str, Any]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What only an inspect tells, asked for troubled containers alone. Times are epoch seconds."""

    restarts: int | None = None
    oom: bool = False
    error: str = ""
    failed: int = 0
    checks: int = 0
    said: str = ""
    started_at: float | None = None
    finished_at: float | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside a container's entry in the list: facts, its image's repository digests, the last event."""

    facts: Facts | None = None
    restarts: int | None = None
    repo_digests: Sequence[str] = ()
    changed_at: float | None = None
    host: str = "127.0.0.1"


def facts(inspected: Json) -> Facts:
    """The facts in an inspect's answer."""
    state = inspected.get("State") or {}
    log = (state.get("Health") or {}).get("Log") or []
    return Facts(
        restarts=inspected.get("RestartCount"),
        oom=bool(state.get("OOMKilled")),
        error=state.get("Error") or "",
        failed=sum(1 for each in log if each.get("ExitCode")),
        checks=len(log),
        said=(log[-1].get("Output") or "").strip() if log else "",
        started_at=epoch(state.get("StartedAt")),
        finished_at=epoch(state.get("FinishedAt")),
    )


def container(entry: Json, *, source: str, environment: str, known: Known) -> Container:
    """One row. No field holds a running age, so that a row that did not change equals the one before."""
    labels = dict(entry.get("Labels") or {})
    word, code, health = read_status(entry)
    status, state, note = judge(word, code, health, known.facts)
    found = known.facts or Facts()
    image, image_id = entry.get("Image") or "", entry.get("ImageID") or ""
    created = epoch(entry.get("Created"))
    started = found.started_at if word in ("running", "paused", "restarting") else None
    ended = found.finished_at if word in ("exited", "dead") else None
    return Container(
        ref=Ref(source, "container", entry["Id"]),
        name=name_of(entry),
        status=status,
        state=state,
        note=note,
        environment=environment,
        updated_at=known.changed_at or ended or started or created,
        image=image,
        image_id=image_id,
        digest=next((digest.rpartition("@")[2] for digest in known.repo_digests), image_id),
        project=labels.get(PROJECT, ""),
        service=labels.get(SERVICE, ""),
        health=health,
        restarts=found.restarts if known.facts else known.restarts,
        exit_code=code,
        ports=ports(entry.get("Ports") or ()),
        networks=tuple(sorted((entry.get("NetworkSettings") or {}).get("Networks") or {})),
        mounts=tuple(sorted(map(mount, entry.get("Mounts") or ()))),
        labels=mask_mapping(labels),
        command=entry.get("Command") or "",
        created_at=created,
        started_at=started,
        links=links(entry, labels, environment, known),
    )


def read_status(entry: Json) -> tuple[str, int | None, str]:
    """The state's word, the exit code and the health, from `State` and the ends of the ageing `Status` text."""
    text = entry.get("Status") or ""
    ended, checked = _EXIT.match(text), _HEALTH.search(text)
    word = entry.get("State") or text.split(" ")[0].lower()
    health = checked[1].removeprefix("health: ") if checked else ""
    return word, int(ended[1]) if ended else None, health


def judge(word: str, code: int | None, health: str, found: Facts | None) -> tuple[Status, str, str]:
    """Status, the word that the operator reads, and why it needs a look."""
    note = found.error if found else ""
    if word == "running":
        if health == "unhealthy":
            tried = f" {found.failed}/{found.checks}" if found and found.checks else ""
            return Status.BAD, f"unhealthy{tried}", (found.said if found else "")[:300] or note
        if health == "starting":
            return Status.RUNNING, "starting", note
        return Status.OK, health or "running", note
    if word == "restarting":
        return (
            Status.BAD,
            "restarting" if code is None else f"restarting, exited {code}",
            note or "restarts again and again",
        )
    if word == "exited":
        if found and found.oom:
            return Status.BAD, f"exited {code} OOM", "killed for want of memory"
        if code in STOPPED_ON_PURPOSE:
            return Status.IDLE, "exited" if not code else f"exited {code}", note
        return Status.BAD, "exited" if code is None else f"exited {code}", note or _meaning(code)
    simple = {
        "paused": (Status.LOOK, note), "dead": (Status.BAD, note or "the engine could not remove it"),
        "created": (Status.LOOK if note else Status.IDLE, note), "removing": (Status.RUNNING, note),
    }  # fmt: skip
    status, why = simple.get(word, (Status.UNKNOWN, note))
    return status, word, why


def _meaning(code: int | None) -> str:
    meanings = {125: "the engine could not run it", 126: "the command cannot be run", 127: "the command was not found",
                137: "killed (SIGKILL)", 139: "crashed (SIGSEGV)"}  # fmt: skip
    return meanings.get(code or 0, "")


def name_of(entry: Json) -> str:
    """The container's own name, without the names that legacy links gave it."""
    names = [name.removeprefix("/") for name in entry.get("Names") or ()]
    return str(next((name for name in names if "/" not in name), names[0] if names else entry["Id"][:12]))


def ports(entries: Sequence[Json]) -> tuple[str, ...]:
    """`127.0.0.1:8080->80/tcp`, or `80/tcp` for one that is not published; in the order of the port inside."""
    shown = set()
    for each in entries:
        inside = f"{each.get('PrivatePort')}/{each.get('Type') or 'tcp'}"
        public = each.get("PublicPort")
        at = each.get("IP") or ""
        at = f"[{at}]" if ":" in at else at
        shown.add((int(each.get("PrivatePort") or 0), f"{at}:{public}->{inside}" if public else inside))
    return tuple(text for _, text in sorted(shown))


def mount(entry: Json) -> str:
    """`volume:/inside`, `/outside:/inside:ro`."""
    outside = entry.get("Name") or entry.get("Source") or entry.get("Type") or ""
    return f"{outside}:{entry.get('Destination', '')}{'' if entry.get('RW', True) else ':ro'}"


def links(entry: Json, labels: Mapping[str, str], environment: str, known: Known) -> tuple[Link, ...]:
    """The facts that tie a container to other systems, each with what it was read from."""
    image, image_id = entry.get("Image") or "", entry.get("ImageID") or ""
    found = [Link(kind="container", value=name_of(entry), evidence="its name")]
    if image_id:
        found.append(Link(kind="digest", value=image_id, evidence="the container's image id"))
    found += [
        Link(kind="digest", value=digest.rpartition("@")[2], evidence=f"repository digest {digest}")
        for digest in known.repo_digests
    ]
    if image and image != image_id:
        found.append(Link(kind="image", value=image, evidence="the image it was created from"))
    found += label_links(labels)
    if environment:
        found.append(Link(kind="environment", value=environment, evidence="the source's environment"))
    published = set()
    for each in entry.get("Ports") or ():
        if each.get("PublicPort") and each.get("Type", "tcp") == "tcp":
            at = each.get("IP") or ANYWHERE[0]
            host = known.host if at in ANYWHERE else f"[{at}]" if ":" in at else at
            published.add((f"{host}:{each['PublicPort']}", f"published port {each.get('PrivatePort')}/tcp"))
    found += [Link(kind="address", value=value, evidence=evidence) for value, evidence in sorted(published)]
    return tuple(found)


def label_links(labels: Mapping[str, str]) -> list[Link]:
    """The links that labels of containers and images declare (OCI, compose, models, our own marks)."""
    found = []
    for kind, keys in (
        ("commit", (REVISION,)), ("repository", (ORIGIN,)), ("project", (PROJECT,)),
        ("service", ("quarterdeck.service", SERVICE)),
    ):  # fmt: skip
        for key in keys:
            if labels.get(key):
                found.append(Link(kind=kind, value=labels[key], evidence=f"label {key}"))  # type: ignore[arg-type]
                break
    model_key = next((key for key in MODEL_LABELS if labels.get(key)), "")
    if model_key:
        name, _, version = labels[model_key].partition("/")
        found.append(Link(kind="model", value=name, evidence=f"label {model_key}"))
        version_key = next((key for key in VERSION_LABELS if labels.get(key)), "")
        if version or version_key:
            value = f"{name}/{version or labels[version_key]}"
            found.append(Link(kind="version", value=value, evidence=f"label {version_key or model_key} (declared)"))
    return found


def epoch(value: object) -> float | None:
    """Epoch seconds of the engine's time: a number, or RFC 3339 with up to nine decimals; None for year 1."""
    if isinstance(value, int | float):
        return float(value) if value > 0 else None
    if not isinstance(value, str) or not value or value.startswith("0001-"):
        return None
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value)).timestamp()
    except ValueError:
        return None
