"""Following one container's log across cuts of the connection, restarts of the engine and its own replacement."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.docker import kin
from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.events import Events
from quarterdeck_adapters.docker.logstream import Entry, Reader
from quarterdeck_adapters.docker.mapping import name_of
from quarterdeck_lifecycle.errors import Malformed, NotFound, QuarterdeckError, Unavailable
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.transport import Client

REPLACED_WITHIN_S = 10.0
AGAIN_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
ROUNDING_S = 5e-7
"""Half of what a float of epoch seconds cannot tell apart: a window holds the lines at its ends."""
LIVE = ("running", "restarting", "paused")
Said = list[Entry] | str
"""Some entries, or a notice for the operator."""


class Tail:
    """The log of one container, and of those that take its place."""

    def __init__(self, engine: Engine, events: Events, ref: Ref, options: LogOptions) -> None:
        self._engine = engine
        self._events = events
        self._id = ref.id
        self._options = options
        self._entry: Mapping[str, Any] = {"Id": ref.id}
        self._tty = False
        self._alive = False
        self.reader = Reader("")

    async def open(self) -> None:
        """Look who it is. Raises NotFound, Unavailable; with `previous`, moves to the older one that is kept."""
        entries = await self._containers()
        found: Mapping[str, Any] | None = next((entry for entry in entries if entry["Id"] == self._id), None)
        if found is None:
            raise NotFound(f"container {self._id[:12]} is gone", source=self._engine.source, why="it was removed")
        if self._options.previous:
            older = kin.predecessor(entries, found)
            if older is None:
                raise NotFound(
                    f"no previous container of {name_of(found)}", source=self._engine.source,
                    why="no older container under its name or for its service is kept",
                )  # fmt: skip
            found = older
        await self._become(found)

    @property
    def name(self) -> str:
        """The container's name."""
        return self.reader.name

    async def _become(self, entry: Mapping[str, Any]) -> None:
        inspected = await self._inspect(entry["Id"])
        self._entry, self._id, self._alive = entry, entry["Id"], entry.get("State") in LIVE
        self._tty = bool((inspected.get("Config") or {}).get("Tty"))
        self.reader = Reader(name_of(entry))

    async def history(self) -> AsyncGenerator[list[Entry], None]:
        """What was written so far, within the options. Raises QuarterdeckError."""
        options = self._options
        params: dict[str, Any] = {"follow": 0, "tail": "all"}
        if options.since is None and options.until is None:
            params["tail"] = str(options.tail)
        if options.since is not None:
            params["since"] = f"{options.since - ROUNDING_S:.9f}"
        if options.until is not None:
            params["until"] = f"{options.until + ROUNDING_S:.9f}"
        window: deque[Entry] | None = None
        if options.since is None and options.until is not None:
            # The engine takes the last lines first and the window after that, so the last ones are kept here.
            window = deque(maxlen=options.tail)
        try:
            async with aclosing(self._read(params)) as batches:
                async for entries in batches:
                    if window is None:
                        yield entries
                    else:
                        window.extend(entries)
        except Unavailable:
            # Cut in the middle: what follows goes on from there, once the engine is back.
            if not options.follow or not self.reader.position.newest:
                raise
        if window:
            yield list(window)
        if not options.follow and (left := self.reader.flush()):
            yield left

    async def follow(self) -> AsyncGenerator[Said, None]:
        """What is written from now on. Ends when the container did and nothing takes its place."""
        failures = 0
        while True:
            lost: QuarterdeckError | None = None
            try:
                async with aclosing(self._go_on()) as batches:
                    async for entries in batches:
                        if failures:
                            failures = 0
                            yield "connected again"
                        if entries and (rotated := self.reader.position.missing()):
                            yield f"{rotated} lines read before are gone from the log: some may be missing in between"
                        if entries:
                            yield entries
                state = await self._inspect(self._id)
                if not _ended(state):
                    continue
                if left := self.reader.flush():
                    yield left
                yield f"{self.name} {_how(state)}"
            except NotFound:
                if left := self.reader.flush():
                    yield left
                yield f"{self.name} was removed"
            except Malformed:
                raise
            except Unavailable as error:
                lost = error
            if lost is not None:
                if not failures:
                    yield f"{lost.short}; trying again"
                await asyncio.sleep(AGAIN_S[min(failures, len(AGAIN_S) - 1)])
                failures += 1
                continue
            replaced: str | None = ""
            while True:
                try:
                    replaced = await self._next()
                    break
                except Unavailable as error:
                    if not failures:
                        yield f"{error.short}; trying again"
                    await asyncio.sleep(AGAIN_S[min(failures, len(AGAIN_S) - 1)])
                    failures += 1
            if replaced is None:
                return
            if replaced:
                yield replaced

    async def _go_on(self) -> AsyncGenerator[list[Entry], None]:
        position = self.reader.position
        position.resume()
        params: dict[str, Any] = {"follow": 1, "tail": "all"}
        if position.since:
            params["since"] = f"{position.since // 1_000_000_000}.{position.since % 1_000_000_000:09d}"
        elif self._options.tail == 0:
            params["tail"] = "0"
        async with aclosing(self._read(params)) as batches:
            async for entries in batches:
                yield entries

    async def _read(self, params: dict[str, Any]) -> AsyncGenerator[list[Entry], None]:
        params = {**params, "stdout": 1, "stderr": 1, "timestamps": 1}
        id, tty, reader = self._id, self._tty, self.reader

        def start(client: Client) -> Iterator[list[Entry]]:
            return reader.read(client.pieces("/containers/{0}/logs", id, params=params), tty=tty)

        async with aclosing(self._engine.stream(start, what=f"the log of {self.name}")) as batches:
            async for batch in batches:
                yield [entry for entries in batch for entry in entries]

    async def _next(self) -> str | None:
        """Wait a little for a restart or a replacement. A notice, an empty one for a restart, or None: it is over."""
        if not self._alive:
            return await self._taken_over()
        try:
            async with asyncio.timeout(REPLACED_WITHIN_S), aclosing(self._events.watch("container")) as changes:
                async for _ in changes:
                    if (replaced := await self._taken_over()) is not None:
                        return replaced
        except TimeoutError:
            return None
        return None

    async def _taken_over(self) -> str | None:
        entries = await self._containers()
        here = next((entry for entry in entries if entry["Id"] == self._id), None)
        if here is not None and here.get("State") in LIVE:
            return ""
        found = kin.successor(entries, self._entry)
        if found is None:
            return None
        await self._become(found)
        return f"replaced by {self.name} ({self._id[:12]})"

    async def _containers(self) -> list[dict[str, Any]]:
        return await self._engine.call(lambda c: list(c.containers(all=True)), what="looking for the container")

    async def _inspect(self, id: str) -> Mapping[str, Any]:
        return await self._engine.call(
            lambda c: dict(c.inspect_container(id)), what=f"looking at {self.name or id[:12]}"
        )


def _ended(inspected: Mapping[str, Any]) -> bool:
    state = inspected.get("State") or {}
    return not (state.get("Running") or state.get("Restarting") or state.get("Paused"))


def _how(inspected: Mapping[str, Any]) -> str:
    state = inspected.get("State") or {}
    if state.get("Status") == "created":
        return "was not started yet"
    return f"exited {state.get('ExitCode')}{' OOM' if state.get('OOMKilled') else ''}"
