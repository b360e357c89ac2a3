"""`quarterdeck status`: every pane once, without a screen."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import click

from quarterdeck.boot import DISCOVERY_S, SYSTEMS, Boot
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.hub import PaneView
from quarterdeck_lifecycle.records import WORST_FIRST, State, row_json

DOWN = (State.ERROR, State.AUTH, State.STALE, State.LOADING)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.option("--line", is_flag=True, help="one line for a status bar: what a deck told last; nothing is asked")
@click.option("--watch", is_flag=True, help="go on: a line, or a JSON object, whenever it changes")
@click.option("--timeout", default=10.0, show_default=True, help="seconds to wait for the slowest source")
@click.pass_context
def status(ctx: click.Context, as_json: bool, line: bool, watch: bool, timeout: float) -> None:
    """Print every pane once. Exit code 0 when all answer, 4 when one is down.

    --line reads what a deck of this project told last, and asks no system unless --timeout says how long.
    """
    given = ctx.get_parameter_source("timeout") is click.core.ParameterSource.COMMANDLINE
    if line and not given:
        from quarterdeck.statusline import main as told

        ctx.exit(told([*(["--watch"] if watch else []), *(["--json"] if as_json else [])]))
    boot = Boot(config=ctx.obj["config"], read_only=True)
    if watch:
        from quarterdeck.commands.statuswatch import watch_status

        ctx.exit(watch_status(boot, as_json=as_json))
    ctx.exit(print_status(boot, as_json=as_json, line=line, timeout=timeout))


def print_status(boot: Boot, *, as_json: bool, line: bool = False, timeout: float = 10.0) -> int:
    """Ask everything once and print it; answers the exit code of the contract."""

    async def ask() -> tuple[dict[str, Any], list[PaneView]]:
        try:
            clock = asyncio.get_running_loop().time
            end = clock() + timeout
            await boot.discover(min(DISCOVERY_S, timeout / 2))
            views = await boot.hub.once(max(0.5, end - clock()))
            return {view.pane: pane_json(view, boot) for view in views}, views
        finally:
            await boot.close()

    found, views = asyncio.run(ask())
    if as_json:
        click.echo(redact(json.dumps(found, ensure_ascii=True)))
    elif line:
        click.echo(redact(one_line(views, boot)))
    else:
        for view in views:
            click.echo(redact(pane_text(view, boot)))
    if boot.notice:
        click.echo(redact(f"quarterdeck: {boot.notice}"), err=True)
    known = {system for systems in SYSTEMS.values() for system in systems}
    for name, error in boot.failed.items():
        if boot.configs[name].system not in known:
            click.echo(redact(f"quarterdeck: {name}: {error}"), err=True)
    down = any(snap.state in DOWN for view in views for snap in view.snapshots) or boot.failed
    return 4 if down else 0


def pane_json(view: PaneView, boot: Boot) -> dict[str, Any]:
    """Contract: `{state, age_s, error, rows, sources: [{name, system, state, age_s, error}]}`."""
    now = boot.now()
    sources: dict[str, dict[str, Any]] = {}
    for snap in view.snapshots:
        age = snap.age(now)
        error = str(snap.error) if snap.error else None
        known = sources.get(snap.source)
        if known is None or _worse(snap.state, State(known["state"])):
            sources[snap.source] = {
                "name": snap.source, "system": snap.system, "state": snap.state.value,
                "age_s": None if age is None else round(age, 3), "error": error,
            }  # fmt: skip
    for name, failure in failed(view, boot).items():
        sources[name] = {
            "name": name, "system": boot.configs[name].system, "state": State.ERROR.value, "age_s": None,
            "error": str(failure),
        }  # fmt: skip
    ages = [s["age_s"] for s in sources.values() if s["age_s"] is not None]
    return {
        "state": _state(view, boot).value,
        "age_s": max(ages, default=None),
        "error": next((s["error"] for s in sources.values() if s["error"]), None),
        "rows": [row_json(row) for row in view.rows()],
        "sources": list(sources.values()),
    }


def failed(view: PaneView, boot: Boot) -> dict[str, QuarterdeckError]:
    """The sources of a pane that could not even be made, by name."""
    return {name: error for name, error in boot.failed.items() if boot.configs[name].system in SYSTEMS[view.pane]}


def _state(view: PaneView, boot: Boot) -> State:
    return State.ERROR if failed(view, boot) and _worse(State.ERROR, view.state) else view.state


def _worse(one: State, other: State) -> bool:
    return WORST_FIRST.index(one) < WORST_FIRST.index(other)


def one_line(views: list[PaneView], boot: Boot) -> str:
    """`repositories 12 ✗1 | ...`: counts and trouble of every pane."""
    parts = []
    for view in views:
        rows = view.rows()
        bad = sum(1 for row in rows if row.status.value == "bad")
        look = sum(1 for row in rows if row.status.value == "look")
        marks = f"{f' ✗{bad}' if bad else ''}{f' ▲{look}' if look else ''}"
        worst = _state(view, boot)
        state = "" if worst in (State.FRESH, State.NONE) else f" {worst}"
        parts.append(f"{view.pane} {len(rows)}{marks}{state}")
    return " | ".join(parts)


def pane_text(view: PaneView, boot: Boot) -> str:
    """A pane as lines of text."""
    lines = [f"{view.pane.upper()}  {_state(view, boot)}"]
    lines += [f"  {name} ({boot.configs[name].system}): {error}" for name, error in failed(view, boot).items()]
    for snap in view.snapshots:
        if snap.error is not None:
            lines.append(f"  {snap.source} ({snap.system}) {snap.kind}: {snap.error}")
        if snap.partial:
            lines.append(f"  {snap.source} ({snap.system}) {snap.kind}: partial: {snap.partial}")
    if not view.snapshots and not failed(view, boot):
        lines += [f"  {line}" for line in boot.looked_for(view.pane)]
    for row in view.rows():
        name = row.name.replace("\n", " ")
        note = row.note.replace("\n", " ")
        lines.append(f"  {row.status.value:<8} {row.kind:<13} {name:<40} {row.state:<20} {note}".rstrip())
    return "\n".join(lines) + "\n"


