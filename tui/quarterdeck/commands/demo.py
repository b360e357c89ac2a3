"""`quarterdeck demo`: the same deck on a practice world that lives and dies with it."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from quarterdeck.boot import Boot
from quarterdeck.drillreport import RECORD
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.statefolder import own_path
from quarterdeck_lifecycle.text import clean

WORLD = (sys.executable, "-m", "quarterdeck_demo")
DRILLS = ("bad-deploy", "lost-link", "stale-alias", "full-disk", "drifted-model")
START_S = 60.0
"""Until the world listens, in seconds."""


@contextmanager
def practice_world(seed: int, read_only: bool = False, drill: str = "") -> Iterator[tuple[Boot, dict[str, str]]]:
    """A world in a child process, and a boot on it. The world ends when its standard input closes, so with us.

    Its state (ledger, changes, trust) is its own, in its folder; nothing of the operator's is touched, and no release
    of it goes on when it has ended. `drill` names an incident that is played in it.
    A hang-up or SIGTERM ends it in order, too: SystemExit while nothing else takes them, and none while it ends.
    Raises click.ClickException when the world does not start.
    """
    _take_hangups(_leave)
    folder = Path(tempfile.mkdtemp(prefix="qd-"))
    world = folder / "w"
    said = folder / "world.log"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "MLFLOW_", "GITHUB_", "GH_"))}
    for name in ("STATE", "CACHE"):
        env[f"XDG_{name}_HOME"] = str(folder / name.lower())
    env["XDG_CONFIG_HOME"] = str(world / "config")
    env["QUARTERDECK_STATE"] = str(folder / "state" / "quarterdeck")
    child: subprocess.Popen[bytes] | None = None
    try:
        with said.open("wb") as errors:
            child = subprocess.Popen(
                [*WORLD, "--seed", str(seed), "--folder", str(world), *(("--drill", drill) if drill else ())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=env, start_new_session=True,
            )  # fmt: skip
        line, why = _first_line(child, START_S)
        if not line:
            child.kill()
            told = clean(said.read_text("utf-8", "replace")[-2000:]).strip()
            raise click.ClickException(f"the practice world did not start: {why}{f': {told}' if told else ''}")
        endpoints: dict[str, str] = json.loads(line)
        if drill:
            env[RECORD] = str(world / "drill.json")
        boot = Boot(cwd=world, read_only=read_only, discovery=("git", "host"), env=env, title="practice world")
        yield boot, endpoints
    finally:
        _take_hangups(signal.SIG_IGN)
        _end_local_runs(world / "local")
        if child is not None:
            _end(child)
        _end_releases(folder / "state" / "quarterdeck")
        shutil.rmtree(folder, ignore_errors=True)
        _take_hangups(signal.SIG_DFL)


def _end(world: subprocess.Popen[bytes]) -> None:
    for pipe in filter(None, (world.stdin, world.stdout)):
        pipe.close()
    try:
        world.wait(5)
    except subprocess.TimeoutExpired:
        world.kill()
        world.wait(5)


def _take_hangups(handler: Any) -> None:
    """Whoever is told to end while the world starts or ends must still remove it."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, handler)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _end_releases(state: Path) -> None:
    """End the runners of releases in a world that is gone: there is nothing left that they could put back."""
    if not (state / "ops").is_dir():
        return
    from quarterdeck.releasing.locks import held

    for folder in (state / "ops").iterdir():
        for lock in ("supervisor", "worker"):
            with suppress(OSError, ValueError):
                if held(folder, lock):
                    os.kill(int((folder / lock).read_text()), signal.SIGKILL)


def _end_local_runs(folder: Path) -> None:
    """End the runs of the local pipeline: they are of a world that goes."""
    if folder.is_dir():
        from quarterdeck.localruns import end_all

        end_all(folder)


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
@click.option("--json", "as_json", is_flag=True, help="with --once, or for a drill's report: one JSON object")
@click.option("--timeout", default=20.0, show_default=True, help="with --once: seconds to wait")
@click.option("--drill", type=click.Choice(DRILLS), default=None, help="an incident to end; a report tells how it went")
@click.pass_context
def demo(ctx: click.Context, seed: int, once: bool, as_json: bool, timeout: float, drill: str | None) -> None:
    """The deck on the practice world: no network, no server, nothing of yours is touched.

    With --drill something goes wrong there; the exit code is 0 when it was solved, 1 when it was given up.
    """
    from quarterdeck.commands.status import print_status
    from quarterdeck.terminal import refusal

    if once and drill:
        raise click.UsageError("a drill is played on the deck: leave --once away")
    if not once:
        why = refusal(os.environ, sys.stdin.isatty(), sys.stdout.isatty())
        if why:
            click.echo(f"quarterdeck: {why.replace('quarterdeck status', 'quarterdeck demo --once')}", err=True)
            ctx.exit(2)
        if sys.stderr.isatty():
            click.echo("starting the practice world: a few seconds ...", err=True)
    with practice_world(seed, ctx.obj["read_only"], drill or "") as (boot, _):
        if once:
            code = print_status(boot, as_json=as_json, timeout=timeout)
        else:
            from quarterdeck.commands.deck import open_deck

            # The world ends with the deck; how the deck was left on it waits for the next one of this seed.
            boot.views_at = Path(own_path("practice")), f"practice world {seed}"
            view = ctx.obj["view"] and not drill
            code = open_deck(boot=boot, mouse=ctx.obj["mouse"], debug=ctx.obj["debug"], last_view=view)
            if drill and code == 0:
                code = _report(boot, seed, as_json)
    ctx.exit(code)


def _report(played: Boot, seed: int, as_json: bool) -> int:
    """Print how the drill went; answers the exit code."""
    from quarterdeck.drillreport import gather, lines

    async def run() -> dict[str, Any]:
        boot = Boot(cwd=played.cwd, read_only=True, discovery=False, env=played.env)
        try:
            return await gather(boot, Path(boot.env[RECORD]), seed)
        finally:
            await boot.close()

    found = asyncio.run(run())
    click.echo(redact(json.dumps(found) if as_json else clean("\n".join(lines(found)))))
    return 0 if found["result"] == "solved" else 1
