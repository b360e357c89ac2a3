"""`quarterdeck demo`: the same deck on a practice world that lives and dies with it."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from quarterdeck.boot import Boot
from quarterdeck_lifecycle.text import clean

WORLD = (sys.executable, "-m", "quarterdeck_demo")
START_S = 60.0
"""Until the world listens, in seconds."""


@contextmanager
def practice_world(seed: int, read_only: bool = False) -> Iterator[tuple[Boot, dict[str, str]]]:
    """A world in a child process, and a boot on it. The world ends when its standard input closes, so with us.

    Its state (ledger, changes, trust) is its own, in its folder; nothing of the operator's is touched.
    Raises click.ClickException when the world does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="qd-"))
    world = folder / "w"
    said = folder / "world.log"
    with said.open("wb") as errors:
        child = subprocess.Popen(
            [*WORLD, "--seed", str(seed), "--folder", str(world)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
        )  # fmt: skip
    try:
        line, why = _first_line(child, START_S)
        if not line:
            child.kill()
            told = clean(said.read_text("utf-8", "replace")[-2000:]).strip()
            raise click.ClickException(f"the practice world did not start: {why}{f': {told}' if told else ''}")
        endpoints: dict[str, str] = json.loads(line)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "MLFLOW_", "GITHUB_", "GH_"))}
        for name in ("STATE", "CACHE"):
            env[f"XDG_{name}_HOME"] = str(folder / name.lower())
        env["XDG_CONFIG_HOME"] = str(world / "config")
        env["QUARTERDECK_STATE"] = str(folder / "state" / "quarterdeck")
        boot = Boot(cwd=world, read_only=read_only, discovery=("git", "host"), env=env, title="practice world")
        yield boot, endpoints
    finally:
        for pipe in filter(None, (child.stdin, child.stdout)):
            pipe.close()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(5)
        shutil.rmtree(folder, ignore_errors=True)


def _first_line(child: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, str]:
    """What the child prints first, within `deadline` seconds; else nothing, and why."""
    assert child.stdout is not None
    until, line = time.monotonic() + deadline, b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return b"", f"it did not say within {deadline:g} s where it listens"
        piece = os.read(child.stdout.fileno(), 65536)
        if not piece:
            return b"", "it ended"
        line += piece
    return line, ""


@click.command()
@click.option("--seed", default=1, show_default=True, help="another seed is another world")
@click.option("--once", is_flag=True, help="print it like status, and end")
@click.option("--json", "as_json", is_flag=True, help="with --once: one JSON object")
@click.option("--timeout", default=20.0, show_default=True, help="with --once: seconds to wait")
@click.pass_context
def demo(ctx: click.Context, seed: int, once: bool, as_json: bool, timeout: float) -> None:
    """The deck on the practice world: no network, no server, nothing of yours is touched."""
    from quarterdeck.commands.status import print_status
    from quarterdeck.terminal import refusal

    if not once:
        why = refusal(os.environ, sys.stdin.isatty(), sys.stdout.isatty())
        if why:
            click.echo(f"quarterdeck: {why.replace('quarterdeck status', 'quarterdeck demo --once')}", err=True)
            ctx.exit(2)
    with practice_world(seed, ctx.obj["read_only"]) as (boot, _):
        if once:
            code = print_status(boot, as_json=as_json, timeout=timeout)
        else:
            from quarterdeck.commands.deck import open_deck

            code = open_deck(boot=boot, mouse=ctx.obj["mouse"], debug=ctx.obj["debug"])
    ctx.exit(code)
