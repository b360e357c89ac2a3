"""`quarterdeck config`, `init` and `trust`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import click

from quarterdeck_config.errors import UnsafeFolder
from quarterdeck_config.load import Loaded, load


@click.group()
def config() -> None:
    """Check or show the config, or print its JSON Schema."""


def _load(ctx: click.Context) -> Loaded:
    return load(config=ctx.obj["config"])


@config.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Name every problem with its file, line and key. Exit code 2 when something was dropped."""
    loaded = _load(ctx)
    for problem in loaded.problems:
        click.echo(str(problem), err=True)
    if loaded.notice:
        click.echo(loaded.notice, err=True)
        for reason in loaded.held_back:
            click.echo(f"  {reason}", err=True)
    files = ", ".join(str(path) for path in loaded.files) or "no config file; that is fine"
    click.echo(f"{files}: {len(loaded.errors)} error{'' if len(loaded.errors) == 1 else 's'}")
    ctx.exit(2 if loaded.errors else 0)


@config.command()
@click.pass_context
def show(ctx: click.Context) -> None:
    """The config as it is understood, as JSON; secrets stay references."""
    import msgspec

    from quarterdeck_config.secrets import redact

    loaded = _load(ctx)
    click.echo(redact(json.dumps(msgspec.to_builtins(loaded.config), indent=2)))
    ctx.exit(2 if loaded.errors else 0)


@config.command()
def schema() -> None:
    """The JSON Schema of quarterdeck.yaml, for editors."""
    from quarterdeck_config.jsonschema import config_schema

    click.echo(json.dumps(config_schema(), indent=2))


@click.command()
@click.option("--yes", is_flag=True, help="do not ask")
@click.pass_context
def trust(ctx: click.Context, yes: bool) -> None:
    """Trust this project's quarterdeck.yaml as it is now; asked again when it changes."""
    from quarterdeck_config.trust import trust as record

    loaded = _load(ctx)
    if loaded.project is None:
        click.echo("quarterdeck: no quarterdeck.yaml here or above, up to the git root", err=True)
        ctx.exit(2)
    if loaded.trusted:
        click.echo(f"{loaded.project} is trusted as it is")
        return
    click.echo(f"{loaded.project}  sha256 {loaded.sha256}")
    for reason in loaded.held_back:
        click.echo(f"  held back: {reason}")
    if not yes:
        if not sys.stdin.isatty():
            click.echo("quarterdeck: no terminal to ask on; read the file, then: quarterdeck trust --yes", err=True)
            ctx.exit(3)
        if not click.confirm("Trust it?", default=False):
            click.echo("not trusted")
            ctx.exit(3)
    try:
        record(loaded.project, sha256=loaded.sha256)
    except (UnsafeFolder, ValueError, OSError) as error:
        click.echo(f"quarterdeck: {error}", err=True)
        ctx.exit(2)
    click.echo(f"{loaded.project} is trusted")


@click.command()
@click.option("--force", is_flag=True, help="write over an existing file")
@click.pass_context
def init(ctx: click.Context, force: bool) -> None:
    """Write a quarterdeck.yaml of what was found on this machine."""
    from quarterdeck.boot import Boot

    path = Path("quarterdeck.yaml")
    if path.exists() and not force:
        click.echo(f"quarterdeck: {path} exists; --force writes over it", err=True)
        ctx.exit(2)
    boot = Boot(read_only=True)

    async def find() -> None:
        try:
            await boot.discover()
        finally:
            await boot.close()

    asyncio.run(find())
    path.write_text(written(boot), encoding="utf-8")
    click.echo(f"{path}: {len(boot.configs)} sources; read it, then: quarterdeck trust")


def written(boot: object) -> str:
    """The file's text."""
    from quarterdeck.boot import Boot

    assert isinstance(boot, Boot)
    import yaml

    head = "# quarterdeck.yaml: `quarterdeck config schema` prints every key, `quarterdeck config check` checks it\n"
    environments = "environments:\n  # prod: {protected: true, color: red}\n  dev: {}\n"
    sources = []
    for source in boot.configs.values():
        entry: dict[str, object] = {"name": source.name, "system": source.system}
        if source.url:
            entry["url"] = source.url
        if source.repos:
            entry["repos"] = list(source.repos)
        if source.system not in ("host", "git"):
            sources.append(entry)
    body = yaml.safe_dump({"repositories": ["."], "sources": sources}, sort_keys=False)
    return head + environments + body
