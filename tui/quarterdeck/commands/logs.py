"""`quarterdeck logs REF`: the same lines as the log screen."""

from __future__ import annotations

import asyncio
import json

import click

from quarterdeck.boot import Boot
from quarterdeck.commands.ending import ended, fail
from quarterdeck.commands.refs import find
from quarterdeck.views.fmt import stamp
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.ports import LogOptions, TailsLogs
from quarterdeck_lifecycle.records import Record


@click.command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@click.option("-f", "--follow", is_flag=True, help="go on with new lines")
@click.option("--tail", default=1000, show_default=True, help="the last lines to begin with")
@click.option("--previous", is_flag=True, help="of the container that this one replaced")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.pass_context
def logs(ctx: click.Context, refs: tuple[str, ...], follow: bool, tail: int, previous: bool, as_json: bool) -> None:
    """The log of one or several things, merged by time; control sequences are shown, never obeyed."""
    boot = Boot(config=ctx.obj["config"], read_only=True)
    options = LogOptions(tail=tail, follow=follow, previous=previous)
    try:
        ctx.exit(asyncio.run(ended(boot, _print(boot, refs, options, as_json))))
    except KeyboardInterrupt:
        ctx.exit(130)


async def _print(boot: Boot, words: tuple[str, ...], options: LogOptions, as_json: bool) -> int:
    await boot.discover()
    await boot.hub.once(10.0)
    records = [r for r in boot.hub.records() if isinstance(boot.hub.sources.get(r.ref.source), TailsLogs)]
    found = [find(word, records) for word in words]
    targets = [item.ref if isinstance(item, Record) else item for item in found]
    source = boot.hub.sources.get(targets[0].source)
    if not isinstance(source, TailsLogs) or any(ref.source != targets[0].source for ref in targets):
        return fail("these have no log, or not all of one source", 2)
    async for batch in source.logs(targets, options):
        for line in batch.lines:
            text = redact(line.text)
            if as_json:
                click.echo(json.dumps({"at": line.at, "source": line.source, "text": text}))
            else:
                head = f"{line.source} | " if len(targets) > 1 else ""
                click.echo(f"{stamp(line.at) + ' ' if line.at is not None else ''}{head}{text}")
        if batch.dropped:
            click.echo(f"-- {batch.dropped} lines were dropped --", err=True)
        if batch.notice:
            click.echo(f"-- {redact(batch.notice)} --", err=True)
    return 0
