"""Sources that answer the same for ever, or change when a signal says so."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from quarterdeck_lifecycle.kinds import Container, ModelVersion, Repository, Run, Series
from quarterdeck_lifecycle.ports import Listing, Probe
from quarterdeck_lifecycle.records import Record, Ref, Status

AT = 1_795_000_000.0
SYSTEMS = {"repository": "git", "run": "github", "container": "docker", "version": "mlflow", "series": "prometheus"}


def repository(place: int) -> Repository:
    """A clean one."""
    return Repository(
        ref=Ref("repository", "repository", f"/src/repo-{place:05}"), name=f"repo-{place:05}", status=Status.OK,
        state="clean", path=f"/src/repo-{place:05}", branch="main", head=f"{place:040x}", subject="fix: a thing",
        committed_at=AT,
    )  # fmt: skip


def run(place: int) -> Run:
    """One that has ended."""
    return Run(
        ref=Ref("run", "run", str(place)), name=f"run-{place:05}", status=Status.OK, state="success",
        system="github", repository="acme/fraud-api", number=str(place), workflow="ci", branch="main", head="ab" * 20,
        updated_at=AT - place, duration_s=240.0,
    )  # fmt: skip


def container(place: int) -> Container:
    """One that runs."""
    return Container(
        ref=Ref("container", "container", f"id-{place:05}"), name=f"box-{place:05}", status=Status.OK, state="running",
        image="acme/fraud-api:v41", image_id=f"sha256:{place:064x}", restarts=0, ports=("127.0.0.1:8080->80/tcp",),
        started_at=AT, labels={"com.docker.compose.project": "fraud"}, project="fraud",
    )  # fmt: skip


def version(place: int) -> ModelVersion:
    """A champion."""
    return ModelVersion(
        ref=Ref("version", "version", f"model-{place:05}/17"), name=f"model-{place:05}", state="READY",
        status=Status.OK,
        model=f"model-{place:05}", version="17", aliases=("champion",), metric_name="auc", metric=0.931, created_at=AT,
    )  # fmt: skip


def series(place: int, values: Sequence[float] | None = None) -> Series:
    """An hour of a value in half-minutes."""
    heights = values or [float((place * 7 + step * step) % 97) for step in range(120)]
    return Series(
        ref=Ref("series", "series", f"q{place}"), name=f"series-{place:05}", status=Status.OK, state="ok", unit="ms",
        label=f"series-{place:05}", points=tuple((AT + 30 * n, v) for n, v in enumerate(heights)), value=heights[-1],
    )  # fmt: skip


MAKERS: dict[str, Callable[[int], Record]] = {
    "repository": repository, "run": run, "container": container, "version": version, "series": series,
}  # fmt: skip


class Constant:
    """`count` rows of one kind, made anew for every listing, as an adapter does; polled every `every` seconds.

    SIGUSR1 calls `change` and has the rows listed again, pushed as by an event.
    """

    def __init__(self, kind: str, count: int, every: float = 5.0) -> None:
        self.name, self.system, self.environment, self.address = kind, SYSTEMS[kind], "", "unix:///constant"
        self.kinds = self.watched_kinds = (kind,)
        self.every = every
        self.make = MAKERS[kind]
        self.rows: list[Record] = [self.make(place) for place in range(count)]
        self.changes = 0
        self.change: Callable[[int], None] | None = None
        self._hint = asyncio.Event()

    async def probe(self) -> Probe:
        """Nobody asks."""
        return Probe(version="1")

    async def list(self, kind: str) -> Listing:
        """Equal rows, but not the same objects."""
        return Listing(rows=[msgspec.structs.replace(row) for row in self.rows])

    async def watch(self, kind: str) -> AsyncIterator[None]:
        """Only a source with a change to tell of is watched; the others are polled."""
        if self.change is None:
            from quarterdeck_lifecycle.errors import Unsupported

            raise Unsupported("watching", source=self.name)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._hint.set)
        yield None
        while True:
            await self._hint.wait()
            self._hint.clear()
            self.changes += 1
            self.change(self.changes)
            yield None

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds."""
        return self.every

    async def close(self) -> None:
        """Nothing to let go."""


def changing_row() -> Constant:
    """Containers of which the fourth gets another count of restarts."""
    made = Constant("container", 200)

    def change(times: int) -> None:
        made.rows[3] = msgspec.structs.replace(made.rows[3], restarts=times % 10)

    made.change = change
    return made


def changing_state() -> Constant:
    """Containers of which the fourth is paused and goes on again: a change that the deck tells of."""
    made = Constant("container", 200)

    def change(times: int) -> None:
        word, status = ("paused", Status.LOOK) if times % 2 else ("running", Status.OK)
        made.rows[3] = msgspec.structs.replace(made.rows[3], state=word, status=status)

    made.change = change
    return made


def changing_series() -> Constant:
    """Series of which one gets its next point."""
    made = Constant("series", 12)

    def change(times: int) -> None:
        made.rows[3] = series(3, [float((21 + (step + times) ** 2) % 97) for step in range(120)])

    made.change = change
    return made
