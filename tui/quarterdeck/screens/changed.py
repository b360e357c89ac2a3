"""Where a change leads: the operation that made it, the commits it is of, its row, or what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.screens.text import TextScreen
from quarterdeck.views.changes import change_words, full_lines, short_op
from quarterdeck.views.fmt import stamp
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ledger import Filter
from quarterdeck_lifecycle.ports import Between, ComparesRevisions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LogLine

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp

DEADLINE_S = 15.0


def open_change(app: QuarterdeckApp, change: ChangeRow) -> None:
    """Go to the operation that did it, else to its commits, else to its row; of a row that is gone, to the diff."""
    ref = Ref.parse(change.ref)
    if change.op:
        app.work(_operation(app, change), "its operation")
    elif change.what in ("head", "upstream_head") and change.before and change.after:
        app.work(_commits(app, change, ref), "its commits")
    elif app.boot.hub.find(ref) is not None:
        app.screen.dismiss()
        app.deck.jump(ref)
    else:
        show_diff(app, change)


def show_diff(app: QuarterdeckApp, change: ChangeRow) -> None:
    """All that is known of it."""
    there = app.boot.hub.find(Ref.parse(change.ref)) is not None
    app.push_screen(TextScreen(f"{change.name} {change_words(change)}", full_lines(change, there)))


async def _operation(app: QuarterdeckApp, change: ChangeRow) -> None:
    """A release is attached to; of a single verb the ledger's rows are shown."""
    try:
        found = await app.boot.desk.operation(change.op)
    except (QuarterdeckError, LookupError):
        rows = await app.boot.ledger.rows(Filter(op=change.op))
        lines = [
            LogLine(f"{row.at[:19]}Z {row.phase:<8} {row.action} {row.ref} {row.result} {row.why}".rstrip(), ())
            for row in reversed(rows)
        ]
        if not lines:
            app.say(f"nothing is kept of operation {change.op}", "warning")
            show_diff(app, change)
            return
        title = f"op {short_op(change.op)} by {change.actor or 'us'}"
        app.push_screen(TextScreen(title, [*lines, LogLine("", ()), *full_lines(change, True)]))
        return
    from quarterdeck.screens.operation import OperationScreen

    app.push_screen(OperationScreen(app.boot, found.op))


async def _commits(app: QuarterdeckApp, change: ChangeRow, ref: Ref) -> None:
    source = app.boot.hub.sources.get(ref.source)
    if not isinstance(source, ComparesRevisions):
        show_diff(app, change)
        return
    try:
        asked = source.between(ref.id, change.before, change.after)
        found = await app.boot.bounded(asked, DEADLINE_S, "the commits between", ref.source)
    except QuarterdeckError as error:
        app.say(str(error), "warning")
        show_diff(app, change)
        return
    title = f"{change.name} {change.before[:7]}→{change.after[:7]}"
    app.push_screen(TextScreen(title, [*commit_lines(found), LogLine("", ()), *full_lines(change, True)]))


def commit_lines(found: Between) -> list[LogLine]:
    """The commits that came and went, and the files that differ."""
    lines = []
    for sign, style, commits in (("+", "green", found.commits), ("-", "red", found.gone)):
        for commit in commits:
            text = f"{sign} {commit.sha[:10]} {stamp(commit.committed_at)} {commit.author}: {commit.subject}"
            lines.append(LogLine(text, ((0, 12, style),)))
    return [*lines, *(LogLine(f"  ~ {name}", ()) for name in found.files)]
