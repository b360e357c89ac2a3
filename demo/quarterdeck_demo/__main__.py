"""The practice world as a process: `python -m quarterdeck_demo --seed N --folder F`.

Prints one JSON line when everything listens. Ends, and removes its folder, when its standard input ends (so with
whoever holds the other end), or on SIGTERM, SIGHUP or SIGINT.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

import click

from quarterdeck_demo.drills import DRILLS
from quarterdeck_demo.loopback import take_up
from quarterdeck_demo.world import World


async def run(seed: int, folder: Path, drill: str = "") -> None:
    """Run the world until it is told to end."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        loop.add_signal_handler(number, end.set)

    def wait_for_parent() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop may be closed by then
            loop.call_soon_threadsafe(end.set)

    world = World(seed, folder, drill=drill)
    try:
        endpoints = await world.start()
        # Not before: a pipe that is already closed must still find everything it started removed.
        threading.Thread(target=wait_for_parent, daemon=True).start()
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(endpoints), flush=True)
        await end.wait()
    finally:
        await world.stop()


@click.command()
@click.option("--seed", default=1, show_default=True, help="Another seed, another world.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Made if missing; removed at the end.")
@click.option("--drill", type=click.Choice(list(DRILLS)), default=None, help="Play this incident.")
def main(seed: int, folder: Path, drill: str | None) -> None:
    """Serve the practice world until standard input ends."""
    os.umask(0o077)
    try:
        take_up()
        asyncio.run(run(seed, folder, drill or ""))
    except (OSError, ValueError, RuntimeError) as error:
        print(f"quarterdeck_demo: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
