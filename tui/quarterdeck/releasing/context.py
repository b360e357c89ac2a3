"""What a runner needs beside the plan, so that it builds the same sources: kept in the operation's row, no secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from quarterdeck.boot import Boot
from quarterdeck.releasing.targets import target_at
from quarterdeck_config.schema import Source as SourceConfig
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.release.model import HookRule, Plan
from quarterdeck_lifecycle.release.ports import Target
from quarterdeck_lifecycle.release.store import Stored


class RunContext(msgspec.Struct, frozen=True, kw_only=True):
    """Where the config is read, the sources that the plan names as they were when it was made (secrets stand in them
    by reference), and the settings of its targets by `source/name`."""

    cwd: str = "/"
    config: str = ""
    sources: tuple[SourceConfig, ...] = ()
    settings: Mapping[str, Mapping[str, str]] = {}


def sources_named(plan: Plan) -> list[str]:
    """The sources that a release of this plan talks to."""
    names = [change.place.source for change in plan.changes] + [guard.source for guard in plan.guards]
    return list(dict.fromkeys(names))


def context_of(boot: Boot, plan: Plan, settings: Mapping[str, Mapping[str, str]]) -> RunContext:
    """The context of a plan made with this boot."""
    sources = [boot.configs[name] for name in sources_named(plan) if name in boot.configs]
    return RunContext(
        cwd=str(boot.cwd), config=str(boot.config_path or ""), sources=tuple(sources),
        settings={change.target: settings.get(change.target, {}) for change in plan.changes},
    )  # fmt: skip


def read_context(row: Stored) -> RunContext:
    """The context of a row. Raises msgspec.ValidationError."""
    return msgspec.json.decode(row.context, type=RunContext)


async def boot_for(row: Stored, plan: Plan, env: Mapping[str, str]) -> Boot:
    """A boot with the sources that the plan names and no others that would have to be looked for.

    Where another user started the operation, their sources are not believed: those of this user's config are used,
    and what discovery finds. Raises Refused when one is missing.
    """
    context = read_context(row)
    cwd = Path(context.cwd)
    config = Path(context.config) if context.config else None
    boot = Boot(cwd=cwd if cwd.is_dir() else Path("/"), config=config, env=env)
    named = set(sources_named(plan))
    boot.take([source for source in boot.loaded.config.sources if source.name in named])
    if boot.actor.user == row.user:
        boot.take(context.sources)
    missing = [name for name in sources_named(plan) if name not in boot.hub.sources and name not in boot.failed]
    if missing:
        await boot.discover()
    for name in (change.place.source for change in plan.changes):
        if name not in boot.hub.sources and name not in boot.failed:
            raise Refused(f"no source is named {name}", mend=f"run it where {row.user} started it, in {context.cwd}")
    return boot


def targets_for(boot: Boot, row: Stored, plan: Plan) -> dict[str, Target]:
    """The targets of a plan's changes. Raises QuarterdeckError."""
    settings = read_context(row).settings if boot.actor.user == row.user else {}
    whose = {"service": plan.service, "environment": plan.environment}
    return {
        change.target: target_at(boot, change.place, {**settings.get(change.target, {}), **whose})
        for change in plan.changes
    }


def hooks_known(boot: Boot, plan: Plan) -> bool:
    """Whether this user's own config, trusted, says the plan's hooks: another's row must not bring programs."""
    service = boot.loaded.config.services.get(plan.service)
    for when, hook in (("pre", plan.pre), ("post", plan.post)):
        said = getattr(service.hooks, when) if service is not None else None
        if hook is not None and (said is None or hook != HookRule(argv=tuple(said.argv), timeout_s=said.timeout)):
            return False
    return True
