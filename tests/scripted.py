"""A source whose answers a test tells, for what needs no system: feeds, hub, operator, screen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence

from quarterdeck_lifecycle.errors import Conflict, QuarterdeckError
from quarterdeck_lifecycle.kinds import Container, Series
from quarterdeck_lifecycle.permit import require
from quarterdeck_lifecycle.ports import (
    Action,
    Listing,
    LogBatch,
    LogOptions,
    Outcome,
    Preview,
    Probe,
    Section,
    SeriesAnswer,
    Step,
)
from quarterdeck_lifecycle.records import Record, Ref, Status
from quarterdeck_lifecycle.text import LogLine


def container(
    name: str, state: str = "running", status: Status = Status.OK, source: str = "local", **more: object
) -> Container:
    """A container's record."""
    return Container(ref=Ref(source, "container", f"id-{name}"), name=name, state=state, status=status, **more)  # type: ignore[arg-type]


class Stop:
    """A mutation that turns `running` into `exited`, with every part of the contract."""

    def __init__(self, source: Scripted) -> None:
        self.source = source
        self.executed = 0
        self.works = True

    def permitted(self, record: Record) -> str | None:
        return None if record.state == "running" else f"it is {record.state}"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        row = self.source.row(ref)
        return Preview(
            verb="container.stop", ref=ref, record=row, args=dict(args), title=f"stop {row.name}",
            steps=(Step(call=f"POST /containers/{ref.id}/stop"),), before=row.state, after="exited", token=row.state,
            inverse=("container.start", {}), command=f"docker stop {row.name}",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        require(self.source.name, f"POST /containers/{preview.ref.id}/stop")
        if self.source.row(preview.ref).state != preview.token:
            raise Conflict("it moved", source=self.source.name)
        self.executed += 1
        if self.works:
            self.source.replace(preview.ref, "exited")
        return "204"

    async def verify(self, preview: Preview) -> Outcome:
        state = self.source.row(preview.ref).state
        return Outcome(verified=state == "exited", message=f"it is {state}", observed=state)


class Scripted:
    """One source with one kind."""

    def __init__(
        self, name: str = "local", rows: Sequence[Record] = (), *, kind: str = "container", environment: str = "",
        address: str = "unix:///scripted", system: str = "docker",
    ) -> None:  # fmt: skip
        self.name, self.system, self.environment, self.address = name, system, environment, address
        self.kinds: tuple[str, ...] = (kind,)
        self.watched_kinds: tuple[str, ...] = ()
        self.rows = list(rows)
        self.error: BaseException | None = None
        self.partial = ""
        self.total: int | None = None
        self.listed = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.hints: asyncio.Queue[None] = asyncio.Queue()
        self.seconds = 30.0
        self.stop = Stop(self)
        self.actions: dict[str, Action] = {"container.stop": self.stop}
        self.lines: list[LogBatch] = []
        self.sections: list[Section] = []

    def row(self, ref: Ref) -> Record:
        return next(row for row in self.rows if row.ref == ref)

    def replace(self, ref: Ref, state: str) -> None:
        import msgspec

        self.rows = [msgspec.structs.replace(r, state=state) if r.ref == ref else r for r in self.rows]

    async def probe(self) -> Probe:
        return Probe(version="1")

    async def list(self, kind: str) -> Listing:
        self.listed += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Listing(rows=list(self.rows), partial=self.partial, total=self.total)

    async def watch(self, kind: str) -> AsyncIterator[None]:
        while True:
            yield await self.hints.get()

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        return self.seconds

    async def describe(self, ref: Ref) -> Sequence[Section]:
        return self.sections

    def log_mode(self, ref: Ref) -> str:
        return "live"

    async def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        for batch in self.lines:
            yield batch
        if options.follow:
            await asyncio.Event().wait()

    async def close(self) -> None:
        return None


class Does:
    """A mutation of any verb that writes down the arguments it was previewed and executed with."""

    def __init__(self, source: Scripted, verb: str, why_not: str | None = None) -> None:
        self.source, self.verb, self.why_not = source, verb, why_not
        self.previewed: list[dict[str, str]] = []
        self.executed: list[dict[str, str]] = []

    def permitted(self, record: Record) -> str | None:
        return self.why_not

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        self.previewed.append(dict(args))
        call = f"POST /{self.verb} {' '.join(f'{name}={value}' for name, value in args.items())}"
        return Preview(verb=self.verb, ref=ref, record=self.source.row(ref), args=dict(args), steps=(Step(call=call),))

    async def execute(self, preview: Preview) -> str:
        require(self.source.name, f"POST /{self.verb}")
        self.executed.append(preview.args)
        return "204"

    async def verify(self, preview: Preview) -> Outcome:
        return Outcome(verified=True, message="done")


class Logs(Scripted):
    """Containers whose logs a test writes: `kept` is what the system has, `speak` adds to what is followed."""

    def __init__(self, name: str = "local", rows: Sequence[Record] = (), kept: Sequence[LogLine] = ()) -> None:
        super().__init__(name, rows)
        self.kept = list(kept)
        self.asked: list[LogOptions] = []
        self.refs: list[Sequence[Ref]] = []
        self.mode = "live"
        self.refused: Exception | None = None
        self._spoken: asyncio.Queue[LogBatch | Exception | None] = asyncio.Queue()

    def log_mode(self, ref: Ref) -> str:
        return self.mode

    def speak(self, *batches: LogBatch | Exception | None) -> None:
        """What comes next while the log is followed: lines, a failure, or None for the end."""
        for batch in batches:
            self._spoken.put_nowait(batch)

    async def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        self.asked.append(options)
        self.refs.append(refs)
        if self.refused is not None:
            raise self.refused
        since, until = options.since or float("-inf"), options.until or float("inf")
        found = [line for line in self.kept if line.at is None or since <= line.at <= until]
        yield LogBatch(lines=found[-options.tail :])
        while options.follow:
            batch = await self._spoken.get()
            if batch is None:
                return
            if isinstance(batch, Exception):
                raise batch
            yield batch


class Charts(Scripted):
    """Series by expression: `answers` maps one to its answer or failure; what was asked stands in `asked`."""

    def __init__(self, name: str = "prom", rows: Sequence[Series] = ()) -> None:
        super().__init__(name, rows, kind="series", system="prometheus", address="http://127.0.0.1:9090")
        self.actions = {}
        self.answers: dict[str, SeriesAnswer | QuarterdeckError] = {}
        self.names: tuple[str, ...] = ()
        self.asked: list[tuple[str, float, float, float]] = []
        self.prefixes: list[str] = []

    async def query(self, expr: str, start: float, end: float, step: float) -> SeriesAnswer:
        self.asked.append((expr, start, end, step))
        found = self.answers[expr]
        if isinstance(found, QuarterdeckError):
            raise found
        return found

    async def complete(self, prefix: str) -> Sequence[str]:
        self.prefixes.append(prefix)
        word = re.search(r"\w*$", prefix)
        head = prefix[: word.start()] if word else prefix
        return [head + name for name in self.names if (head + name).startswith(prefix)]


def series(name: str, points: Sequence[tuple[float, float | None]] = (), *, expr: str = "", **more: object) -> Series:
    """A series' record."""
    return Series(ref=Ref("prom", "series", name), name=name, expr=expr or name, points=tuple(points), **more)  # type: ignore[arg-type]


def timed(first: float, *texts: str, source: str = "", step: float = 1.0) -> list[LogLine]:
    """Lines one after the other, `step` seconds apart from `first` (epoch seconds) on."""
    return [LogLine(text, (), source, first + place * step) for place, text in enumerate(texts)]


def lines(*texts: str) -> LogBatch:
    """A batch of lines."""
    return LogBatch(lines=[LogLine(text, (), "", float(place)) for place, text in enumerate(texts)])
