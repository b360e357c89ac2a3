"""`quarterdeck demo`: the same deck on a practice world that lives and dies with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from quarterdeck.boot import Boot

START_S = 60.0


@contextmanager
def practice_world(seed: int) -> Iterator[tuple[Boot, dict[str, str]]]:
    """A world in a child process, and a boot on it. The world ends when its standard input closes, so with us.

    Its state (ledger, changes, trust) is its own, in its folder; nothing of the operator's is touched.
    Raises click.ClickException when the world does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="qd-"))
    world = folder / "w"
    child = subprocess.Popen(
        [sys.executable, "-m", "quarterdeck_demo", "--seed", str(seed), "--folder", str(world)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stderr is not None
        line = child.stdout.readline()
        if not line:
            why = child.stderr.read().decode("utf-8", "replace").strip()
            raise click.ClickException(f"the practice world did not start: {why or 'it said nothing'}")
        endpoints: dict[str, str] = json.loads(line)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "MLFLOW_", "GITHUB_", "GH_"))}
        for name in ("STATE", "CACHE"):
            env[f"XDG_{name}_HOME"] = str(folder / name.lower())
        env["XDG_CONFIG_HOME"] = str(world / "config")
        env["QUARTERDECK_STATE"] = str(folder / "state" / "quarterdeck")
        boot = Boot(cwd=world, discovery=("git", "host"), env=env, title="practice world")
        yield boot, endpoints
    finally:
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(5)
        shutil.rmtree(folder, ignore_errors=True)


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
    with practice_world(seed) as (boot, _):
        if once:
            code = print_status(boot, as_json=as_json, timeout=timeout)
        else:
            from quarterdeck.commands.deck import open_deck

            code = open_deck(boot=boot, mouse=ctx.obj["mouse"], debug=ctx.obj["debug"])
    ctx.exit(code)
