"""The tabs of one thing's detail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from quarterdeck_adapters.docker import mapping
from quarterdeck_adapters.docker.acting import size
from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.mapping_stores import digests_of, is_anonymous, tags_of
from quarterdeck_config.secrets import mask_args, mask_mapping
from quarterdeck_lifecycle.errors import QuarterdeckError, Unsupported
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Ref, utc

Json = Mapping[str, Any]
Fields = tuple[tuple[str, str], ...]
NO_TIME = "0001-01-01T00:00:00Z"


async def describe(engine: Engine, ref: Ref) -> Sequence[Section]:
    """Everything the engine says of one thing, secrets masked. Raises NotFound, QuarterdeckError."""
    what = f"describing {ref.kind} {ref.id[:24]}"
    if ref.kind == "container":
        found = await engine.call(lambda c: dict(c.inspect_container(ref.id)), what=what)
        running: Json = {}
        if (found.get("State") or {}).get("Running"):
            with suppress(QuarterdeckError):
                running = await engine.call(lambda c: dict(c.top(ref.id)), what="listing its processes")
        return container(found, running)
    if ref.kind == "image":
        found = await engine.call(lambda c: dict(c.inspect_image(ref.id)), what=what)
        history = await engine.call(lambda c: list(c.history(ref.id)), what="reading its history")
        return image(found, history)
    if ref.kind == "volume":
        found = await engine.call(lambda c: dict(c.inspect_volume(ref.id)), what=what)
        users = await engine.call(lambda c: c.containers(all=True, filters={"volume": [ref.id]}), what="who uses it")
        return volume(found, users)
    if ref.kind == "network":
        return network(await engine.call(lambda c: dict(c.inspect_network(ref.id)), what=what))
    raise Unsupported(f"no detail of a {ref.kind}", source=engine.source)


def container(found: Json, running: Json) -> list[Section]:
    """Overview, env, labels, mounts, networks, health, processes, raw."""
    config, state, host = found.get("Config") or {}, found.get("State") or {}, found.get("HostConfig") or {}
    env = mask_mapping(pairs(config.get("Env") or ()))
    policy = host.get("RestartPolicy") or {}
    overview = {
        "name": str(found.get("Name") or "").removeprefix("/"),
        "id": found.get("Id"),
        "state": state.get("Status"),
        "health": (state.get("Health") or {}).get("Status"),
        "exit code": None if state.get("Running") else state.get("ExitCode"),
        "killed for want of memory": "yes" if state.get("OOMKilled") else None,
        "error": state.get("Error"),
        "image": config.get("Image"),
        "image id": found.get("Image"),
        "command": " ".join(mask_args([str(found.get("Path") or ""), *(found.get("Args") or ())])),
        "working folder": config.get("WorkingDir"),
        "user": config.get("User"),
        "created": found.get("Created"),
        "started": _unless_never(state.get("StartedAt")),
        "finished": _unless_never(state.get("FinishedAt")),
        "restarts": found.get("RestartCount"),
        "restart policy": f"{policy.get('Name') or 'no'} {policy.get('MaximumRetryCount') or ''}".strip(),
        "removed when it stops": "yes" if host.get("AutoRemove") else None,
        "memory limit": size(host["Memory"]) if host.get("Memory") else None,
        "privileged": "yes" if host.get("Privileged") else None,
        "network mode": host.get("NetworkMode"),
        "log driver": (host.get("LogConfig") or {}).get("Type"),
    }
    sections = [
        Section(title="Overview", fields=fields(overview)),
        Section(title="Env", fields=tuple(sorted(env.items())), note="values that look secret are masked"),
        Section(title="Labels", fields=labels(config.get("Labels"))),
        Section(title="Mounts", shape="table", table=_mounts(found.get("Mounts") or ())),
        Section(title="Networks", shape="table", table=_endpoints(found.get("NetworkSettings") or {})),
    ]
    if health := state.get("Health"):
        sections.append(_health(health))
    if running.get("Titles"):
        rows = [tuple(running["Titles"]), *(tuple(map(str, row)) for row in running.get("Processes") or ())]
        sections.append(Section(title="Processes", shape="table", table=tuple(rows)))
    return [*sections, raw(found)]


def image(found: Json, history: Sequence[Json]) -> list[Section]:
    """Overview, layers, labels, raw."""
    config = found.get("Config") or {}
    tags, digests = tags_of(found), digests_of(found)
    overview = {
        "id": found.get("Id"), "tags": ", ".join(tags), "digests": ", ".join(digests), "created": found.get("Created"),
        "size": size(found.get("Size")), "platform": f"{found.get('Os')}/{found.get('Architecture')}",
        "entrypoint": " ".join(mask_args(config.get("Entrypoint") or ())),
        "command": " ".join(mask_args(config.get("Cmd") or ())), "user": config.get("User"),
        "ports": ", ".join(sorted(config.get("ExposedPorts") or {})),
        "layers": len((found.get("RootFS") or {}).get("Layers") or ()),
    }  # fmt: skip
    rows = [("created", "size", "by")]
    for layer in history:
        by = " ".join(mask_args(str(layer.get("CreatedBy") or layer.get("Comment") or "").split(" ")))
        rows.append((utc(mapping.epoch(layer.get("Created"))) or "", size(layer.get("Size")), by))
    env = mask_mapping(pairs(config.get("Env") or ()))
    return [
        Section(title="Overview", fields=fields(overview)),
        Section(title="Layers", shape="table", table=tuple(rows)),
        Section(title="Env", fields=tuple(sorted(env.items())), note="values that look secret are masked"),
        Section(title="Labels", fields=labels(config.get("Labels"))),
        raw(found),
    ]


def volume(found: Json, users: Sequence[Json]) -> list[Section]:
    """Overview, containers, labels, raw."""
    overview = {
        "name": found.get("Name"), "driver": found.get("Driver"), "path": found.get("Mountpoint"),
        "anonymous": "yes" if is_anonymous(found) else "no", "created": found.get("CreatedAt"),
        "options": ", ".join(f"{k}={v}" for k, v in sorted(mask_mapping(found.get("Options") or {}).items())),
    }  # fmt: skip
    rows = [("container", "state", "at")]
    for each in users:
        at = next(
            (m.get("Destination", "") for m in each.get("Mounts") or () if m.get("Name") == found.get("Name")), ""
        )
        rows.append((mapping.name_of(each), str(each.get("State")), at))
    return [
        Section(title="Overview", fields=fields(overview)),
        Section(title="Containers", shape="table", table=tuple(rows)),
        Section(title="Labels", fields=labels(found.get("Labels"))),
        raw(found),
    ]


def network(found: Json) -> list[Section]:
    """Overview, containers, labels, raw."""
    subnets = [
        f"{c.get('Subnet')} via {c.get('Gateway') or '-'}" for c in (found.get("IPAM") or {}).get("Config") or ()
    ]
    overview = {
        "name": found.get("Name"), "id": found.get("Id"), "driver": found.get("Driver"), "scope": found.get("Scope"),
        "internal": "yes" if found.get("Internal") else "no", "IPv6": "yes" if found.get("EnableIPv6") else "no",
        "subnets": ", ".join(subnets), "created": found.get("Created"),
    }  # fmt: skip
    rows = [("container", "IPv4", "MAC")]
    rows += [
        (str(each.get("Name")), str(each.get("IPv4Address") or ""), str(each.get("MacAddress") or ""))
        for each in (found.get("Containers") or {}).values()
    ]
    return [
        Section(title="Overview", fields=fields(overview)),
        Section(title="Containers", shape="table", table=(rows[0], *sorted(rows[1:]))),
        Section(title="Labels", fields=labels(found.get("Labels"))),
        raw(found),
    ]


def fields(values: Mapping[str, object]) -> Fields:
    """Those that say something, as text."""
    return tuple((name, str(value)) for name, value in values.items() if value not in (None, ""))


def pairs(env: Sequence[str]) -> dict[str, str]:
    """`NAME=value` entries as a mapping."""
    return {name: value for name, _, value in (entry.partition("=") for entry in env)}


def labels(found: Mapping[str, str] | None) -> Fields:
    """Labels in order, masked."""
    return tuple(sorted(mask_mapping(found or {}).items()))


def masked(value: Any, key: str = "") -> Any:
    """A JSON value with everything masked that looks secret: env, arguments, labels, anything under such a name."""
    if isinstance(value, dict):
        texts = mask_mapping({k: v for k, v in value.items() if isinstance(v, str)})
        return {k: texts.get(k, v) if isinstance(v, str) else masked(v, k) for k, v in value.items()}
    if isinstance(value, list):
        if key == "Env":
            return [f"{k}={v}" for k, v in mask_mapping(pairs([str(each) for each in value])).items()]
        if key in ("Cmd", "Entrypoint", "Args", "Test", "Shell") and all(isinstance(each, str) for each in value):
            return list(mask_args(value))
        return [masked(each) for each in value]
    return value


def raw(found: Json) -> Section:
    """What the engine sent, masked."""
    return Section(title="JSON", shape="json", text=json.dumps(masked(dict(found)), indent=2, ensure_ascii=False))


def _unless_never(at: object) -> str:
    return "" if at == NO_TIME else str(at or "")


def _mounts(mounts: Sequence[Json]) -> tuple[tuple[str, ...], ...]:
    rows = [
        (str(m.get("Type")), str(m.get("Name") or m.get("Source") or ""), str(m.get("Destination")),
         "read and write" if m.get("RW", True) else "read only")
        for m in mounts
    ]  # fmt: skip
    return (("type", "from", "to", "mode"), *sorted(rows, key=lambda row: row[2]))


def _endpoints(settings: Json) -> tuple[tuple[str, ...], ...]:
    rows = [
        (name, str(n.get("IPAddress") or ""), str(n.get("Gateway") or ""), ", ".join(n.get("Aliases") or ()))
        for name, n in sorted((settings.get("Networks") or {}).items())
    ]
    return (("network", "address", "gateway", "aliases"), *rows)


def _health(health: Json) -> Section:
    rows = [("at", "exit", "said")]
    rows += [
        (str(each.get("Start", ""))[:19], str(each.get("ExitCode")), (each.get("Output") or "").strip())
        for each in reversed(health.get("Log") or ())
    ]
    note = f"{health.get('Status')}, {health.get('FailingStreak', 0)} failed in a row"
    return Section(title="Health", shape="table", table=tuple(rows), note=note)
