"""A log of 100,000 lines a second, and a line of 100 MB, while somebody types."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.report import Line, Settings, percentile
from bench.tap import Tap, scratch, subject
from parts.process import wait_until

RATE = 100_000
KEPT = 50_000
LETTERS = "αβγδεζηθικλμνξοπρστυφχψωабвгдежзиклмнопрстуфхцчшщ"
"""None of these is in the log or on the deck: the first one seen is the one that was typed."""


def flood(settings: Settings) -> Sequence[Line]:
    """Lines taken in, what typing costs meanwhile, memory, and the count of what was dropped."""
    seconds = settings.seconds(30)
    with scratch() as name:
        out = Path(name) / "flood.json"
        with subject("flood", RATE, seconds, out=out) as deck:
            deck.seen("box-00000: running")
            deck.quiet(1.0)
            calm = _typed(deck, "/", LETTERS[:8])
            deck.write("\x1b")
            deck.quiet(1.0)
            deck.write("l")
            deck.seen("following")
            time.sleep(4)
            half = deck.rss()
            typed = _typed(deck, ":", LETTERS[8 : 8 + settings.repeats(32)])
            told = _told(out, seconds + 60)
            deck.write("\x1b")
            dropped = told["given"] - KEPT
            since = deck.count
            whole = deck.rss()
            words = f"{dropped:,} dropped"
            counted = words.encode() in deck.received or deck.seen(words, since, 20) > 0
    rate = told["given"] / told["seconds"]
    value, lag = percentile(typed, 0.95), told["lag"]
    most = f"median {percentile(typed, 0.5):.1f} ms, most {max(typed):.1f} ms of {len(typed)} keys"
    note = f"{most}; the loop is late by {lag['p95']:.1f} ms at p95"
    return [
        Line("flood: lines taken in a second", rate, "/s", ">= 100,000/s", rate >= 0.98 * RATE, RATE, "sent"),
        Line("flood: input to paint, p95", value, "ms", "<= 100 ms", value <= 100, percentile(calm, 0.95), "calm",
             note),
        Line("flood: memory after it", whole, "MB", "bounded", whole - half < 16, half, "after 4 s"),
        Line("flood: dropped lines on the screen", dropped if counted else 0, "", "all counted", counted),
    ]  # fmt: skip


def huge(settings: Settings) -> Sequence[Line]:
    """The loop's lag while a line of 100 MB comes, beside the same loop at rest."""
    with scratch() as name:
        out = Path(name) / "line.json"
        with subject("line", out=out) as deck:
            deck.seen("box-00000: running")
            deck.quiet(1.0)
            before = deck.rss()
            deck.write("l")
            deck.seen("before the line")
            told = _told(out, 120)
            deck.seen("after-the-line")
            grown = deck.rss() - before
    lag, rest = told["lag"], told["rest"]
    note = f"p95 {lag['p95']:.1f} ms (at rest {rest['p95']:.1f}); memory {grown:+.0f} MB; {told['seconds']:.1f} s"
    ok, name = lag["max"] <= 100, "100 MB line: longest stall"
    return [Line(name, lag["max"], "ms", "<= 100 ms", ok, rest["max"], "at rest", note)]


def _typed(deck: Tap, opens: str, letters: str) -> list[float]:
    """Open a prompt and type; milliseconds from each key to the frame that shows it."""
    deck.write(opens)
    time.sleep(1)
    found = []
    for letter in letters:
        since, began = deck.count, time.monotonic()
        deck.write(letter)
        found.append(1000 * (deck.seen(letter, since, 20) - began))
        time.sleep(0.15)
    return found


def _told(out: Path, deadline: float) -> Any:
    wait_until(out.exists, "what the program measured", deadline)
    return json.loads(out.read_text())
