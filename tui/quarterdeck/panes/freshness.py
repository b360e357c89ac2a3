"""How a pane is fed, in a word for its title, and what is wrong with it, in rows for its foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quarterdeck.views.fmt import clock, duration
from quarterdeck.widgets.cells import UNICODE, Cell
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.records import State

AGES = ((15, "15s"), (60, "1m"), (300, "5m"), (900, "15m"), (3600, "1h"))


def stale_age(snapshot: Snapshot, now: float) -> str:
    """The age in steps once a source is older than twice its interval, else an empty string."""
    age = snapshot.age(now)
    if age is None or (age <= 2 * snapshot.interval and snapshot.state is not State.STALE):
        return ""
    return next((word for limit, word in reversed(AGES) if age >= limit), "now")


def how_fed(snapshots: Sequence[Snapshot], now: float) -> list[Cell]:
    """`● live`, `○ 30s`, `◐ edge-7 5m`, `✗ glab 401`: one mark for all that is well, one for each that is not."""
    cells: list[Cell] = []
    well = [s for s in snapshots if s.state is State.FRESH and not stale_age(s, now)]
    asking = [s for s in snapshots if s.state is State.LOADING]
    if well:
        if all(s.live for s in well):
            cells.append(Cell(f"{UNICODE.live} live", "ok"))
        else:
            slowest = max(s.interval for s in well if not s.live)
            cells.append(Cell(f"{UNICODE.polled} {_interval(slowest)}", "dim"))
    for name in dict.fromkeys(s.source for s in snapshots):
        mine = [s for s in snapshots if s.source == name]
        budget = next((s.budget for s in mine if s.budget is not None), None)
        if budget is not None and budget.limit:
            share = 100 * budget.remaining // budget.limit
            cells.append(Cell(f" {name} {share // 5 * 5}%", "warn" if share < 25 else "dim"))
        partial = next((s for s in mine if s.partial and s.state is State.FRESH), None)
        if partial is not None:
            cells.append(Cell(f" {UNICODE.partial} partial", "warn"))
        worst = next((s for s in mine if s.error is not None), None)
        if worst is not None and worst.error is not None:
            sign = UNICODE.stale if worst.state is State.STALE else UNICODE.bad
            age = stale_age(worst, now) if worst.state is State.STALE else worst.error.word
            cells.append(Cell(f" {sign} {name} {age or worst.error.word}", "bad" if sign == UNICODE.bad else "warn"))
        elif old := next((stale_age(s, now) for s in mine if s.state is State.FRESH and stale_age(s, now)), ""):
            cells.append(Cell(f" {UNICODE.stale} {name} {old}", "warn"))
    if asking and not cells:
        cells.append(Cell(f"{UNICODE.unknown} asking {', '.join(dict.fromkeys(s.source for s in asking))}", "dim"))
    return cells


def _interval(seconds: float) -> str:
    return f"{seconds:.0f}s" if seconds < 120 else f"{seconds / 60:.0f}m"


def trouble(snapshots: Sequence[Snapshot], now: float, colours: Mapping[str, str], most: int) -> list[list[Cell]]:
    """A row for each failing source, `most` at the most: its environment, how many rows of it are from when, why, and
    what mends it. Without one, a row for what is partial; none when all is well."""
    failing = {s.source: s for s in reversed(snapshots) if s.error is not None}
    if not failing:
        warned = next((s for s in snapshots if s.partial), None)
        return [[Cell(f"{UNICODE.partial} {warned.source}: {warned.partial}", "warn")]] if warned else []
    rows = [_trouble(snap, now, colours) for snap in reversed(failing.values())]
    if len(rows) > most:
        rows[most - 1].insert(1, Cell(f"(+{len(rows) - most} more) ", "warn"))
    return rows[:most]


def _trouble(snap: Snapshot, now: float, colours: Mapping[str, str]) -> list[Cell]:
    assert snap.error is not None
    place = snap.environment
    cells = [Cell(f"{UNICODE.unknown} ", "warn")]
    if place:
        cells.append(Cell(f"{place} ", f"env:{colours[place]}" if place in colours else "warn"))
    rows = ""
    if snap.fetched_at is not None:
        rows = f"{len(snap.rows)} rows from {clock(snap.fetched_at, now)} · "
    mend = "e mend" if not snap.error.mend else f"{snap.error.mend} · e"
    return [*cells, Cell(f"{snap.source}: {rows}{reason(snap.error)} · {mend}", "warn")]


def reason(error: QuarterdeckError) -> str:
    """The first line of why, without the source's name."""
    return (error.why or error.what).splitlines()[0] if (error.why or error.what) else error.word


def explain(snapshots: Sequence[Snapshot], now: float) -> list[str]:
    """Everything about the sources of a pane, for the key that mends."""
    lines: list[str] = []
    for snap in snapshots:
        fed = "pushed" if snap.live else f"every {_interval(snap.interval)}"
        lines.append(f"{snap.source} ({snap.system}), {snap.kind}: {snap.state}, {len(snap.rows)} rows, {fed}")
        if snap.fetched_at is not None:
            lines.append(f"    last good answer {clock(snap.fetched_at, now)} UTC, {duration(snap.age(now))} ago")
        if snap.error is not None:
            lines.append(f"    what failed   {snap.error.what}")
            if snap.error.why:
                lines.extend(f"    why           {line}" for line in snap.error.why.splitlines()[:6])
            if snap.error.mend:
                lines.append(f"    what mends it {snap.error.mend}")
            if snap.next_try is not None:
                lines.append(f"    next try      in {duration(max(0.0, snap.next_try - now))}; r asks again now")
            else:
                lines.append("    next try      none by itself; r asks again once it is mended")
        if snap.partial:
            lines.append(f"    partial       {snap.partial}")
        if snap.budget is not None:
            left = f"{snap.budget.remaining} of {snap.budget.limit} requests left"
            lines.append(f"    budget        {left} until {clock(snap.budget.reset_at, now)} UTC")
        lines.append("")
    return lines
