"""A trace among 100,000 records with 300,000 links, against a walk of plain dictionaries over the same hops."""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Mapping, Sequence

from bench.report import Line, Settings
from parts.tracing import box, run, tag, training, version
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.thread import walk

RECORDS = 100_000
TIMES = 40.0
"""A thread tells evidence, checks every rule from both sides and orders what it found; the plain walk does not."""
MB = 96
CHANGED_MS = 5.0


def records(count: int) -> list[Record]:
    """Stories of five rows each: a run, a tag, a container, a version that it serves, and its training run."""
    found: list[Record] = []
    for number in range(count // 5):
        labels = {"MODEL_URI": f"models:/m/{number}"}
        found += [
            run(number, f"c{number}"), tag(f"team/api:v{number}", f"i{number}", f"c{number}"),
            box(f"b{number}", f"id{number}", manifest=f"i{number}", service=f"s{number}", labels=labels),
            version(str(number), f"r{number}", f"m{number}", model="m"), training(f"r{number}", f"m{number}"),
        ]  # fmt: skip
    return found


def trace(settings: Settings) -> Sequence[Line]:
    """Threads from the middle of many stories; a listing in which one row is another; the index's memory."""
    rows = records(RECORDS)
    gc.collect()
    tracemalloc.start()
    graph = Graph(rows)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    begins = [rows[place * 5 + 2].ref for place in range(0, RECORDS // 5, RECORDS // 5 // settings.repeats(400))]
    plain = _index(rows)
    sizes = [(len(walk(graph, ref).refs), len(_plain(plain, ref))) for ref in begins[:20]]
    if any(ours < theirs for ours, theirs in sizes):
        raise RuntimeError(f"the thread found less than the plain walk: {sizes[:5]}")
    ours = statistics.median(_timed(lambda ref: walk(graph, ref), begins))
    theirs = statistics.median(_timed(lambda ref: _plain(plain, ref), begins))
    containers = [row for row in rows if row.kind == "container"]
    changed = []
    for number in range(settings.repeats(10)):
        listed = [box(f"b{number}", "other", service="s"), *containers[number + 1 :], *containers[:number]]
        began = time.perf_counter()
        graph.add(listed[0])
        changed.append((time.perf_counter() - began) * 1000)
    size = graph.size
    note = f"{size.records:,} records, {size.links:,} links, {sizes[0][0]} things on a thread"
    return [
        Line("trace: one thread", ours, "ms", f"<= {TIMES:g}x", ours <= TIMES * theirs, theirs, "dictionaries", note),
        Line("trace: index of 100,000 records", held, "MB", f"<= {MB} MB", held <= MB, size.bytes / 1e6, "tables",
             f"{size.values:,} different facts; the records are the hub's"),
        Line("trace: one row is another", statistics.median(changed), "ms", f"<= {CHANGED_MS:g} ms",
             statistics.median(changed) <= CHANGED_MS, None, "", "nothing else is looked at"),
    ]  # fmt: skip


def _timed(work: object, begins: Sequence[Ref]) -> list[float]:
    found = []
    for ref in begins:
        began = time.perf_counter()
        work(ref)  # type: ignore[operator]
        found.append((time.perf_counter() - began) * 1000)
    return found


Plain = tuple[Mapping[Ref, Record], Mapping[tuple[str, str], Sequence[Ref]]]


def _index(rows: Sequence[Record]) -> Plain:
    told: dict[tuple[str, str], list[Ref]] = defaultdict(list)
    for row in rows:
        for link in row.links:
            told[link.kind, link.value].append(row.ref)
        for label in getattr(row, "labels", {}).values():
            told["version", label.removeprefix("models:/")].append(row.ref)
    return {row.ref: row for row in rows}, told


def _plain(plain: Plain, begin: Ref) -> set[Ref]:
    """Whatever shares a commit, digest, version or training run, from row to row."""
    rows, told = plain
    found, ahead = {begin}, [begin]
    while ahead:
        row = rows[ahead.pop()]
        values = [(link.kind, link.value) for link in row.links]
        values += [("version", label.removeprefix("models:/")) for label in getattr(row, "labels", {}).values()]
        for kind, value in values:
            if kind not in ("commit", "digest", "version", "training_run"):
                continue
            for ref in told.get((kind, value), ()):
                if ref not in found:
                    found.add(ref)
                    ahead.append(ref)
    return found
