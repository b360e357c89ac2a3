"""`quarterdeck do VERB REF`: every verb of the registry, through the same door as the screen."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import click

from quarterdeck.boot import Boot
from quarterdeck.commands.ending import ended, fail
from quarterdeck.commands.refs import find
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.operate import Result
from quarterdeck_lifecycle.ports import Preview
from quarterdeck_lifecycle.records import Record, Ref, State
from quarterdeck_lifecycle.verbs import Verb, VerbKind

EXIT = {"SUCCEEDED": 0, "FAILED": 1, "UNKNOWN": 1, "REFUSED": 3}


@click.command()
@click.argument("verb")
@click.argument("ref")
@click.option("--arg", "args", multiple=True, metavar="KEY=VALUE", help="an argument of the verb")
@click.option("--dry-run", is_flag=True, help="print exactly what would be sent")
@click.option("--yes", is_flag=True, help="do not ask; needed without a terminal")
@click.option("--confirm", "confirmed", default="", metavar="NAME", help="the name, where it has to be typed")
@click.option("--reason", default="", help="why; required to write to what starts read-only")
@click.option("--json", "as_json", is_flag=True, help="JSON")
@click.pass_context
def do(
    ctx: click.Context, verb: str, ref: str, args: tuple[str, ...], dry_run: bool, yes: bool, confirmed: str,
    reason: str, as_json: bool,
) -> None:  # fmt: skip
    """Carry out VERB on REF: previewed, permitted, journalled, executed once, verified by reading back.

    Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 unavailable.
    """
    boot = Boot(config=ctx.obj["config"], read_only=ctx.obj["read_only"])
    ctx.exit(
        run_verb(
            boot, verb, ref, args, dry_run=dry_run, yes=yes, confirmed=confirmed, reason=reason, as_json=as_json,
            answering=sys.stdin.isatty(),
        )
    )  # fmt: skip


def run_verb(
    boot: Boot, verb_id: str, words: str, args: tuple[str, ...], *, dry_run: bool, yes: bool, confirmed: str,
    reason: str, as_json: bool, answering: bool,
) -> int:  # fmt: skip
    """Do it; answers the exit code."""
    verb = boot.registry.get(verb_id)
    if verb is None or verb.kind is not VerbKind.MUTATION:
        why = "unknown verb" if verb is None else "that verb only makes sense on the screen"
        return fail(f"{verb_id}: {why}; `quarterdeck keys` lists them", 2)
    given: dict[str, str] = {argument.name: argument.default for argument in verb.args}
    for arg in args:
        key, sep, value = arg.partition("=")
        if not sep or key not in given:
            return fail(f"--arg {arg}: {verb.id} takes {', '.join(given) or 'no arguments'}, as KEY=VALUE", 2)
        given[key] = value

    work = _run(boot, verb, words, given, dry_run, yes, confirmed, reason, as_json, answering)
    return asyncio.run(ended(boot, work))


async def _run(
    boot: Boot, verb: Verb, words: str, given: dict[str, str], dry_run: bool, yes: bool, confirmed: str, reason: str,
    as_json: bool, answering: bool,
) -> int:  # fmt: skip
    await boot.discover()
    target = await _target(boot, words, verb)
    ref = target.ref if isinstance(target, Record) else target
    record = target if isinstance(target, Record) else None
    if dry_run:
        preview = await boot.operator.preview(verb, ref, given)
        show_preview(verb, preview, as_json)
        return 0
    if boot.loaded.errors:
        return fail(f"nothing is written while the config has errors: {boot.loaded.errors[0]}", 2)
    places = boot.operator.places(verb, ref, record)
    for place in places:
        if boot.policy.access(place).open:
            continue
        opened = boot.policy.open_for(place, reason or "asked for the reason")
        if not opened.open:
            return await _refuse(boot, verb, ref, opened.why)
        if not (yes and reason):
            boot.policy.shut(place)
            why = boot.policy.access(place).why.partition(": W ")[0]
            return await _refuse(boot, verb, ref, f"{why}; --yes --reason TEXT opens it for this command")
    why_not = boot.operator.why_not(verb, ref, record)
    if why_not:
        return await _refuse(boot, verb, ref, why_not)
    preview = await boot.operator.preview(verb, ref, given)
    name = preview.record.name if preview.record is not None else ref.id
    needed = boot.operator.confirmation(verb, ref, preview.record)
    if (guarded := [p for p in places if boot.policy.guarded(p)]) and confirmed != name and needed != "none":
        return await _refuse(boot, verb, ref, f"{guarded[0]} is protected: --confirm {name}")
    if needed != "none" and not yes:
        if not answering:
            return await _refuse(boot, verb, ref, "no terminal to ask on: --yes")
        show_preview(verb, preview, False)
        typed = needed == "typed"
        answer = click.prompt(f"type {name}" if typed else "y confirms", default="", show_default=False)
        if answer != (name if typed else "y"):
            return await _refuse(boot, verb, ref, "not confirmed")
    result = await boot.operator.perform(preview, why=reason)
    show_result(result, as_json)
    if isinstance(result.error, Unavailable) and result.result == "REFUSED":
        return 4
    return EXIT[result.result]


async def _target(boot: Boot, words: str, verb: Verb) -> Record | Ref:
    await boot.hub.once(10.0)
    records = boot.hub.records()
    fitting = [record for record in records if record.kind in verb.applies_to]
    try:
        return find(words, fitting)
    except LookupError as error:
        if words in boot.hub.sources and "source" in verb.applies_to:
            return Ref(words, "source", words)
        if "project" in verb.applies_to:
            owners = [r for r in records if getattr(r, "project", "") == words]
            if owners:
                return Ref(owners[0].ref.source, "project", words)
        down = [s for s in boot.hub.snapshots(*verb.applies_to) if s.state in (State.ERROR, State.AUTH)]
        if down and down[0].error is not None:
            raise Unavailable(str(error.args[0]), why=str(down[0].error)) from error
        raise


async def _refuse(boot: Boot, verb: Verb, ref: Ref, why: str) -> int:
    from contextlib import suppress

    from quarterdeck_lifecycle.state import StateError

    with suppress(StateError):
        await boot.ledger.refused(verb.id, str(ref), "refused", why=why)
    return fail(f"{verb.id} {ref} was refused: {why}", 3)


def show_preview(verb: Verb, preview: Preview, as_json: bool) -> None:
    """What would be sent."""
    if as_json:
        fields: dict[str, Any] = {
            "verb": verb.id, "ref": str(preview.ref), "steps": [[s.call, s.detail] for s in preview.steps],
            "before": preview.before, "after": preview.after, "impact": list(preview.impact),
            "warnings": list(preview.warnings), "inverse": preview.inverse, "command": preview.command,
        }  # fmt: skip
        click.echo(redact(json.dumps(fields)))
        return
    click.echo(redact(preview.title or f"{verb.title} {preview.ref}"))
    for step in preview.steps:
        click.echo(redact(f"  sends   {step.call} {step.detail}".rstrip()))
    for word, lines in (("goes", preview.impact), ("warning", preview.warnings)):
        for line in lines:
            click.echo(redact(f"  {word:<7} {line}"))
    if preview.command:
        click.echo(redact(f"  same as {preview.command}"))


def show_result(result: Result, as_json: bool) -> None:
    """How it ended."""
    if as_json:
        fields = {"op": result.op, "verb": result.verb, "ref": str(result.ref), "result": result.result,
                  "message": result.message}  # fmt: skip
        click.echo(redact(json.dumps(fields)))
    else:
        click.echo(redact(f"{result.result} {result.verb} {result.ref}: {result.message}"))
