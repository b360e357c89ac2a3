"""Memory of the deck on the practice world: after a minute, and its growth while all is refreshed 48 times as often."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.report import Line, Settings, slope
from bench.tap import BIN, Tap, bare, subject

PACE = 48
LIMIT_MB = 120.0
GROWTH_MB = 2.0
"""What may be gained in an hour: sixteen megabytes in a shift."""


def resident(settings: Settings) -> Sequence[Line]:
    """`quarterdeck demo` a minute after its start, beside a bare app."""
    seconds = settings.seconds(60)
    with Tap([str(BIN / "quarterdeck"), "demo"]) as deck, bare() as app:
        deck.seen("Containers")
        app.seen("bare-app-painted")
        time.sleep(max(0.0, deck.started + seconds - time.monotonic()))
        value, reference = deck.rss(), app.rss()
    return [Line("memory, practice world", value, "MB", "<= 120 MB", value <= LIMIT_MB, reference, "bare app",
                 f"{seconds:.0f} s after the start")]  # fmt: skip


def growth(settings: Settings) -> Sequence[Line]:
    """The slope of memory over minutes that stand for hours."""
    seconds = 600.0 if settings.full else settings.seconds(120)
    with subject("growth", PACE) as deck:
        deck.seen("Containers", deadline=120)
        points = sampled(deck, seconds, every=1.0, skip=seconds / 3)
    hourly = slope(points) * 3600 / PACE
    hours = seconds * PACE / 3600
    note = f"{points[0][1]:.1f} to {points[-1][1]:.1f} MB; {hours:.1f} h of refreshes in {seconds:.0f} s"
    budget = f"<= {GROWTH_MB:g} MB/h"
    return [Line("growth of memory per hour of refreshes", hourly, "MB/h", budget, hourly <= GROWTH_MB, note=note)]


def sampled(deck: Tap, seconds: float, every: float, skip: float) -> list[tuple[float, float]]:
    """(seconds, MB) while a cursor moves now and then, without the first `skip` seconds, in which caches fill."""
    points, began, key = [], time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        if now >= skip:
            points.append((now, deck.rss()))
        key += 1
        deck.write(("\x1b[B", "\x1b[A")[key % 2])
        time.sleep(every)
    return points
