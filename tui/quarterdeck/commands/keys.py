"""`quarterdeck keys`: every key and verb, from the registry."""

from __future__ import annotations

import json
from typing import Any

import click

from quarterdeck.keynames import pretty
from quarterdeck_lifecycle.verbs import Registry, VerbKind, built_in


def rows(registry: Registry) -> list[dict[str, Any]]:
    """Contract: id, key, screen, applies_to, kind, risk, confirm."""
    return [
        {
            "id": verb.id, "key": ",".join(registry.keys(verb.id)), "screen": verb.screen,
            "applies_to": list(verb.applies_to), "kind": verb.kind.value, "risk": verb.risk.value,
            "confirm": verb.confirm, "title": verb.title, "help": verb.help,
        }
        for verb in registry
    ]  # fmt: skip


def markdown(registry: Registry) -> str:
    """The key table of the README."""
    lines = ["| Key | Verb | Where | What | Confirm |", "| --- | --- | --- | --- | --- |"]
    for verb in registry:
        key = " ".join(f"`{k}`" for k in registry.keys(verb.id)) or f"`:{verb.id}`"
        where = ", ".join(verb.applies_to) or verb.screen.replace("*", "everywhere")
        confirm = verb.confirm if verb.kind is VerbKind.MUTATION else ""
        what = verb.title + (f": {verb.help}" if verb.help else "")
        lines.append(f"| {key} | {verb.id} | {where} | {what.replace('|', '/')} | {confirm} |")
    return "\n".join(lines)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON array")
@click.option("--markdown", "as_markdown", is_flag=True, help="the table of the README")
@click.pass_context
def keys(ctx: click.Context, as_json: bool, as_markdown: bool) -> None:
    """Every key and verb, with your own bindings laid over the defaults."""
    if as_markdown:
        click.echo(markdown(Registry(built_in())))
        return
    from quarterdeck.boot import Boot

    boot = Boot(config=ctx.obj["config"], read_only=True)
    for problem in boot.key_problems:
        click.echo(f"quarterdeck: {problem}", err=True)
    found = rows(boot.registry)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for row in found:
        where = ", ".join(row["applies_to"]) or row["screen"]
        what = row["title"] + (f": {row['help']}" if row["help"] else "")
        pressed = " ".join(pretty((key,)) for key in row["key"].split(",")) if row["key"] else f":{row['id']}"
        click.echo(f"{pressed:<34} {where:<14} {row['kind']:<9} {row['confirm']:<6} {what}")
