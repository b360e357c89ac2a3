"""10,000 runs of all CI systems in one pane: keys and filter; and how often each system is asked at rest.

`python -m bench.pipelines COUNT FILE` is the deck that is measured; the file holds what the adapters really listed.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count as counting
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.report import Line, Settings, percentile
from bench.rows import BUDGET_MS, COUNT, filters, moves
from bench.tap import Tap, scratch
from contract.pipelines_subjects import SUBJECTS, Subject, opened
from parts.practice import practice_story
from quarterdeck_demo.ci import SERVERS
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Listing, Probe
from quarterdeck_lifecycle.records import Record, Ref, Status

NAME = "no"
"""What the numbers of the runs begin with, so that a filter finds them and nothing else."""
AT_REST = (Status.OK, Status.BAD, Status.IDLE, Status.UNKNOWN)
DAYS_S = 2 * 86_400.0
SETTLING = 5
"""Refreshes until an adapter has asked all that it asks once."""


class Resting(NamedTuple):
    """What a system costs while nothing happens: seconds between two refreshes and requests of each, by kind."""

    intervals: Mapping[str, float]
    requests: Mapping[str, int]

    @property
    def per_minute(self) -> float:
        """Requests."""
        return sum(60 / self.intervals[kind] * self.requests[kind] for kind in self.intervals)


def pipelines(settings: Settings) -> Sequence[Line]:
    """Cursor keys and a filter typed among 10,000 runs and 100; then the requests of each system at rest."""
    found: dict[int, tuple[list[float], list[float]]] = {}
    with scratch() as folder:
        file = Path(folder) / "runs.json"
        file.write_bytes(msgspec.json.encode(asyncio.run(real_rows())))
        for many in (COUNT, 100):
            with Tap([sys.executable, "-m", "bench.pipelines", str(many), str(file)]) as deck:
                deck.seen(f"Runs {many} ", deadline=120)
                deck.quiet(2.0)
                for key in "2z":
                    deck.write(key)
                    deck.quiet(1.0)
                keys = moves(deck, many, settings.repeats(40), f"#{NAME}")
                deck.quiet(2.0)
                found[many] = keys, filters(deck, many, settings.repeats(14), NAME, "Runs")
    (keys, typed), (few_keys, few_typed) = found[COUNT], found[100]
    lines = []
    for name, many_ms, few_ms in (("key to paint", keys, few_keys), ("filter key to paint", typed, few_typed)):
        value, reference = percentile(many_ms, 0.95), percentile(few_ms, 0.95)
        note = f"median {percentile(many_ms, 0.5):.1f} ms, most {max(many_ms):.1f} ms of {len(many_ms)} keys"
        lines.append(
            Line(f"10,000 runs: {name}, p95", value, "ms", "<= 50 ms", value <= BUDGET_MS, reference, "100 runs", note)
        )
    return [*lines, *asyncio.run(at_rest())]


async def at_rest() -> list[Line]:
    """Requests a minute of each system on its practice server, two days after anything was begun there.

    What waits for a person or a worker still does, and is asked for: it costs its part of the requests.
    """
    lines = []
    with practice_story() as story:
        for subject in _subjects():
            async with opened(subject, story) as ci:
                rests: dict[str, float] = {}
                requests: dict[str, int] = {}
                await _rounds(ci.source.list, ci.source.kinds)
                ci.clock.move(DAYS_S)
                await _rounds(ci.source.list, ci.source.kinds, SETTLING)
                for kind in ci.source.kinds:
                    before = len(ci.server.requests)
                    rows = (await ci.source.list(kind)).rows
                    requests[kind] = len(ci.server.requests) - before
                    rests[kind] = ci.source.interval(kind, [row for row in rows if row.status in AT_REST])
                rest = Resting(rests, requests)
            each = "; ".join(f"{kind}: {requests[kind]} every {rests[kind]:.0f} s" for kind in rests)
            lines.append(Line(f"at rest: {subject.system}", rest.per_minute, "requests/min", "told", None, note=each))
    return [*lines, Line("at rest: local", 0.0, "requests/min", "told", None, note="it reads a folder of this machine")]


def _subjects() -> Sequence[Subject]:
    return [subject for subject in SUBJECTS if subject.system in ("github", *SERVERS)]


async def _rounds(ask: Callable[[str], Awaitable[Listing]], kinds: Sequence[str], times: int = 1) -> None:
    for _ in range(times):
        for kind in kinds:
            await ask(kind)


async def real_rows() -> dict[str, list[Run]]:
    """What the adapter of each system makes of its practice server's answers."""
    found: dict[str, list[Run]] = {}
    with practice_story() as story:
        for subject in _subjects():
            async with opened(subject, story) as ci:
                found[subject.system] = await ci.runs()
        found["local"] = await _local(story)
    return found


async def _local(story: Story) -> list[Run]:
    from quarterdeck_adapters import catalog
    from quarterdeck_adapters.base import Context, SourceConfig
    from quarterdeck_config.schema import Config, LocalPipeline, Step
    from quarterdeck_demo import local

    with tempfile.TemporaryDirectory(prefix="qd-bench-") as folder:
        runs = Path(folder) / "runs"
        local.write_runs(story, story.now, runs)
        named = {
            name: LocalPipeline(
                steps=tuple(
                    Step(name=step["name"], argv=tuple(step["argv"]), folder=step["folder"]) for step in each["steps"]
                )
            )
            for name, each in local.pipelines(story).items()
        }
        project = str(story.folder)
        config = msgspec.convert(local.source(runs), SourceConfig)
        context = Context(
            secret=lambda ref: "", env={}, config=Config(pipelines=named), project=project, now=lambda: story.now
        )
        source = catalog.make(config, context)
        try:
            return [row for row in (await source.list("run")).rows if isinstance(row, Run)]
        finally:
            await source.close()


def many_runs(real: Mapping[str, Sequence[Run]], many: int) -> dict[str, list[Run]]:
    """`many` runs in equal parts of each system, numbered as the pane orders them.

    What each system really listed comes first; what follows are copies of it that rest, as older pages would.
    """
    from quarterdeck.views.pipelines import run_order

    made: list[tuple[str, Run]] = []
    for place in counting():
        for system, rows in real.items():
            row = rows[place % len(rows)]
            if place >= len(rows) and row.status not in (Status.OK, Status.IDLE):
                row = msgspec.structs.replace(row, status=Status.IDLE, waits_for_me=False)
            made.append((system, row))
        if len(made) >= many:
            break
    made = sorted(made[:many], key=lambda pair: run_order(pair[1])[0])
    newest = max(row.updated_at or 0.0 for _, row in made)
    found: dict[str, list[Run]] = {system: [] for system in real}
    for place, (system, row) in enumerate(made):
        ref = Ref(system, "run", f"{row.ref.id}/{place}")
        found[system].append(
            msgspec.structs.replace(row, ref=ref, number=f"{NAME}{place:05}", updated_at=newest - place)
        )
    return found


class Listed:
    """Rows of one system, made anew for every listing, as an adapter does."""

    kinds = ("run",)

    def __init__(self, system: str, rows: Sequence[Run]) -> None:
        self.name = self.system = system
        self.environment, self.address = "", "unix:///constant"
        self.rows = rows

    async def probe(self) -> Probe:
        """Nobody asks."""
        return Probe(version="1")

    async def list(self, kind: str) -> Listing:
        """Equal rows, but not the same objects."""
        return Listing(rows=[msgspec.structs.replace(row) for row in self.rows])

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds: once is enough while keys are measured."""
        return 3600.0

    async def close(self) -> None:
        """Nothing to let go."""


def main(many: int, file: Path) -> None:
    """The deck with the runs of every system, and four other panes full of rows."""
    from bench.subject import deck, five

    listed = many_runs(msgspec.json.decode(file.read_bytes(), type=dict[str, list[Run]]), many)
    others = [source for source in five() if source.kinds != ("run",)]
    deck([*others, *(Listed(system, rows) for system, rows in listed.items())])  # type: ignore[list-item]


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
