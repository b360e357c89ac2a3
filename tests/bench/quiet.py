"""What a deck costs while nothing changes, and when one thing does."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Sequence

from bench.report import Line, Settings
from bench.tap import Tap, bare, subject


def idle(settings: Settings) -> Sequence[Line]:
    """Bytes and CPU of a deck with five panes of constant rows, beside a bare app in the same seconds."""
    seconds = settings.seconds(30)
    with subject("idle") as deck, bare() as app:
        deck.seen("box-00000: running")
        app.seen("bare-app-painted")
        deck.quiet(2.0)
        time.sleep(3)
        before = [(tap.count, tap.cpu()) for tap in (deck, app)]
        time.sleep(seconds)
        (sent, used), (bare_sent, bare_used) = (
            (tap.count - count, tap.cpu() - cpu) for tap, (count, cpu) in zip((deck, app), before, strict=True)
        )
    percent, bare_percent = 100 * used / seconds, 100 * bare_used / seconds
    note = f"five panes, 412 rows polled every 5 s, over {seconds:g} s"
    return [
        Line("idle: bytes sent", sent / seconds, "B/s", "0 B/s", sent == 0, bare_sent / seconds, "bare", note),
        Line("idle: CPU", percent, "%", "<= 1 %", percent <= 1.0, bare_percent, "bare"),
    ]


def changes(settings: Settings) -> Sequence[Line]:
    """Bytes on the terminal when one row or one series changes."""
    times = settings.repeats(8)
    found = []
    for name, words, budget in (
        ("row", "one changed row", 1024),
        ("state", "one changed row, and the change told", None),
        ("series", "one changed series", 1024),
    ):
        with subject(name) as deck:
            deck.seen("box-00000: running")
            deck.quiet(1.5)
            counts = [_after_signal(deck) for _ in range(times)]
        value = statistics.median(counts)
        note = f"most {max(counts):,.0f} of {times}"
        ok = None if budget is None else value <= budget
        found.append(Line(words, value, "B", "" if budget is None else "<= 1 KB", ok, note=note))
    return found


def _after_signal(deck: Tap) -> int:
    before = deck.count
    os.kill(deck.pid, signal.SIGUSR1)
    end = time.monotonic() + 20
    while deck.count == before and time.monotonic() < end:
        time.sleep(0.02)
    return deck.quiet(0.7) - before
