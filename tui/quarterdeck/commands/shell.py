"""`quarterdeck completions` and `quarterdeck man`: what shells and man(1) take."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from quarterdeck.manpage import page

SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completions(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    bash: eval "$(quarterdeck completions bash)" in ~/.bashrc; zsh: the same in ~/.zshrc; fish: into
    ~/.config/fish/completions/quarterdeck.fish.
    """
    made = SHELLS[shell](ctx.find_root().command, {}, "quarterdeck", "_QUARTERDECK_COMPLETE")
    # Not BashComplete.source: that one starts a bash to look at its version.
    click.echo(ShellComplete.source(made))


@click.command()
@click.option("--install", is_flag=True, help="write it where man finds it for you, and say where")
@click.pass_context
def man(ctx: click.Context, install: bool) -> None:
    """Print the manual page; `quarterdeck man | man -l -` reads it."""
    root = ctx.find_root().command
    assert isinstance(root, click.Group)
    text = page(root, version("quarterdeck"))
    if not install:
        click.echo(text, nl=False)
        return
    base = os.environ.get("XDG_DATA_HOME", "")
    folder = (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "man" / "man1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quarterdeck.1").write_text(text, encoding="utf-8")
    click.echo(folder / "quarterdeck.1")
