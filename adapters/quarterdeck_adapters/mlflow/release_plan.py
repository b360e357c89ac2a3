"""What a release would do to an alias, decided from reads alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from quarterdeck_adapters.mlflow import mapping
from quarterdeck_adapters.mlflow.moving import as_rows, checked, oddities, place
from quarterdeck_adapters.mlflow.values import Json, epoch, pairs, text
from quarterdeck_config.schema import Service
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused, Unsupported
from quarterdeck_lifecycle.release.model import Change, Check, Draft, Identity, Step
from quarterdeck_lifecycle.release.ports import Wanted
from quarterdeck_lifecycle.served import plain_version

if TYPE_CHECKING:
    from quarterdeck_adapters.mlflow.release import AliasTarget

LONGEST = 200
"""Of an alias that is released: its tags' keys hold it, and MLflow takes keys of 250 characters."""
MOVE_S, MARK_S = 60.0, 30.0


def identity(raw: Json, run: Json | None, *, model: str, wanted: str = "") -> Identity:
    """A version as what a release puts on an alias; its revision is the commit of the run that made it."""
    number = text(raw.get("version"))
    links = mapping.version_links(raw, run, model, number)
    return Identity(
        kind="model", name=model, digest=number, wanted=wanted, created_at=epoch(raw.get("creation_timestamp")),
        revision=next((link.value for link in links if link.kind == "commit"), ""), labels=pairs(raw, "tags"),
    )  # fmt: skip


def wanted_version(wanted: str, model: str, source: str) -> tuple[str, str]:
    """Version and alias (one of them empty) that `wanted` means for this model. Raises NotFound.

    `17`, `v17`, `NAME/17`, `model:NAME/17`, `models:/NAME/17`; `champion`, `@champion`, `NAME@champion`.
    """
    words = wanted.removeprefix("models:/").removeprefix("model:")
    for sign in ("/", "@"):
        name, found, rest = words.rpartition(sign)
        if found and name == model:
            words = rest
            break
    words = words.removeprefix("@")
    number = plain_version(words)
    if number.isascii() and number.isdigit():
        return str(int(number)), ""
    if not words or "/" in words or "@" in words or ":" in words:
        raise NotFound(
            f"{wanted or 'no version'} of {model}", source=source, why="it is no version or alias of this model",
            mend="name a version (17, v17) or another alias of it",
        )  # fmt: skip
    return "", words


async def draft(target: AliasTarget, wanted: Wanted) -> Draft:
    """The alias's part of a plan. Raises Refused, Unsupported, NotFound, QuarterdeckError."""
    source, model, alias = target.source, target.model, target.alias
    to = wanted.to.digest
    _possible(target, wanted)
    try:
        raw = await target.switch.ready(to)
    except Conflict as error:
        raise Refused(error.what, source=source.name, why=error.why) from error
    before, current = await target.switch.standing()
    if before == to:
        raise Refused("nothing to do", source=source.name, why=f"@{alias} is already on v{to}")
    back = wanted.back_candidate or before
    if back == to:
        raise Refused("it cannot be put back to what it moves to", source=source.name, why=f"both are v{to}")
    registry = source.registry
    both = [raw, *([current] if before else [])]
    info = await registry.read_model(model)
    found = await as_rows(registry, both, info)
    put_back = await _put_back(target, back, before, current)
    change = Change(
        place=target.place, service=wanted.service, environment=wanted.environment, op=wanted.op, mode="alias",
        to=_plain(wanted.to), back=put_back, revision=wanted.revision, actor=wanted.actor, at=wanted.at,
        facts={"model": model, "alias": alias, "before": before, "to": to, "back": back},
    )  # fmt: skip
    return Draft(
        change=change, steps=tuple(_steps(target, wanted, before)),
        warnings=(*oddities(registry, found, both, info), *_readers(target, wanted)),
        checks=tuple(_checks(target, wanted, before)),
    )  # fmt: skip


def _possible(target: AliasTarget, wanted: Wanted) -> None:
    source, to = target.source.name, wanted.to
    checked(target.alias, source)
    if len(target.alias) > LONGEST:
        raise Refused(
            f"@{target.alias[:40]}... is not released", source=source, why=f"it is longer than {LONGEST} characters",
            mend="choose a shorter alias",
        )  # fmt: skip
    if to.kind != "model" or to.name != target.place.name.rpartition("@")[0]:
        why = f"only versions of {target.model} fit"
        raise Unsupported(f"{to.reference} on @{target.alias}", source=source, why=why)
    if wanted.restart_only:
        raise Unsupported(f"@{target.alias} cannot be started anew", source=source, why="an alias runs nothing")
    if wanted.candidate and wanted.candidate != to.digest:
        raise Refused(
            "the rollback is not clear", source=source, why=f"v{wanted.candidate} was chosen, and v{to.digest} named"
        )


async def _put_back(target: AliasTarget, back: str, before: str, current: Json) -> Identity | None:
    if not back:
        return None
    try:
        raw = current if back == before else await target.switch.ready(back)
    except (Conflict, NotFound) as error:
        raise Refused("the put-back has nowhere to go", source=target.source.name, why=str(error)) from error
    return _plain(await target.identify(raw))


def _plain(found: Identity) -> Identity:
    """Without the labels: a change lies in the lease too, which is a tag."""
    return msgspec.structs.replace(found, labels={})


def _steps(target: AliasTarget, wanted: Wanted, before: str) -> Iterable[Step]:
    to, where = wanted.to.digest, str(target.place)
    title = f"move @{target.alias} of {target.model} from {place(before)} to v{to}"
    yield Step(id=f"move:{where}", name="move", title=title, phase="switch", deadline_s=MOVE_S, target=where)
    yield Step(
        id=f"gate:{where}", name="gate", title=f"@{target.alias} reads back on v{to}, READY", phase="gate",
        deadline_s=wanted.gate.within_s, target=where,
    )  # fmt: skip
    yield Step(
        id=f"mark:{where}", name="mark", title=f"mark v{to} as proven on @{target.alias}", phase="keep",
        deadline_s=MARK_S, target=where,
    )  # fmt: skip


def _checks(target: AliasTarget, wanted: Wanted, before: str) -> Iterable[Check]:
    yield Check(name="version", ok=True, said=f"v{wanted.to.digest} of {target.model} is READY")
    yield Check(name="alias", ok=True, said=f"@{target.alias} is {place(before)} and looked at again before the move")
    yield Check(name="lease", ok=None, said=target.lease.window, blocks=False)


def _readers(target: AliasTarget, wanted: Wanted) -> Iterable[str]:
    """What the services of the config that load this alias will do about its move."""
    name = f"{target.model}@{target.alias}"
    services = target.source.context.config.services
    for service, config in services.items():
        if config.model == name and (told := _reader(service, config, wanted, name)):
            yield told


def _reader(service: str, config: Service, wanted: Wanted, name: str) -> str:
    if config.resolves_alias is False:
        return f"{service} does not read {name} when it starts: the move alone changes nothing there"
    placement = config.environments.get(wanted.environment)
    restartable = placement is not None and any(target.kind != "alias" for target in placement.targets)
    if not restartable:
        return f"{service} loads {name} when it starts, and cannot be started anew from here: it serves what it loaded"
    if service != wanted.service:
        return f"{service} loads {name} too, and is not started anew by this release: it serves what it loaded"
    return ""
