"""What a release of a Swarm service would do, decided from what is there now, and what it could go back to."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.docker.mapping import epoch
from quarterdeck_adapters.docker.release import swarm_images, swarm_spec
from quarterdeck_adapters.docker.release.swarm_diff import differences
from quarterdeck_adapters.docker.release.swarm_spec import Json, container, identity_of, image_of
from quarterdeck_adapters.docker.release.swarm_state import State
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused, Unsupported
from quarterdeck_lifecycle.release.model import MARK, Candidate, Change, Check, Draft, Identity, Marks, Phase, Step
from quarterdeck_lifecycle.release.ports import Wanted

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.release.swarm import SwarmTarget

PREVIOUS = "previous"
"""The candidate that is Swarm's own PreviousSpec."""
CHECK_S, KEEP_S, GATE_SLACK_S = 60.0, 60.0, 30.0
HEALED = "Swarm's rollback can also replace tasks of the old version that are well (moby#43081)"


async def candidates(target: SwarmTarget, service: str, environment: str) -> Sequence[Candidate]:
    """What runs now, then the specs that releases of this service kept, newest first, then Swarm's PreviousSpec.

    Those whose image their marks name count as proven: a release that fails takes its marks back out.
    """
    state = await target.state()
    place = str(target.place)
    now = await target.runs(state)
    marks = Marks.read(dict(state.spec.get("Labels") or {})) or Marks()
    found = [Candidate(target=place, identity=now, revision=marks.revision, op=marks.op, at=state.updated_at,
                       proven=_proven(marks, now) and state.whole, id="")]  # fmt: skip
    specs = [(kept.name, kept.spec, epoch(kept.created_at)) for kept in await target.shelf.all()]
    specs += [(PREVIOUS, state.previous, None)] if state.previous else []
    seen = [unmarked(state.spec)["TaskTemplate"]]
    chosen: list[tuple[str, Json, float | None]] = []
    for id, spec, at in specs:
        template = unmarked(spec)["TaskTemplate"]
        if template not in seen and _of(spec, service, environment):
            seen.append(template)
            chosen.append((id, spec, at))
    identities = [await swarm_images.known(target.calls, image_of(spec)) for _, spec, _ in chosen]
    reasons = await swarm_images.missing_each(target.calls, identities)
    for (id, spec, at), identity, why in zip(chosen, identities, reasons, strict=True):
        told = Marks.read(dict(spec.get("Labels") or {})) or Marks()
        found.append(Candidate(
            target=place, identity=identity, revision=told.revision, op=told.op, ready=not why, why_not=why, id=id,
            proven=_proven(told, identity) and id != PREVIOUS, at=at,
        ))  # fmt: skip
    named = {each.identity.digest or each.identity.image_id for each in found}
    if marks.previous and marks.previous not in named:
        lost = identity_of(f"{now.name}@{marks.previous}" if now.digest else marks.previous)
        found.append(Candidate(target=place, identity=lost, ready=False, why_not="its configuration was not kept"))
    return found


def _proven(marks: Marks, identity: Identity) -> bool:
    """Whether a release stands behind this image: an update by hand leaves the marks of what it replaced."""
    return bool(marks.op) and marks.digest in (identity.digest, identity.image_id)


def unmarked(spec: Json) -> Json:
    """A spec without a release's marks, to compare configurations."""
    bare = copy.deepcopy(spec)
    for holder in (bare, container(bare)):
        holder["Labels"] = {k: v for k, v in (holder.get("Labels") or {}).items() if not k.startswith(MARK)}
    return bare


def _of(spec: Json, service: str, environment: str) -> bool:
    """Whether a spec was released for this service, or by nobody."""
    marks = Marks.read(dict(spec.get("Labels") or {}))
    return marks is None or (marks.service, marks.env) == (service, environment)


async def plan(target: SwarmTarget, wanted: Wanted) -> Draft:
    """The change, its steps and what they meet. Raises Refused, Unsupported, NotFound, QuarterdeckError."""
    state = await target.state()
    name, source = target.place.name, target.place.source
    if why := swarm_spec.unfit(state.spec):
        raise Unsupported(f"{name} cannot be released", source=source, why=why)
    if wanted.to.kind != "image":
        raise Unsupported(f"{name} cannot be released", source=source, why="a Swarm service runs images")
    if state.rolling:
        mend = "wait for it, or stop it with docker service rollback"
        raise Refused(f"{name} is being updated", source=source, why=state.said or state.status, mend=mend)
    now = await target.runs(state)
    base, origin = await _origin(target, state, wanted)
    back_spec = state.spec
    if wanted.back_candidate:
        kept = await target.shelf.get(wanted.back_candidate)
        if kept is None:
            raise NotFound(f"nothing is kept as {wanted.back_candidate}", source=source)
        back_spec = onto(state.spec, kept.spec)
    facts = {
        "service": state.id, "version": str(state.version), "print": swarm_spec.fingerprint(state.spec),
        "before": state.image, "image": image_of(back_spec),
        "marks": json.dumps(marks_of(state.spec)), "inner_marks": json.dumps(marks_of(container(state.spec))),
        "whole": "yes" if state.whole or wanted.back_candidate else "no", "keep": str(wanted.keep),
        "action": str((state.spec.get("UpdateConfig") or {}).get("FailureAction") or ""), **origin,
    }  # fmt: skip
    if wanted.back_candidate:
        facts["back_from"] = wanted.back_candidate
    if wanted.to.same(now) and not wanted.restart_only and not wanted.candidate:
        facts["same"] = "yes"
    back = wanted.back or (
        await swarm_images.known(target.calls, image_of(back_spec)) if wanted.back_candidate else now
    )
    change = Change(
        place=target.place, service=wanted.service, environment=wanted.environment, op=wanted.op, mode="rolling",
        to=wanted.to, back=back, revision=wanted.revision, actor=wanted.actor, at=wanted.at,
        restart_only=wanted.restart_only, facts=facts,
    )  # fmt: skip
    gap, words = gap_of(state, await health_checked(target, state, wanted.to))
    why = await swarm_images.missing(target.calls, wanted.to)
    said = why or ("here" if wanted.to.image_id else "its registry has it; the nodes pull it")
    return Draft(
        change=change, steps=steps(change, state, wanted.gate.within_s), gap_s=gap,
        warnings=(*words, *_warnings(state, facts)),
        config=differences(state.spec, swarm_spec.forward(base, change)),
        checks=(
            Check(name="image", ok=not why, said=said),
            Check(name="tasks", ok=state.whole, said=state.summary(), blocks=False),
            Check(name="roll", ok=True, said=behaviour(state.spec)),
            Check(name="disk", ok=None, said="the room on the nodes cannot be read from a manager", blocks=False),
        ),
    )  # fmt: skip


async def _origin(target: SwarmTarget, state: State, wanted: Wanted) -> tuple[Json, dict[str, str]]:
    """The spec that the change starts from, and the facts that name it."""
    if not wanted.candidate:
        return state.spec, {}
    if wanted.candidate == PREVIOUS:
        if state.previous is None:
            raise NotFound("Swarm holds no previous specification", source=target.place.source)
        return onto(state.spec, state.previous), {
            "from": target.shelf.name(f"{wanted.op}.from"),
            "from_previous": "yes",
        }
    kept = await target.shelf.get(wanted.candidate)
    if kept is None:
        raise NotFound(f"nothing is kept as {wanted.candidate}", source=target.place.source, mend="list them again")
    return onto(state.spec, kept.spec), {"from": wanted.candidate}


def onto(spec: Json, kept: Json) -> Json:
    """A spec whose tasks are those of a kept one, with its marks. How many run, how they are rolled and reached stays:
    that belongs to the service and not to a version of it."""
    made = copy.deepcopy({**spec, "TaskTemplate": kept["TaskTemplate"]})
    foreign = {name: value for name, value in (spec.get("Labels") or {}).items() if not name.startswith(MARK)}
    made["Labels"] = {**foreign, **marks_of(kept)}
    return made


def steps(change: Change, state: State, within_s: float) -> tuple[Step, ...]:
    """Look for the image, keep the spec, update and wait for the roll; the gate is the engine's; prune."""
    roll_s = swarm_spec.deadline_s(state.spec, state.desired)
    rows: tuple[tuple[str, str, Phase, float], ...] = (
        ("pull-check", f"find {change.to.short}", "prepare", CHECK_S),
        ("retain", "keep the configuration that runs", "prepare", CHECK_S),
        ("update", f"let Swarm roll to {change.to.short}", "switch", roll_s),
        ("gate", "prove the service", "gate", within_s + GATE_SLACK_S),
        ("prune", f"keep the last {change.facts['keep']} configurations", "keep", KEEP_S),
    )
    return tuple(
        Step(
            id=f"{'gate-traffic' if name == 'gate' else name}:{change.place}", name=name, phase=phase,
            title=f"{title} on {change.place}", deadline_s=seconds, target=change.target,
        )
        for name, title, phase, seconds in rows
    )  # fmt: skip


async def health_checked(target: SwarmTarget, state: State, to: Identity) -> bool:
    """Whether Swarm waits for a health check before it counts a new task as running, as far as is known here."""
    test: list[str] | None = (container(state.spec).get("Healthcheck") or {}).get("Test")
    if test is None:
        here = await target.calls.image(to.reference)
        test = (((here or {}).get("Config") or {}).get("Healthcheck") or {}).get("Test")
    return test is not None and len(test) > 0 and str(test[0]) not in ("", "NONE")


def gap_of(state: State, checked: bool) -> tuple[float | None, tuple[str, ...]]:
    """The gap that is promised: none where new tasks prove healthy before old ones are told to stop; else failed
    requests are counted, and why is said."""
    if swarm_spec.order(state.spec) != swarm_spec.START_FIRST:
        others = "the other tasks serve meanwhile" if state.desired > 1 else "nothing serves meanwhile"
        return None, (f"stop-first: each task stops before its successor starts; {others}",)
    if not checked:
        return None, ("start-first without a health check: Swarm stops an old task as soon as the new process runs",)
    return 0.0, ()


def behaviour(spec: Json) -> str:
    """What Swarm itself will do, in a sentence."""
    config = spec.get("UpdateConfig") or {}
    count = int(config.get("Parallelism", 1))
    action = swarm_spec.failure_action(spec)
    watched = f"each watched for {swarm_spec.monitor_s(spec):g} s"
    told = f"Swarm rolls {swarm_spec.order(spec)}, {count or 'all'} at a time, {watched}"
    if action == "rollback":
        return f"{told}; when one fails Swarm rolls back by itself ({swarm_spec.order(spec, 'RollbackConfig')})"
    back = swarm_spec.order(spec, "RollbackConfig")
    return f"{told}; when one fails Swarm pauses, and this release asks for Swarm's rollback ({back})"


def _warnings(state: State, facts: dict[str, str]) -> list[str]:
    found = [HEALED]
    if swarm_spec.order(state.spec, "RollbackConfig") != swarm_spec.START_FIRST:
        found.append("Swarm's rollback of this service is stop-first: putting back has a gap of its own")
    if swarm_spec.failure_action(state.spec) == "continue":
        found.append("its failure action is continue: this release sets it to pause, so that a bad image stops")
    if "@" not in state.image and not state.image.startswith("sha256:"):
        found.append(f"the service names {state.image} without a digest: putting back starts what that means then")
    if stack := (state.spec.get("Labels") or {}).get("com.docker.stack.namespace"):
        found.append(f"the next docker stack deploy of {stack} undoes this while its file names another image")
    if "same" in facts:
        found.append("the service names this image already: nothing is written")
    return found


def marks_of(holder: Json) -> dict[str, str]:
    """The marks among the labels of a spec or of its container part."""
    labels = holder.get("Labels") or {}
    return {name: str(value) for name, value in labels.items() if name.startswith(MARK)}


def leads_back(previous: Json | None, change: Change, back: Json | None) -> bool:
    """Whether Swarm's PreviousSpec is what this change goes back to: the very spec that was kept, or where that is
    lost, its image and marks."""
    if previous is None:
        return False
    if back is not None:
        return previous == back
    return image_of(previous) == change.facts["image"] and marks_of(previous) == json.loads(change.facts["marks"])


def unwritten(current: Json, change: Change, base: Json | None, back: Json | None) -> Json:
    """`current` with this change taken out, and what others changed since left in. `base` is the spec that the change
    was written on, `back` the one to go back to. Raises Conflict where both are lost and cannot be rebuilt."""
    if back is not None:
        return swarm_spec.merged(swarm_spec.forward(base, change) if base is not None else current, back, current)  # type: ignore[no-any-return]
    if "from" in change.facts or "back_from" in change.facts:
        why = f"what was kept for {change.op} is gone, and this change had replaced the configuration too"
        raise Conflict(f"{change.place} cannot be put back", source=change.place.source, why=why)
    spec = copy.deepcopy(current)
    inside = spec["TaskTemplate"]["ContainerSpec"]
    inside["Image"] = change.facts["image"]
    for holder, marks in ((spec, change.facts["marks"]), (inside, change.facts["inner_marks"])):
        kept = {name: value for name, value in (holder.get("Labels") or {}).items() if not name.startswith(MARK)}
        holder["Labels"] = {**kept, **json.loads(marks)}
    if change.facts["action"] == "continue":
        spec["UpdateConfig"]["FailureAction"] = "continue"
    return spec
