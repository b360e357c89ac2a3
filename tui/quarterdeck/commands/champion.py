"""`quarterdeck champion MODEL@ALIAS`: which version an alias was on at a time, with evidence and blind spots."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

import click

from quarterdeck.boot import Boot
from quarterdeck.commands.ending import ended, fail
from quarterdeck.releasing.aliaswatch import AliasWatch, seen_in
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.records import State, utc
from quarterdeck_lifecycle.release.aliasbook import AliasBook
from quarterdeck_lifecycle.release.aliases import Answer, Blind, place

ASK_S = 10.0


@click.command()
@click.argument("name", metavar="MODEL@ALIAS")
@click.option("--at", "when", default="", metavar="TIME", help="RFC 3339; without a zone it is UTC; default: now")
@click.option("--source", default="", help="the MLflow source, where several have that alias")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.pass_context
def champion(ctx: click.Context, name: str, when: str, source: str, as_json: bool) -> None:
    """Say which version an alias was on, how that is known, and what nobody can know.

    Exit codes: 0 known, 1 not known, 2 usage, 4 nothing is known of it and its registry does not answer.
    """
    boot = Boot(config=ctx.obj["config"], read_only=True)
    ctx.exit(asyncio.run(ended(boot, print_champion(boot, name, when, source, as_json=as_json))))


async def print_champion(boot: Boot, name: str, when: str, source: str, *, as_json: bool) -> int:
    """Look once, then answer from all that is known; answers the exit code."""
    model, _, alias = name.rpartition("@")
    if not model or not alias:
        return fail(f"{name}: name it as MODEL@ALIAS", 2)
    try:
        at = moment(when) if when else boot.now()
    except (ValueError, OverflowError):
        return fail(f"--at {when}: not a time; write 2026-11-23T02:00:00Z", 2)
    if at > boot.now():
        return fail(f"--at {when}: that is still to come", 2)
    book = boot.aliasbook
    await look(boot, book)
    if when == "":
        at = boot.now()
    sources = sorted({*await book.sources(model, alias), *_shown(boot, model, alias)})
    if source:
        sources = [each for each in sources if each == source]
    if not sources:
        _raise_if_down(boot, name)
        return fail(f"{name} is not known{f' on {source}' if source else ''}: nobody has ever seen it", 1)
    if len(sources) > 1:
        return fail(f"{name} is on several sources: --source {' or --source '.join(sources)}", 2)
    answer = await book.champion_at(sources[0], model, alias, at)
    if as_json:
        click.echo(redact(json.dumps(as_object(sources[0], model, alias, at, answer))))
    else:
        click.echo(redact("\n".join(as_lines(sources[0], name, at, answer))))
    return 0 if answer.known else 1


async def look(boot: Boot, book: AliasBook) -> None:
    """One look at every registry, kept."""
    await boot.discover()
    await boot.hub.once(ASK_S, ("models",))
    watch = AliasWatch(boot.hub, book, boot.now)
    await watch.look()
    await watch.close()


def moment(text: str) -> float:
    """RFC 3339 as epoch seconds; a time without a zone is UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=found.tzinfo or UTC).timestamp()


def as_object(source: str, model: str, alias: str, at: float, answer: Answer) -> dict[str, Any]:
    """The answer for programs; `version` is empty for none, and null where it is not known."""
    return {
        "source": source, "model": model, "alias": alias, "at": utc(at), "known": answer.known,
        "version": answer.version if answer.known else None, "possible": list(answer.possible),
        "evidence": list(answer.evidence),
        "blind_spots": [{"from": utc(b.start), "to": utc(b.end), "why": b.why} for b in answer.blind_spots],
    }  # fmt: skip


def as_lines(source: str, name: str, at: float, answer: Answer) -> list[str]:
    """The answer for people."""
    local = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at))
    found = place(answer.version) if answer.known else "not known"
    if not answer.known and answer.possible:
        found += f", {' or '.join(map(place, answer.possible))}"
    lines = [f"{name} on {source} at {utc(at)} ({local}): {found}"]
    lines += [f"  evidence    {told}" for told in answer.evidence]
    return lines + [f"  blind spot  {_span(blind)}: {blind.why}" for blind in answer.blind_spots]


def _span(blind: Blind) -> str:
    if blind.start is None:
        return f"before {utc(blind.end)}" if blind.end is not None else "always"
    return f"{utc(blind.start)} to {utc(blind.end)}" if blind.end is not None else f"since {utc(blind.start)}"


def _shown(boot: Boot, model: str, alias: str) -> set[str]:
    return {snap.source for snap in boot.hub.snapshots("version") if (model, alias) in seen_in(snap.rows)}


def _raise_if_down(boot: Boot, name: str) -> None:
    down = [snap for snap in boot.hub.snapshots("version") if snap.state in (State.ERROR, State.AUTH)]
    if down:
        why = str(down[0].error) if down[0].error is not None else ""
        raise Unavailable(f"nothing is known of {name}", source=down[0].source, why=why)
