"""`make soak HOURS=8`: the deck on the practice world at its own pace; memory every minute, and the slope."""

from __future__ import annotations

import sys
import time

import click

from bench.memory import GROWTH_MB
from bench.report import slope
from bench.tap import BIN, Tap

WARM_S = 600.0


@click.command()
@click.option("--hours", default=8.0, show_default=True, help="how long")
@click.option("--every", default=60.0, show_default=True, help="seconds between two looks")
def main(hours: float, every: float) -> None:
    """Exit code 1 when memory grows by more than that an hour, the first ten minutes left out."""
    points: list[tuple[float, float]] = []
    warm = min(WARM_S, hours * 3600 / 4)
    with Tap([str(BIN / "quarterdeck"), "demo"]) as deck:
        deck.seen("Containers", deadline=120)
        end = time.monotonic() + hours * 3600
        key = 0
        while time.monotonic() < end:
            time.sleep(every)
            key += 1
            deck.write(("\x1b[B", "\x1b[A")[key % 2])
            since = time.monotonic() - deck.started
            if since >= warm:
                points.append((since / 3600, deck.rss()))
            click.echo(f"{since / 3600:7.3f} h  {deck.rss():6.1f} MB  {deck.count:,} B sent  {deck.cpu():.1f} s of CPU")
    hourly = slope(points) if len(points) > 2 else 0.0
    click.echo(f"growth {hourly:+.2f} MB/h over {len(points)} looks, at most {GROWTH_MB:g} MB/h")
    sys.exit(1 if hourly > GROWTH_MB else 0)


if __name__ == "__main__":
    main()
