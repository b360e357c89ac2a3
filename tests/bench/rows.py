"""Keys in a table of 10,000 rows, from the key to the frame that shows what it did."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from bench.report import Line, Settings, percentile
from bench.tap import Tap, subject

COUNT = 10_000
BUDGET_MS = 50.0
KEYS = {"down": "\x1b[B", "page down": "\x1b[6~", "end": "\x1b[F", "home": "\x1b[H"}


def rows(settings: Settings) -> Sequence[Line]:
    """Cursor keys and a filter typed, in a deck with 10,000 containers and one with 100."""
    found: dict[int, tuple[list[float], list[float]]] = {}
    for count in (COUNT, 100):
        with subject("rows", count) as deck:
            deck.seen("box-00000: running", deadline=120)
            deck.quiet(2.0)
            keys = moves(deck, count, settings.repeats(40))
            deck.quiet(2.0)
            found[count] = keys, filters(deck, count, settings.repeats(14))
    (keys, typed), (few_keys, few_typed) = found[COUNT], found[100]
    lines = []
    for name, many, few in (("key to paint", keys, few_keys), ("filter key to paint", typed, few_typed)):
        value, reference = percentile(many, 0.95), percentile(few, 0.95)
        note = f"median {percentile(many, 0.5):.1f} ms, most {max(many):.1f} ms of {len(many)} keys"
        lines.append(
            Line(f"10,000 rows: {name}, p95", value, "ms", "<= 50 ms", value <= BUDGET_MS, reference, "100 rows", note)
        )
    return lines


def moves(deck: Tap, count: int, times: int, name: str = "box-") -> list[float]:
    """Milliseconds from a key to the frame with the row that the cursor is on then; rows are `name` and a number."""
    found = [press(deck, KEYS["down"], f"{name}{place:05}") for place in range(1, times + 1)]
    for _ in range(max(2, times // 10)):
        found.append(press(deck, KEYS["end"], f"{name}{count - 1:05}"))
        found.append(press(deck, KEYS["home"], f"{name}00000"))
    return found


def filters(deck: Tap, count: int, times: int, name: str = "box-", title: str = "Containers") -> list[float]:
    """Milliseconds from a typed character, or its deletion, to the title with the new number of rows."""
    found = []
    for _ in range(times):
        before = deck.count
        deck.write("/")
        deck.quiet(0.3)
        typed = name
        for char in "0009":
            typed += char
            if len(typed) == len(name) + 1:
                deck.write(name)
                deck.quiet(0.8)
            left = _matching(typed, count, name)
            if left == _matching(typed[:-1], count, name):
                deck.write(char)
                deck.quiet(0.8)
            else:
                found.append(press(deck, char, f"{title} {left} of {count} "))
        deck.write("\x1b")
        deck.quiet(0.7)
        assert deck.count > before
    return found


def _matching(words: str, count: int, name: str) -> int:
    return sum(f"{name}{place:05}".startswith(words) for place in range(count))


def press(deck: Tap, key: str, shows: str, then: Callable[[], object] | None = None) -> float:
    """Send a key; milliseconds until `shows` has come."""
    since = deck.count
    began = time.monotonic()
    deck.write(key)
    took = (deck.seen(shows, since) - began) * 1000
    (then or (lambda: deck.quiet(0.12)))()
    return took
