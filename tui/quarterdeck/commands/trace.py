"""`quarterdeck where` and `quarterdeck trace`: where a thing is, its whole thread, what two environments differ in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import click
import msgspec

from quarterdeck.boot import DISCOVERY_S, Boot
from quarterdeck.commands.ending import ended, fail
from quarterdeck.tracing import fetching, gather, telling
from quarterdeck.tracing.asides import asides
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.records import PANES, Ref
from quarterdeck_lifecycle.text import clean_line
from quarterdeck_lifecycle.trace.between import differences
from quarterdeck_lifecycle.trace.gaps import gaps, notes
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.history import compared
from quarterdeck_lifecycle.trace.resolve import Several
from quarterdeck_lifecycle.trace.thread import walk
from quarterdeck_lifecycle.trace.timeline import events
from quarterdeck_lifecycle.trace.where import Here, Standing, asked_for, under_way, where

FORMS = "a ref, git:REV, pr:N, image:NAME[:TAG|@DIGEST], sha256:..., model:NAME/VERSION, model:NAME@ALIAS, or a name"


@click.command("where")
@click.argument("ref")
@click.option("--in", "environment", default="", metavar="ENV", help="only there: exit code 0 when it runs there")
@click.option("--timeout", default=10.0, show_default=True, help="seconds to wait for the slowest source")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.pass_context
def where_command(ctx: click.Context, ref: str, environment: str, timeout: float, as_json: bool) -> None:
    """Where REF is: running, superseded, on its way or not there, for each environment.

    REF is a commit, tag, branch, change request, image or model version: a ref, git:REV, pr:N, image:NAME[:TAG],
    sha256:..., model:NAME/VERSION, model:NAME@ALIAS, or a name. A commit also runs where one that holds it runs.

    Exit codes: 0 it runs (there), 1 it does not, 2 usage or an ambiguous REF, 4 a source is down, so it cannot be said.
    """
    _run(ctx, lambda boot: where_for(boot, ref, environment, timeout=timeout, as_json=as_json))


@click.command("trace")
@click.argument("ref", required=False)
@click.option("--between", nargs=2, metavar="ENV ENV", help="what stands between two environments, instead of a REF")
@click.option("--timeout", default=10.0, show_default=True, help="seconds to wait for the slowest source")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.pass_context
def trace_command(
    ctx: click.Context, ref: str | None, between: tuple[str, str] | None, timeout: float, as_json: bool
) -> None:
    """The thread of REF: commit, change request, run, image, workload, model version, training run, signals.

    Every link names its evidence; a guess is marked with ?, and a gap says why and what to do.

    Exit codes: 0 told, 1 nothing is called so, 2 usage or an ambiguous REF, 4 a source is down, so it cannot be said.
    """
    if (ref is None) == (between is None):
        raise click.UsageError("name a REF, or --between ENV ENV")
    if between is not None:
        _run(ctx, lambda boot: between_for(boot, *between, timeout=timeout, as_json=as_json))
    _run(ctx, lambda boot: trace_for(boot, ref or "", timeout=timeout, as_json=as_json))


def _run(ctx: click.Context, work: Callable[[Boot], Coroutine[Any, Any, int]]) -> None:
    boot = Boot(config=ctx.obj["config"], read_only=True)
    ctx.exit(asyncio.run(ended(boot, work(boot))))


async def gathered(boot: Boot, timeout: float) -> Graph:
    """Everything asked once; what is late or down stays out."""
    clock = asyncio.get_running_loop().time
    end = clock() + timeout
    await boot.discover(min(DISCOVERY_S, timeout / 2))
    await boot.hub.once(max(0.5, end - clock()), (*PANES, ""))
    made = gather.Gathered()
    made.take(boot.hub.snapshots())
    return made.graph


async def where_for(boot: Boot, words: str, environment: str, *, timeout: float = 10.0, as_json: bool = False) -> int:
    """Print where it is; answers the exit code."""
    graph = await gathered(boot, timeout)
    places = gather.environments(boot, graph)
    if environment and environment not in places:
        return fail(f"there is no environment {environment}; there is {', '.join(places) or 'none'}", 2)
    begin = await _named(boot, graph, words)
    if isinstance(begin, int):
        return begin
    thread = asked_for(walk(graph, *begin), graph)
    asked = [environment] if environment else places
    histories = await fetching.between(boot, graph, compared(thread, graph, asked))
    down = gather.unknown(boot)
    found = where(
        thread, graph, asked, history=fetching.relations(histories, graph), past=await fetching.past(boot), down=down
    )
    runs = under_way(thread)
    if as_json:
        click.echo(redact(json.dumps(telling.where_json(words, thread, found, runs, down))))
    else:
        for line in telling.where_lines(found, runs):
            click.echo(redact(line))
        if not found:
            fail("there are no environments here: name them under environments: in the config", 1)
    return _code(found)


def _code(found: tuple[Here, ...]) -> int:
    states = {here.standing for here in found}
    if Standing.RUNNING in states:
        return 0
    return 4 if Standing.UNKNOWN in states else 1


async def trace_for(boot: Boot, words: str, *, timeout: float = 10.0, as_json: bool = False) -> int:
    """Print the thread; answers the exit code."""
    graph = await gathered(boot, timeout)
    begin = await _named(boot, graph, words)
    if isinstance(begin, int):
        return begin
    thread = walk(graph, *begin)
    if await fetching.origins(boot, graph, fetching.unread(thread, graph)):
        thread = walk(graph, *begin)
    missing, also = gaps(thread, graph, gather.asked(boot)), notes(thread, graph)
    beside = await asides(boot, graph, thread)
    if as_json:
        told = telling.thread_json(words, thread, missing, also, events(thread, await fetching.past(boot)))
        told["asides"] = [msgspec.to_builtins(each) for each in beside]
        click.echo(redact(json.dumps(told)))
    else:
        for line in telling.thread_lines(thread, graph, missing, also):
            click.echo(redact(line))
        for each in beside:
            for line in (each.words.removeprefix("└ "), *(f"  {line}" for line in each.lines)):
                click.echo(redact(clean_line(line)))
    if not thread.nodes:
        return fail(f"{words}: a thread goes through commits, runs, images, workloads and models; this is none", 1)
    return 0


async def between_for(boot: Boot, one: str, other: str, *, timeout: float = 10.0, as_json: bool = False) -> int:
    """Print what two environments differ in; answers the exit code."""
    graph = await gathered(boot, timeout)
    places = gather.environments(boot, graph)
    for name in (one, other):
        if name not in places:
            return fail(f"there is no environment {name}; there is {', '.join(places) or 'none'}", 2)
    found = differences(graph, one, other)
    histories = await fetching.between(boot, graph, (pair for each in found for pair in each.histories))
    if as_json:
        click.echo(redact(json.dumps(telling.between_json(one, other, found, histories))))
    else:
        for line in telling.between_lines(one, other, found, histories):
            click.echo(redact(line))
    down = gather.unknown(boot)
    why = next((down[name] for name in (one, other, "") if name in down), "")
    return fail(f"this is not all: {why}", 4) if why else 0


async def _named(boot: Boot, graph: Graph, words: str) -> tuple[Ref, ...] | int:
    try:
        return await fetching.find(words, boot, graph)
    except Several as error:
        candidates = [f"{ref}  {telling.candidate(graph, ref)}" for ref in error.candidates]
        return fail("\n  ".join([f"{error}; name one of", *candidates]), 2)
    except LookupError as error:
        down = gather.asked(boot).down
        if down:
            return fail(f"{error}, as far as is known: {next(iter(down.values()))}", 4)
        return fail(f"{error}; it may be {FORMS}", 1)

