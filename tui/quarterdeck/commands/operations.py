"""Operations from the command line: `attach`, `abort`, `recover`, `approve`, `report`, and `freeze`, `unfreeze`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import click

from quarterdeck.boot import Boot
from quarterdeck.commands.ending import ended
from quarterdeck.commands.release import environment_of
from quarterdeck.commands.watching import EXIT, watch
from quarterdeck.releasing.desk import Desk
from quarterdeck_config.duration import parse_duration
from quarterdeck_config.secrets import redact


def _run(ctx: click.Context, work: Callable[[Desk], Awaitable[int]]) -> None:
    boot = Boot(config=ctx.obj["config"], read_only=ctx.obj["read_only"])
    ctx.exit(asyncio.run(ended(boot, work(Desk(boot)))))


@click.command()
@click.argument("op")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.pass_context
def attach(ctx: click.Context, op: str, as_json: bool) -> None:
    """Follow an operation from its first line to its result; OP is its id or a unique beginning of it."""

    async def work(desk: Desk) -> int:
        row = await desk.operation(op)
        return await watch(desk, row.op, as_json=as_json, plan=row.plan)

    _run(ctx, work)


@click.command()
@click.argument("op")
@click.option("--reason", default="", help="why")
@click.option("--detach", is_flag=True, help="do not wait for its end")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.pass_context
def abort(ctx: click.Context, op: str, reason: str, detach: bool, as_json: bool) -> None:
    """Stop an operation and put back whatever it switched.

    Exit 0 when it ended so, 1 when it ended otherwise, 3 when it had ended.
    """

    async def work(desk: Desk) -> int:
        row = await desk.operation(op)
        await desk.ask(row.op, "abort", reason)
        if detach:
            return 0
        await watch(desk, row.op, as_json=as_json, plan=row.plan)
        now = await desk.operation(row.op)
        return 0 if now.result in ("ABORTED", "ROLLED_BACK") else 1

    _run(ctx, work)


@click.command()
@click.argument("op", default="")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.pass_context
def recover(ctx: click.Context, op: str, as_json: bool) -> None:
    """Settle every operation whose runner is dead, or OP alone; done again it changes nothing.

    OP may be one that ended STUCK: its put-back is tried once more. Exit 0 unless something stays stuck.
    """

    async def work(desk: Desk) -> int:
        settled = await desk.recover(op)
        for id, result, message in settled:
            if as_json:
                click.echo(redact(json.dumps({"op": id, "result": result, "message": message})))
            else:
                click.echo(redact(f"{id} {result}: {message}"))
        if not settled and not as_json:
            click.echo("nothing to recover: every operation has ended or has a runner")
        return 1 if any(result == "STUCK" for _, result, _ in settled) else 0

    _run(ctx, work)


@click.command()
@click.argument("op")
@click.option("--reason", default="", help="why")
@click.pass_context
def approve(ctx: click.Context, op: str, reason: str) -> None:
    """Say yes to another user's plan, for 30 minutes; read it first with `quarterdeck report OP`."""

    async def work(desk: Desk) -> int:
        row = await desk.operation(op)
        await desk.approve(row.op, reason)
        click.echo(redact(f"approved: {row.kind} of {row.service} in {row.environment}, started by {row.actor}"))
        return EXIT["SUCCEEDED"]

    _run(ctx, work)


@click.command()
@click.argument("op")
@click.pass_context
def report(ctx: click.Context, op: str) -> None:
    """The incident page of an operation, in Markdown: plan, steps, samples, logs, who, ledger."""

    async def work(desk: Desk) -> int:
        click.echo(await desk.report(op), nl=False)
        return 0

    _run(ctx, work)


@click.command()
@click.argument("service")
@click.option("--env", "environment", default="", help="where; required when the service has several")
@click.option("--reason", required=True, help="why")
@click.option("--until", "until", default="", help="2h, 3d, or a time (ISO 8601, UTC where no zone is given)")
@click.pass_context
def freeze(ctx: click.Context, service: str, environment: str, reason: str, until: str) -> None:
    """No release of SERVICE, and no rollback by others, until you unfreeze it."""
    if not reason.strip():
        raise click.BadParameter("it must say why", param_hint="--reason")
    end = _moment(until)

    async def work(desk: Desk) -> int:
        made = await desk.freeze(service, environment_of(desk, service, environment), reason, end)
        click.echo(redact(f"{service} in {made.environment}: {made}"))
        return 0

    _run(ctx, work)


@click.command()
@click.argument("service")
@click.option("--env", "environment", default="", help="where; required when the service has several")
@click.pass_context
def unfreeze(ctx: click.Context, service: str, environment: str) -> None:
    """Take your own freeze of SERVICE away; nobody takes another's."""

    async def work(desk: Desk) -> int:
        place = environment_of(desk, service, environment)
        await desk.unfreeze(service, place)
        click.echo(f"{service} in {place} is not frozen by you any more")
        return 0

    _run(ctx, work)


def _moment(text: str) -> float | None:
    """Epoch seconds of `2h` from now, or of an ISO time."""
    if not text:
        return None
    try:
        return time.time() + parse_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("2h, 3d, or a time such as 2026-11-27T08:00", param_hint="--until") from None
    end = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if end <= time.time():
        raise click.BadParameter("that has passed", param_hint="--until")
    return end
