"""The engine's event stream, one for all kinds: who watches a kind is told when it should be listed again.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemEvents
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.docker.client import Engine
from quarterdeck_lifecycle.errors import QuarterdeckError, Unavailable

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.transport import Client

COALESCE_S = 0.05
MAX_EVENT = 1024 * 1024
KINDS = ("container", "image", "volume", "network")
# Health checks raise three exec events each: the engine is asked to keep those to itself.
ACTIONS = (
    "create", "start", "restart", "die", "oom", "stop", "pause", "unpause", "rename", "update", "destroy", "kill",
    "health_status", "pull", "tag", "untag", "delete", "import", "load", "commit", "connect", "disconnect", "prune",
    "remove", "reload",
)  # fmt: skip
_ALL = frozenset(KINDS)
_COUNTED = frozenset({"create", "destroy", "prune"})


def touched(event: dict[str, Any]) -> frozenset[str]:
    """The kinds of rows that an event may have changed."""
    kind = event.get("Type") or ""
    action = str(event.get("Action") or event.get("status") or "").partition(":")[0]
    if kind == "container":
        if action.startswith(("exec_", "top", "attach", "resize", "export", "archive")):
            return frozenset()
        return _ALL if action in _COUNTED else frozenset({"container"})
    if kind == "image":
        return frozenset({"image", "container"}) if action not in ("push", "save") else frozenset()
    if kind == "volume":
        return frozenset({"volume"}) if action not in ("mount", "unmount") else frozenset()
    if kind == "network":
        return frozenset({"network", "container"})
    return _ALL if kind == "daemon" else frozenset()


def decoded(pieces: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """Events from the pieces of the stream, an empty one first when it is connected."""
    held = b""
    for piece in pieces:
        if not piece:
            yield {}
            continue
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            if line.strip():
                event = json.loads(line)
                if isinstance(event, dict):
                    yield event
        if len(held) > MAX_EVENT:
            raise ValueError("an event longer than a mebibyte")


class _Watcher:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.told = asyncio.Event()
        self.error: QuarterdeckError | None = None


class Events:
    """Follows the stream while somebody watches. `heard` is called with every event before the watchers are told."""

    def __init__(self, engine: Engine, heard: Callable[[dict[str, Any]], None]) -> None:
        self._engine = engine
        self._heard = heard
        self._watchers: set[_Watcher] = set()
        self._task: asyncio.Task[None] | None = None
        self.connected = False

    async def watch(self, kind: str) -> AsyncGenerator[None, None]:
        """Yield when connected, then whenever `kind` changed, at most every 50 ms. Raises QuarterdeckError."""
        watcher = _Watcher(kind)
        self._watchers.add(watcher)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow(), name=f"{self._engine.source}: events")
        elif self.connected:
            watcher.told.set()
        try:
            while True:
                await watcher.told.wait()
                if watcher.error is not None:
                    raise watcher.error
                watcher.told.clear()
                yield None
                await asyncio.sleep(COALESCE_S)
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                await self.close()

    async def close(self) -> None:
        """End the stream."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _follow(self) -> None:
        what = "following the engine's events"
        error: QuarterdeckError = Unavailable(what, source=self._engine.source, why="the engine ended the stream")

        def start(client: Client) -> Iterator[dict[str, Any]]:
            filters = json.dumps({"event": list(ACTIONS)})
            return decoded(client.pieces("/events", params={"filters": filters}))

        try:
            async with aclosing(self._engine.stream(start, what=what, ahead=1024)) as batches:
                async for batch in batches:
                    self._tell(batch)
        except QuarterdeckError as failure:
            error = failure
        finally:
            self.connected = False
            watchers, self._watchers = self._watchers, set()
            for watcher in watchers:
                watcher.error = error
                watcher.told.set()

    def _tell(self, batch: list[dict[str, Any]]) -> None:
        kinds: frozenset[str] = frozenset()
        for event in batch:
            if event:
                self._heard(event)
                kinds |= touched(event)
            else:
                self.connected = True
                kinds = _ALL
        for watcher in self._watchers:
            if watcher.kind in kinds:
                watcher.told.set()
