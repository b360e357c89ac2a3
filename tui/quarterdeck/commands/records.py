"""`quarterdeck changes` and `quarterdeck ledger`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

import click

from quarterdeck.boot import Boot
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.changelog import ChangeFilter
from quarterdeck_lifecycle.instant import parse_time
from quarterdeck_lifecycle.ledger import Filter
from quarterdeck_lifecycle.state import StateError

T = TypeVar("T")


def _read(ctx: click.Context, work: Callable[[Boot], Awaitable[T]]) -> T:
    boot = Boot(config=ctx.obj["config"], read_only=True)

    async def run() -> T:
        try:
            return await work(boot)
        finally:
            await boot.close()

    try:
        return asyncio.run(run())
    except StateError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.option("--since", default="", metavar="TIME", help="from then on: 02:14 (UTC), -2h, 2025-11-03T02:14+01:00")
@click.option("--days", default=7.0, show_default=True, help="how far back, at most 7")
@click.option("--system", default="", help="only of this system: docker, github, mlflow ...")
@click.option("--env", "environment", default="", help="only of this environment")
@click.option("--by", type=click.Choice(["us", "outside"]), help="only by us, or only from outside")
@click.option("--filter", "matching", default="", metavar="REGEX", help="only what matches; a leading ! inverts")
@click.option("--limit", default=1000, show_default=True, help="at most so many")
@click.pass_context
def changes(
    ctx: click.Context, as_json: bool, since: str, days: float, system: str, environment: str, by: str | None,
    matching: str, limit: int,
) -> None:  # fmt: skip
    """What changed in all systems while a deck was open, newest first, and who did it, as far as it is known."""
    now = datetime.now(UTC)
    began = now - timedelta(days=min(days, 7))
    if since:
        try:
            began = max(began, datetime.fromtimestamp(parse_time(since, now.timestamp()), UTC))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--since") from error
    whose: Literal["us", "outside", ""] = "us" if by == "us" else "outside" if by else ""
    asked = ChangeFilter(system=system, environment=environment, by=whose, matching=matching)
    if asked.problem:
        raise click.BadParameter(asked.problem, param_hint="--filter")
    for row in _read(ctx, lambda boot: boot.changelog.recent(since=began, limit=limit, asked=asked)):
        if as_json:
            fields = {
                "id": row.id, "at": row.at.isoformat(), "source": row.source, "system": row.system, "kind": row.kind,
                "ref": row.ref, "name": row.name, "environment": row.environment, "what": row.what,
                "before": row.before, "after": row.after, "by": row.by, "op": row.op, "actor": row.actor,
                "note": row.note,
            }  # fmt: skip
            click.echo(redact(json.dumps(fields)))
        else:
            by = "by us  " if row.by == "us" else "outside"
            stamp = row.at.strftime("%Y-%m-%d %H:%M:%SZ")
            words = f"{row.kind} {row.name}: {row.what} {row.before or '-'} -> {row.after or '-'}"
            how = f" ({row.note})" if row.note else ""
            who = f"  {row.actor or 'by ?'}{how}{f'  op {row.op}' if row.op else ''}"
            line = f"{stamp}  {by}  {row.environment or row.source:<12}  {words}{who}"
            click.echo(redact(line.replace("\n", " ")))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.option("--verify", is_flag=True, help="read the whole chain; exit code 1 when it is broken")
@click.option("--filter", "contains", default="", help="only rows that hold these words")
@click.option("--limit", default=1000, show_default=True, help="at most so many, newest first")
@click.pass_context
def ledger(ctx: click.Context, as_json: bool, verify: bool, contains: str, limit: int) -> None:
    """What was done from here: every verb, refused and failed ones too."""
    if verify:
        found = _read(ctx, lambda boot: boot.ledger.verify())
        if as_json:
            fields = {
                "ok": found.ok, "rows": found.rows, "first_bad_seq": found.first_bad_seq, "reason": found.reason,
                "head": found.head,
            }  # fmt: skip
            click.echo(json.dumps(fields))
        elif found.ok:
            click.echo(f"the chain of {found.rows} rows is whole; head {found.head}")
        else:
            click.echo(f"the chain is broken at row {found.first_bad_seq}: {found.reason}")
        ctx.exit(0 if found.ok else 1)
    for row in _read(ctx, lambda boot: boot.ledger.rows(Filter(contains=contains), limit=limit)):
        if as_json:
            click.echo(json.dumps(row.to_dict()))
        else:
            said = ": ".join(filter(None, (row.result, row.why))).replace("\n", " ")
            click.echo(f"{row.seq:>5} {row.at[:19]}Z {row.actor:<12} {row.phase:<8} {row.action:<24} {row.ref} {said}")
