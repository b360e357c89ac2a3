"""Threads, places and differences as JSON, and as lines for a reader without a screen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from quarterdeck.tracing.fetching import Histories
from quarterdeck_lifecycle.kinds import Commit, Run
from quarterdeck_lifecycle.records import Ref, Status, utc
from quarterdeck_lifecycle.text import clean_line
from quarterdeck_lifecycle.trace.between import Difference, Side
from quarterdeck_lifecycle.trace.facts import last_name
from quarterdeck_lifecycle.trace.folding import fold
from quarterdeck_lifecycle.trace.gaps import Gap
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.hops import FACES, HOP_OF, Hop, Place
from quarterdeck_lifecycle.trace.linking import short
from quarterdeck_lifecycle.trace.thread import Node, Thread, face
from quarterdeck_lifecycle.trace.timeline import Event
from quarterdeck_lifecycle.trace.where import Here, step

TITLES = {hop: str(hop).replace("_", " ") for hop in Hop}
Object = dict[str, Any]


def thread_json(
    words: str, thread: Thread, gaps: Sequence[Gap], notes: Sequence[str], events: Sequence[Event]
) -> Object:
    """`{ref, begin, hops: [{hop, things, gap}], links, notes, events, cut}`; every hop is there, in order."""
    by_hop = {gap.hop: gap for gap in gaps}
    return {
        "ref": words,
        "begin": [str(ref) for ref in thread.begin],
        "hops": [
            {"hop": str(hop), "things": [node_json(node) for node in thread.of(hop)], "gap": _gap(by_hop.get(hop))}
            for hop in Hop
        ],
        "links": [
            {"from": str(edge.one), "from_hop": str(HOP_OF[edge.at]), "to": str(edge.other),
             "to_hop": str(HOP_OF[edge.to]), "evidence": edge.evidence, "guess": edge.guess}
            for edge in thread.edges
        ],
        "notes": list(notes),
        "events": [
            {"at": utc(event.at), "lane": event.lane, "message": event.words, "ref": str(event.ref),
             "environment": event.environment, "by": event.by}
            for event in events
        ],
        "cut": thread.cut,
    }  # fmt: skip


def node_json(node: Node) -> Object:
    """One thing on a thread; `via` and `evidence` tell how the thread came to it."""
    record = node.record
    return {
        "ref": str(node.ref), "kind": node.ref.kind, "name": node.name, "words": node.words,
        "status": record.status.value if record is not None else None, "state": record.state if record else "",
        "environment": record.environment if record else "", "at": utc(node.at), "guess": node.guess,
        "evidence": node.evidence, "via": str(node.via) if node.via is not None else None,
        "listed": record is not None and record.ref == node.ref,
    }  # fmt: skip


def _gap(gap: Gap | None) -> Object | None:
    return None if gap is None else {"why": gap.why, "mend": gap.mend, "down": gap.down}


def thread_lines(thread: Thread, graph: Graph, gaps: Sequence[Gap], notes: Sequence[str]) -> Iterator[str]:
    """A line for each group of a hop with its state and evidence, and one for each gap."""
    by_hop = {gap.hop: gap for gap in gaps}
    for hop in Hop:
        title = TITLES[hop]
        for group in fold(thread, graph, hop, opened=True).shown:
            mark = "?" if group.guess else " "
            state = group.head.record.state if group.head.record is not None else "not listed"
            words = " ".join(part for part in (group.head.name, group.words and f"({group.words})") if part)
            where = group.head.record.environment if group.head.record is not None else ""
            shown = "" if group.status is Status.IDLE else state
            parts = " · ".join(part for part in (words, shown, where) if part)
            yield clean_line(f"{title:<24}{mark} {parts}")
            if group.head.evidence:
                yield clean_line(f"{'':<26}{'guess: ' if group.head.guess else ''}{group.head.evidence}")
            title = ""
        if hop in by_hop:
            gap = by_hop[hop]
            yield clean_line(f"{title:<24}- {gap.why}{f': {gap.mend}' if gap.mend else ''}")
    for note in notes:
        yield clean_line(f"! {note}")


def candidate(graph: Graph, ref: Ref) -> str:
    """One of several that words may mean: what it is called, and what tells it from the others."""
    record = graph.record(ref) or face(graph, ref)
    node = Node(ref=ref, place=Place.COMMIT, record=record)
    homes = sorted({last_name(home) for home in _homes(graph, ref)})
    return clean_line(" ".join(part for part in (node.name, node.words, *homes[:1]) if part))


def _homes(graph: Graph, ref: Ref) -> Iterator[str]:
    tellers = graph.telling("commit", ref.id) if ref.kind == "commit" else (ref,)
    for teller in tellers:
        yield from graph.known(teller).of("repository")
        if teller.kind in FACES:
            yield teller.id.partition("\0")[0]


def where_json(
    words: str, thread: Thread, found: Sequence[Here], runs: Sequence[Run], down: Mapping[str, str]
) -> Object:
    """`{ref, begin, environments: [...], under_way: [...], unknown}`; states are those of the matrix."""
    return {
        "ref": words,
        "begin": [str(ref) for ref in thread.begin],
        "environments": [
            {"environment": here.environment, "state": str(here.standing), "message": here.words,
             "since": utc(here.since), "evidence": here.evidence, "guess": here.guess,
             "refs": [str(ref) for ref in here.refs]}
            for here in found
        ],
        "under_way": [{"ref": str(run.ref), "name": run.name, "state": run.state, "step": step(run)} for run in runs],
        "unknown": dict(down),
    }  # fmt: skip


def where_lines(found: Sequence[Here], runs: Sequence[Run]) -> Iterator[str]:
    """A line for each environment, and for each run that has not ended."""
    width = max((len(here.environment) for here in found), default=0)
    for here in found:
        guess = " (a guess)" if here.guess else ""
        since = f", since {utc(here.since)}" if here.since and here.standing == "running" else ""
        words = f": {here.words}" if here.words else ""
        yield clean_line(f"{here.environment:<{width}}  {here.standing}{words}{since}{guess}")
    for run in runs:
        yield clean_line(f"under way: {step(run)}")


def between_json(one: str, other: str, found: Sequence[Difference], histories: Histories) -> Object:
    """`{one, other, services: [{service, same, one, other, labels, config, commits, gone, commits_unknown}]}`."""
    return {"one": one, "other": other, "services": [_difference(each, histories) for each in found]}


def _difference(each: Difference, histories: Histories) -> Object:
    said = [histories.found[pair] for pair in each.histories if pair in histories.found]
    return {
        "service": each.service, "same": each.same, "one": _side(each.one), "other": _side(each.other),
        "labels": [{"name": d.name, "one": d.one, "other": d.other} for d in each.labels],
        "config": [{"name": d.name, "one": d.one, "other": d.other} for d in each.config],
        "commits": [_commit(commit) for one in said for commit in one.commits],
        "gone": [_commit(commit) for one in said for commit in one.gone],
        "commits_unknown": [histories.why[pair] for pair in each.histories if pair in histories.why],
    }  # fmt: skip


def _side(side: Side | None) -> Object | None:
    if side is None:
        return None
    return {
        "images": list(side.images), "digests": list(side.digests), "commits": list(side.commits),
        "versions": list(side.versions), "refs": [str(ref) for ref in side.refs], "trouble": side.trouble,
    }  # fmt: skip


def _commit(commit: Commit) -> Object:
    return {"sha": commit.sha, "subject": commit.subject, "author": commit.author, "at": utc(commit.committed_at)}


def between_lines(one: str, other: str, found: Sequence[Difference], histories: Histories) -> Iterator[str]:
    """Each service that differs with what differs, and one line for all that do not."""
    for each in found:
        if each.same:
            continue
        yield clean_line(f"{each.service}")
        for name, side in ((one, each.one), (other, each.other)):
            yield clean_line(f"  {name:<12} {side_words(side)}")
        for commit_line in commit_lines(each, histories):
            yield clean_line(f"    {commit_line}")
        for kind, differing in (("label", each.labels), ("config", each.config)):
            for d in differing:
                yield clean_line(f"    {kind} {d.name}: {d.one or '-'} | {d.other or '-'}")
    same = [each.service for each in found if each.same]
    if same:
        yield clean_line(f"the same in both: {', '.join(same)}")


def side_words(side: Side | None) -> str:
    """`fraud-api:v42 90a07624a9 fraud/18`, or that it does not run there."""
    if side is None:
        return "not there"
    parts = [" / ".join(side.images), " / ".join(map(short, side.commits)), " / ".join(side.versions)]
    return "  ".join(part for part in (*parts, side.trouble) if part)


def commit_lines(each: Difference, histories: Histories) -> Iterator[str]:
    """`+ sha subject` for what the first has, `- sha subject` for what only the other has, or why it is not known."""
    for pair in each.histories:
        said = histories.found.get(pair)
        if said is None:
            yield f"commits: {histories.why.get(pair, 'not asked')}"
            continue
        yield from (f"+ {commit.sha[:10]} {commit.subject}" for commit in said.commits)
        yield from (f"- {commit.sha[:10]} {commit.subject}" for commit in said.gone)
