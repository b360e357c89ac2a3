"""Making a plan: what a release of a service will do, step by step, decided before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from quarterdeck_config.schema import Config, Placement, Service
from quarterdeck_config.schema import Probe as ProbeConfig
from quarterdeck_lifecycle.actor import Actor
from quarterdeck_lifecycle.errors import NotFound, Refused
from quarterdeck_lifecycle.release.choosing import Choice, choose_back, choose_rollback
from quarterdeck_lifecycle.release.model import (
    Candidate,
    Check,
    Draft,
    GateRule,
    GuardRule,
    HookRule,
    Identity,
    Kind,
    Pace,
    Plan,
    ProbeRule,
    Step,
    Workload,
)
from quarterdeck_lifecycle.release.ports import Target, Wanted

APPROVAL_S = 1800.0
BACK_S = 300.0
"""What putting one target back may take at least; one that takes longer to switch has that long to go back."""
WHOLE_S = {"preflight": 60.0, "verify": 60.0, "announce": 60.0, "release": 60.0}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, with all that the config says of it. `probe` None was not said, which is refused."""

    kind: Kind
    op: str
    service: str
    environment: str
    wanted: str
    reason: str
    actor: str
    origin: str
    host: str
    at: str
    to_revision: str = ""
    back: str = ""
    image: str = ""
    model: str = ""
    probe: ProbeRule | None = None
    gate: GateRule = GateRule()
    guards: tuple[GuardRule, ...] = ()
    pre: HookRule | None = None
    post: HookRule | None = None
    announce: tuple[str, ...] = ()
    on_failure: str = "rollback"
    keep: int = 5
    canary: str = ""
    pace: Pace = Pace()
    approval: bool = False
    protected: bool = False
    resolves_alias: bool | None = None
    settings: Mapping[str, Mapping[str, str]] = {}


def request_of(
    config: Config,
    service: str,
    environment: str,
    *,
    kind: Kind,
    op: str,
    wanted: str,
    reason: str,
    actor: Actor,
    to_revision: str = "",
    back: str = "",
    at: datetime | None = None,
) -> Request:
    """What the config says of a release. Raises NotFound, and Refused for a service that may not be released."""
    known = config.services.get(service)
    if known is None:
        raise NotFound(f"no service is called {service}", why=f"known are {', '.join(config.services) or 'none'}")
    placement = known.environments.get(environment)
    if placement is None:
        places = ", ".join(known.environments) or "none"
        raise NotFound(f"{service} has no environment {environment or '(none given)'}", why=f"it has {places}")
    if not known.deployable:
        raise Refused(
            f"{service} is not released from here", why="its file is not trusted, or the config says so",
            mend="quarterdeck trust",
        )  # fmt: skip
    place = config.environments.get(environment)
    return Request(
        kind=kind, op=op, service=service, environment=environment, wanted=wanted, reason=reason,
        actor=str(actor), origin=actor.origin, host=actor.host, at=utc_seconds(at), to_revision=to_revision, back=back,
        image=known.image or "", model=known.model or "", probe=_probe(known, placement), gate=_gate(known, placement),
        guards=tuple(_guards(known, placement, config)), pre=_hook(known, "pre"), post=_hook(known, "post"),
        announce=known.announce, on_failure=placement.on_failure, keep=known.keep, canary=placement.canary or "",
        pace=Pace(beat_s=config.releases.heartbeat, lease_s=config.releases.lease),
        approval=bool(place and place.approval), protected=bool(place and place.protected),
        resolves_alias=known.resolves_alias,
    )  # fmt: skip


def request_for_alias(
    config: Config, model: str, alias: str, *, op: str, wanted: str, reason: str, actor: Actor, environment: str,
    kind: Kind = "promote", to_revision: str = "", at: datetime | None = None,
) -> Request:  # fmt: skip
    """A move of an alias that no configured service serves: proven by reading it back."""
    place = config.environments.get(environment)
    return Request(
        kind=kind, op=op, service=f"{model}@{alias}", environment=environment, wanted=wanted, reason=reason,
        actor=str(actor), origin=actor.origin, host=actor.host, at=utc_seconds(at), model=f"{model}@{alias}",
        to_revision=to_revision, probe=ProbeRule(engine=True), gate=GateRule(passes=1, within_s=30.0, soak_s=0.0),
        pace=Pace(beat_s=config.releases.heartbeat, lease_s=config.releases.lease),
        approval=bool(place and place.approval), protected=bool(place and place.protected),
    )  # fmt: skip


def utc_seconds(at: datetime | None = None) -> str:
    """RFC 3339 in UTC, to the second."""
    return (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


async def make_plan(request: Request, targets: Sequence[Target]) -> Plan:
    """Look at every target and decide. Sends no write. Raises Refused, NotFound, Unavailable, Unsupported."""
    if request.probe is None:
        raise Refused(
            f"{request.service} has no probe", why="without one a release cannot be proven",
            mend="give it `probe:`, or say `probe: none`",
        )  # fmt: skip
    chosen = _ordered(request, targets)
    looks = dict(zip(chosen, await asyncio.gather(*(target.look() for target in chosen)), strict=True))
    found = await asyncio.gather(*(target.candidates(request.service, request.environment) for target in chosen))
    candidates = {str(target.place): list(each) for target, each in zip(chosen, found, strict=True)}
    lead = _lead(chosen)
    main = {str(target.place): candidates[str(target.place)] for target in lead}
    to, goal = await _goal(request, lead, main)
    runs = [looks[target] for target in lead]
    before = runs[0].identity
    if request.kind != "rollback" and all(to.same(look.identity) and look.running for look in runs):
        raise Refused("nothing to do", why=f"{request.service} runs {to.short} already")
    back = choose_back(request.back, before, main, first=_first(lead), to=to)
    revision = 1 + max((c.revision for each in main.values() for c in each), default=0)
    drafts = [
        await _draft(request, target, looks[target], to, goal, back, revision, target in lead) for target in chosen
    ]
    return _plan(request, drafts, to, (*goal.warnings, *back.warnings), back.identity, before, revision)


def _ordered(request: Request, targets: Sequence[Target]) -> list[Target]:
    """The targets of this release, in order: the canary's source first, an alias where its reader wants it."""
    by_model = request.kind == "promote" or request.wanted.startswith("model:") or not request.image
    aliases = [target for target in targets if target.place.kind == "alias"]
    works = [target for target in targets if target.place.kind != "alias"]
    works.sort(key=lambda target: target.place.source != request.canary)
    if not by_model or not aliases:
        chosen = works
    elif request.resolves_alias is False:
        chosen = [*works, *aliases]
    else:
        chosen = [*aliases, *works]
    if not chosen:
        raise Refused(f"{request.service} has no target here", why="nothing in its environment can be released")
    return chosen


def _lead(chosen: Sequence[Target]) -> list[Target]:
    """The targets that the identity is put on; the others are only started anew."""
    aliases = [target for target in chosen if target.place.kind == "alias"]
    return aliases or list(chosen)


def _first(lead: Sequence[Target]) -> str:
    """What a put-back to nothing means, where that can be: an alias can be removed, a workload cannot be no image."""
    names = [target.place.name for target in lead if target.place.kind == "alias"]
    return f"{' and '.join(names)} is on no version yet: a failure removes it again" if names else ""


async def _goal(
    request: Request, lead: Sequence[Target], candidates: Mapping[str, list[Candidate]]
) -> tuple[Identity, Choice]:
    if request.kind == "rollback":
        choice = choose_rollback(request.to_revision, candidates, request.service)
        assert choice.identity is not None
        return choice.identity, choice
    name = request.model.rpartition("@")[0] if lead[0].place.kind == "alias" else request.image
    identity = await lead[0].resolve(request.wanted, name)
    return identity, Choice(identity=identity)


async def _draft(
    request: Request, target: Target, look: Workload, to: Identity, goal: Choice, back: Choice, revision: int,
    leads: bool,
) -> Draft:
    place = str(target.place)
    own = look.identity
    assert request.probe is not None
    wanted = Wanted(
        kind=request.kind, op=request.op, service=request.service, environment=request.environment,
        to=to if leads else own or to, back=back.identity if leads else own,
        revision=revision, actor=request.actor, at=request.at, probe=request.probe, gate=request.gate,
        keep=request.keep, candidate=goal.ids.get(place, "") if leads else "",
        back_candidate=back.ids.get(place, "") if leads else "", restart_only=not leads,
        settings=request.settings.get(place, {}),
    )  # fmt: skip
    return await target.plan(wanted)


def _plan(
    request: Request, drafts: Sequence[Draft], to: Identity, told: Sequence[str], back: Identity | None,
    before: Identity | None, revision: int,
) -> Plan:
    steps = _steps(request, drafts)
    gaps = [draft.gap_s for draft in drafts]
    checks = [check for draft in drafts for check in draft.checks]
    if blocked := [check for check in checks if check.ok is False and check.blocks]:
        raise Refused("the preflight says no", why="; ".join(check.said for check in blocked))
    warnings = [*told, *(each for draft in drafts for each in draft.warnings)]
    return Plan(
        op=request.op, kind=request.kind, service=request.service, environment=request.environment,
        actor=request.actor, origin=request.origin, host=request.host, reason=request.reason, at=request.at,
        to=to, back=back, before=before, wanted=request.wanted,
        changes=tuple(draft.change for draft in drafts), steps=steps, back_steps=_back_steps(request, drafts),
        probe=request.probe or ProbeRule(), gate=request.gate, guards=request.guards, pre=request.pre,
        post=request.post, announce=request.announce,
        on_failure="hold" if request.on_failure == "hold" else "rollback", keep=request.keep, pace=request.pace,
        approval=request.approval, protected=request.protected, checks=tuple(checks),
        warnings=tuple(dict.fromkeys(warnings)), config=tuple(line for draft in drafts for line in draft.config),
        gap_s=None if None in gaps else sum(gap for gap in gaps if gap is not None), revision=revision,
    )  # fmt: skip


def _steps(request: Request, drafts: Sequence[Draft]) -> tuple[Step, ...]:
    gate, probe = request.gate, request.probe or ProbeRule()
    found: list[Step] = []
    if request.approval:
        found.append(_whole("approval", "approval of another user", APPROVAL_S + 60))
    watched = 2 * request.pace.lease_s * len(drafts) + 120
    found += [_whole("lease", "lease on every target", watched), _whole("preflight", "preflight", WHOLE_S["preflight"])]
    if request.pre is not None:
        found.append(_whole("hook-pre", f"hook {request.pre.argv[0]}", request.pre.timeout_s + 10))
    for draft in drafts:
        found += [step for step in draft.steps if step.phase == "prepare"]
    for draft in drafts:
        for step in draft.steps:
            if step.phase == "gate":
                limit = gate.within_s + 2 * (probe.timeout_s + probe.interval_s) + 5
                found.append(msgspec.structs.replace(step, deadline_s=limit))
            elif step.phase in ("switch", "retire"):
                found.append(step)
    found.append(_whole("soak", f"soak {gate.soak_s:g} s", gate.soak_s + max(gate.soak_s, gate.within_s) + 60))
    found.append(_whole("verify", "read back what runs", WHOLE_S["verify"]))
    for draft in drafts:
        found += [step for step in draft.steps if step.phase == "keep"]
    if request.post is not None:
        found.append(_whole("hook-post", f"hook {request.post.argv[0]}", request.post.timeout_s + 10))
    if request.announce:
        found.append(_whole("announce", f"tell {', '.join(request.announce)}", WHOLE_S["announce"]))
    found.append(_whole("release", "give the lease back", WHOLE_S["release"]))
    return _numbered(found, "")


def _back_steps(request: Request, drafts: Sequence[Draft]) -> tuple[Step, ...]:
    gate, probe = request.gate, request.probe or ProbeRule()
    targets = [draft.change.target for draft in reversed(drafts)]
    switches = {
        draft.change.target: sum(step.deadline_s for step in draft.steps if step.phase in ("switch", "retire"))
        for draft in drafts
    }
    limit = gate.within_s + 2 * (probe.timeout_s + probe.interval_s) + 5
    found = [
        Step(
            id="", name="put-back", title=f"put back {target}", phase="switch", target=target,
            deadline_s=max(BACK_S, switches[target]),
        )
        for target in targets
    ]
    found += [
        Step(id="", name="gate", title=f"gate of {target}", phase="gate", deadline_s=limit, target=target)
        for target in targets
    ]
    found.append(_whole("verify", "read back what runs", WHOLE_S["verify"]))
    if request.announce:
        found.append(_whole("announce", f"tell {', '.join(request.announce)}", WHOLE_S["announce"]))
    found.append(_whole("release", "give the lease back", WHOLE_S["release"]))
    return _numbered(found, "b")


def _whole(name: str, title: str, deadline_s: float) -> Step:
    return Step(id="", name=name, title=title, phase="whole", deadline_s=deadline_s)


def _numbered(steps: Iterable[Step], prefix: str) -> tuple[Step, ...]:
    return tuple(
        msgspec.structs.replace(step, id=" ".join(filter(None, (f"{prefix}{number:02d}", step.name, step.target))))
        for number, step in enumerate(steps, 1)
    )


def _probe(service: Service, placement: Placement) -> ProbeRule | None:
    said: ProbeConfig | str | None = placement.probe if placement.probe is not None else service.probe
    if said is None:
        return None
    if isinstance(said, str):
        return ProbeRule()
    return ProbeRule(
        http=said.http or "", tcp=said.tcp or "", exec=tuple(said.exec or ()), engine=said.engine, expect=said.expect,
        body=said.body or "", timeout_s=said.timeout, interval_s=said.interval,
    )  # fmt: skip


def _gate(service: Service, placement: Placement) -> GateRule:
    gate = placement.gate or service.gate
    return GateRule(passes=gate.passes, within_s=gate.within, soak_s=gate.soak, failures=gate.failures)


def _guards(service: Service, placement: Placement, config: Config) -> Iterable[GuardRule]:
    for guard in placement.guards if placement.guards is not None else service.guards:
        source = config.source(guard.source)
        series = source.series.get(guard.query) if source is not None else None
        yield GuardRule(
            source=guard.source, query=series.query if series is not None else guard.query,
            name=guard.query if series is not None else "", max=guard.max, min=guard.min, no_data=guard.no_data,
            min_samples=guard.min_samples or 0, samples=guard.samples or "",
        )  # fmt: skip


def _hook(service: Service, when: str) -> HookRule | None:
    hook = getattr(service.hooks, when)
    return HookRule(argv=tuple(hook.argv), timeout_s=hook.timeout) if hook is not None else None


__all__ = ["Check", "Request", "make_plan", "request_for_alias", "request_of", "utc_seconds"]
