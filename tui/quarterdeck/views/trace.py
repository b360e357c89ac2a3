"""A thread, its times and its places as cells. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from quarterdeck.tracing.asides import Aside
from quarterdeck.views.fmt import STYLES, age, clock, glyph, one_line
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.plot import spark
from quarterdeck_lifecycle.kinds import Deployment, Operation, Series
from quarterdeck_lifecycle.records import TROUBLE, Record, Status
from quarterdeck_lifecycle.trace.folding import Folded, Group, fold
from quarterdeck_lifecycle.trace.gaps import Gap
from quarterdeck_lifecycle.trace.graph import BARE, Graph
from quarterdeck_lifecycle.trace.hops import Hop
from quarterdeck_lifecycle.trace.thread import Node, Thread
from quarterdeck_lifecycle.trace.timeline import Event, Lane, columns, levels
from quarterdeck_lifecycle.trace.where import Here, Standing

COLUMNS = (
    Column("status", "", 1),
    Column("hop", "HOP", 10),
    Column("name", "WHAT", 40, flex=5, min_width=22),
    Column("state", "STATE", 11, flex=1, min_width=9),
    Column("environment", "CTX", 7, priority=2),
    Column("when", "WHEN", 5, "right", priority=1),
)
WHERE_COLUMNS = (
    Column("status", "", 1),
    Column("environment", "CTX", 10, flex=1, min_width=7),
    Column("standing", "IS IT THERE", 11),
    Column("words", "WHICH", 38, flex=4, min_width=16),
    Column("since", "SINCE", 5, "right"),
)
TITLES = {
    Hop.COMMIT: "commit", Hop.CHANGE: "request", Hop.RUN: "run", Hop.IMAGE: "image", Hop.RELEASE: "release",
    Hop.WORKLOAD: "workload", Hop.VERSION: "model", Hop.TRAINING: "training", Hop.TRAINING_PIPELINE: "└ run",
    Hop.TRAINING_CHANGE: "└ request", Hop.TRAINING_COMMIT: "└ commit", Hop.SIGNAL: "signals",
}  # fmt: skip
SYSTEM_STYLES = {
    Hop.COMMIT: "yellow", Hop.CHANGE: "blue", Hop.RUN: "blue", Hop.IMAGE: "cyan", Hop.RELEASE: "green",
    Hop.WORKLOAD: "cyan", Hop.VERSION: "magenta", Hop.TRAINING: "magenta", Hop.TRAINING_PIPELINE: "blue",
    Hop.TRAINING_CHANGE: "blue", Hop.TRAINING_COMMIT: "yellow", Hop.SIGNAL: "red",
}  # fmt: skip
"""The colour of the system that a hop belongs to: history, forge, engine, model registry, monitoring."""
STANDINGS = {
    Standing.RUNNING: Status.OK, Standing.ON_ITS_WAY: Status.RUNNING, Standing.SUPERSEDED: Status.IDLE,
    Standing.NOT_THERE: Status.IDLE, Standing.UNKNOWN: Status.UNKNOWN,
}  # fmt: skip
LABEL = 9
"""Cells before a lane of the axis."""

Key = tuple[str, str, str]
"""What a row is of: its hop, `node`, `gap`, `more`, `aside` or `note`, and which."""


def thread_rows(
    thread: Thread, graph: Graph, gaps: Sequence[Gap], asides: Sequence[Aside], opened: Collection[Hop], now: float,
    colours: Mapping[str, str],
) -> tuple[list[Row], dict[Key, Node]]:  # fmt: skip
    """The picture: each hop's groups, or its gap, in the order of the hops; and the node of each row."""
    missing = {gap.hop: gap for gap in gaps}
    rows: list[Row] = []
    nodes: dict[Key, Node] = {}
    for hop in Hop:
        title = TITLES[hop]
        folded: Folded = fold(thread, graph, hop, opened=hop in opened)
        for group in folded.shown:
            members = group.nodes if hop in opened else (group.head,)
            for node in members:
                key = (str(hop), "node", str(node.ref))
                nodes[key] = node
                shown = group if hop not in opened else None
                rows.append(_node_row(key, title, hop, node, shown, thread, now, colours))
                title = ""
        if folded.more:
            words = f"+{len(folded.more)} more · Space unfolds"
            rows.append(Row((str(hop), "more", ""), _cells(Cell("·", "dim"), Cell(""), Cell(words, "dim"))))
        for place, aside in enumerate(asides):
            if aside.hop is hop:
                key = (str(hop), "aside", str(place))
                rows.append(Row(key, _cells(Cell("·", "dim"), Cell(""), Cell(aside.words, SYSTEM_STYLES[hop]))))
        if hop in missing:
            gap = missing[hop]
            sign = Cell("?", "warn") if gap.down else Cell("·", "dim")
            style = "warn" if gap.down else "dim"
            rows.append(
                Row((str(hop), "gap", ""), _cells(sign, Cell(title, SYSTEM_STYLES[hop]), Cell(gap.why, style)))
            )
    return rows, nodes


def note_rows(notes: Sequence[str]) -> list[Row]:
    """What else is worth knowing, below the thread."""
    return [
        Row(("", "note", note), _cells(Cell("▲", "warn"), Cell("note", "warn"), Cell(note, "warn"))) for note in notes
    ]


def _node_row(
    key: Key, title: str, hop: Hop, node: Node, group: Group | None, thread: Thread, now: float,
    colours: Mapping[str, str],
) -> Row:  # fmt: skip
    record = node.record
    status = group.status if group is not None else (record.status if record is not None else Status.IDLE)
    begun = node.ref in thread.begin
    words = node.words if node.ref.kind in ("commit", "pull_request") else ""
    if isinstance(record, Deployment | Operation) and record.actor:
        words = f"by {record.actor}"
    rest = f" +{len(group.rest)}" if group is not None and group.rest else ""
    name = f"{'? ' if node.guess else ''}{one_line(node.name)}{rest}{f' {one_line(words)}' if words else ''}"
    environment = record.environment if record is not None else ""
    state = "" if node.ref.source == BARE and node.ref.kind == "commit" else _state(record, group)
    return Row(
        key,
        (
            glyph(status), Cell(title, SYSTEM_STYLES[hop]),
            Cell(name, "head" if begun else "dim" if node.guess else ""), Cell(state, STYLES[status]),
            Cell(environment, f"env:{colours[environment]}" if environment in colours else "dim"),
            Cell(age(node.at, now) if node.at is not None else "", "dim"),
        ),
    )  # fmt: skip


def _state(record: Record | None, group: Group | None) -> str:
    if group is not None:
        worst = min((node.record for node in group.nodes if node.record), key=lambda r: TROUBLE[r.status], default=None)
        record = worst if worst is not None and worst.status in (Status.BAD, Status.LOOK) else record
    return "not listed" if record is None else one_line(record.state)


def _cells(sign: Cell, title: Cell, words: Cell) -> tuple[Cell, ...]:
    empty = Cell("")
    return sign, title, words, empty, empty, empty


def why_cells(node: Node | None, gap: Gap | None, begun: bool) -> list[Cell]:
    """All that is known of the row under the cursor: the evidence of its link, or what to do about a gap."""
    if gap is not None:
        return [Cell(f"{gap.why}", "warn" if gap.down else ""), Cell(f" → {gap.mend}" if gap.mend else "", "info")]
    if node is None:
        return []
    if begun:
        return [Cell("the thread begins here", "dim")]
    return [Cell("guess: " if node.guess else "because: ", "warn" if node.guess else "dim"), Cell(node.evidence)]


def lane_cells(
    found: Sequence[Event], series: Series | None, begin: float, end: float, width: int, most: int
) -> list[list[Cell]]:
    """The axis of time: a line for each lane that has anything, at most `most`, the series' first, then the hours.

    Each event is the sign of its state in its column; of several in one the worst is seen.
    """
    room = max(10, width - LABEL)
    lines: list[list[Cell]] = []
    if series is not None:
        values = levels(series, begin, end, room)
        lines.append([Cell(f"{series.name:.{LABEL - 1}}".ljust(LABEL), "red"), Cell(spark(values, room), "info")])
    placed = columns(found, begin, end, room)
    lanes: list[Lane] = sorted(placed, key=lambda lane: (_WORTH.get(lane, 9), lane))[: max(0, most - len(lines) - 1)]
    for lane in (lane for lane in placed if lane in lanes):
        cells = [Cell(lane[: LABEL - 1].ljust(LABEL), "dim")]
        at = 0
        for column, events in sorted(placed[lane].items()):
            worst = min(events, key=lambda event: TROUBLE[event.status])
            sign = glyph(worst.status)
            cells += [Cell("─" * (column - at), "dim"), Cell(str(len(events)) if 1 < len(events) < 10 else sign.text,
                                                             sign.style if sign.text != "·" else "info")]  # fmt: skip
            at = column + 1
        cells.append(Cell("─" * (room - at), "dim"))
        lines.append(cells)
    lines.append(_hours(begin, end, room))
    return lines


_WORTH: dict[Lane, int] = {"alerts": 0, "releases": 1, "changes": 2, "runs": 3, "models": 4, "commits": 5, "images": 6}


def _hours(begin: float, end: float, room: int) -> list[Cell]:
    marks = 4 if room >= 48 else 2
    text = ""
    for place in range(marks):
        column = place * room // marks
        text = text.ljust(column) + clock(begin + (end - begin) * column / room, end)
    now = "now"
    return [Cell(" " * LABEL), Cell(text.ljust(room)[: room - len(now)], "dim"), Cell(now, "dim")]


def where_row(here: Here, now: float, colours: Mapping[str, str]) -> Row:
    """One environment of the matrix."""
    status = STANDINGS[here.standing]
    place = here.environment
    guess = "? " if here.guess else ""
    return Row(
        place,
        (
            glyph(status), Cell(place, f"env:{colours[place]}" if place in colours else ""),
            Cell(str(here.standing), STYLES[status]), Cell(f"{guess}{one_line(here.words)}"),
            Cell(age(here.since, now) if here.since is not None else "", "dim"),
        ),
    )  # fmt: skip


def event_words(event: Event, now: float) -> str:
    """An event as a line."""
    place = f" {event.environment}" if event.environment else ""
    return f"{clock(event.at, now)} {event.lane}{place}: {one_line(event.words)}{f' by {event.by}' if event.by else ''}"
