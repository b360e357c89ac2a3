"""Feeds: one for each source and kind, single flight, polling or watching, only while somebody listens."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

import msgspec

from quarterdeck_lifecycle.busy import Busy
from quarterdeck_lifecycle.errors import AuthFailed, QuarterdeckError, RateLimited, Timeout, Unsupported
from quarterdeck_lifecycle.ports import Budget, Listing, Source, Watches
from quarterdeck_lifecycle.records import Record, Ref, State

RESYNC_S = 300.0
BACKOFF_LIMIT_S = 300.0
SETTLE_S = 0.05


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed knows: the last good rows and how it is doing. Times are epoch seconds, `interval` seconds."""

    source: str
    system: str
    kind: str
    environment: str = ""
    rows: tuple[Record, ...] = ()
    state: State = State.LOADING
    fetched_at: float | None = None
    error: QuarterdeckError | None = None
    next_try: float | None = None
    partial: str = ""
    total: int | None = None
    live: bool = False
    interval: float = 30.0
    budget: Budget | None = None
    asked_at: float | None = None

    def age(self, now: float) -> float | None:
        """Seconds since the last good answer."""
        return None if self.fetched_at is None else max(0.0, now - self.fetched_at)


Listener = Callable[[Snapshot, Snapshot], None]


class Feed:
    """Keeps one snapshot current. `on_change(old, new)` is called when something an operator could see changed."""

    def __init__(
        self,
        source: Source,
        kind: str,
        on_change: Listener,
        busy: Busy,
        *,
        deadline: float = 10.0,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.source = source
        self.kind = kind
        self.pace = 1.0
        self.snapshot = Snapshot(
            source=source.name, system=source.system, kind=kind, environment=source.environment
        )
        self._on_change = on_change
        self._busy = busy
        self._deadline = deadline
        self._now = now
        self._jitter = jitter
        self._task: asyncio.Task[None] | None = None
        self._hint = asyncio.Event()
        self._failures = 0
        self._live = False
        self._wanted: AbstractContextManager[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the feed is being kept current."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin to keep the snapshot current."""
        if not self.running:
            self._task = asyncio.create_task(self._run(), name=f"feed {self.source.name} {self.kind}")

    async def stop(self) -> None:
        """Stop; the last snapshot stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._settled()

    def poke(self) -> None:
        """Ask again now, also after an authentication failure."""
        self._failures = 0
        self._want()
        if self._task is not None and self._task.done():
            self.start()

    def _want(self) -> None:
        """Have it listed again, and count that as under way until it is."""
        self._hint.set()
        if self._wanted is None and self._task is not None:
            self._wanted = self._busy.work(f"{self.source.name} {self.kind} wanted")
            self._wanted.__enter__()

    def _settled(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            wanted.__exit__(None, None, None)

    async def once(self) -> Snapshot:
        """One refresh without keeping current, for the commands without a screen."""
        await self._refresh()
        return self.snapshot

    def give_up(self, waited: float) -> None:
        """Record that a single refresh was cut off after `waited` seconds."""
        why = f"no answer within {waited:.3g} s"
        self._failed(Timeout(f"listing {self.kind}", source=self.source.name, why=why))

    async def _run(self) -> None:
        watcher: asyncio.Task[None] | None = None
        if isinstance(self.source, Watches) and self.kind in self.source.watched_kinds:
            watcher = asyncio.create_task(self._watch(self.source), name=f"watch {self.source.name} {self.kind}")
        try:
            while True:
                self._hint.clear()
                await self._refresh()
                if not self._hint.is_set():
                    self._settled()
                await self._rest()
        finally:
            if watcher is not None:
                watcher.cancel()
                with suppress(asyncio.CancelledError):
                    await watcher

    async def _rest(self) -> None:
        pause = self._pause()
        try:
            async with asyncio.timeout(pause):
                await self._hint.wait()
        except TimeoutError:
            return
        await asyncio.sleep(SETTLE_S)

    def _pause(self) -> float | None:
        snapshot = self.snapshot
        if snapshot.state in (State.AUTH, State.UNSUPPORTED):
            return None
        if snapshot.next_try is not None:
            return max(0.05, snapshot.next_try - self._now())
        return snapshot.interval * self.pace * (0.95 + 0.1 * self._jitter())

    async def _watch(self, source: Watches) -> None:
        failures = 0
        while True:
            try:
                async for _ in source.watch(self.kind):
                    failures = 0
                    self._live = True
                    self._want()
            except Unsupported:
                return
            except QuarterdeckError:
                pass
            if self._live:
                self._live = False
                self._want()
            failures += 1
            await asyncio.sleep(self._backoff(0.25, failures, 30.0))

    def _backoff(self, base: float, failures: int, limit: float) -> float:
        pause: float = min(limit, base * 2.0 ** min(failures - 1, 20))
        return pause * (0.75 + 0.5 * self._jitter())

    async def _refresh(self) -> None:
        self.snapshot = msgspec.structs.replace(self.snapshot, asked_at=self._now())
        with self._busy.work(f"{self.source.name} {self.kind}"):
            try:
                async with asyncio.timeout(self._deadline + 2):
                    listing = await self.source.list(self.kind)
            except TimeoutError:
                self.give_up(self._deadline)
            except QuarterdeckError as error:
                self._failed(error)
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                self._failed(
                    QuarterdeckError(
                        f"listing {self.kind}", source=self.source.name, why=why, mend="this is a fault of the adapter"
                    )
                )
            else:
                self._succeeded(listing)

    def _succeeded(self, listing: Listing) -> None:
        self._failures = 0
        known = {row.ref: row for row in self.snapshot.rows}
        rows = tuple(_unique(listing.rows, known))
        interval = RESYNC_S if self._live else self.source.interval(self.kind, rows)
        self._publish(
            msgspec.structs.replace(
                self.snapshot,
                rows=rows,
                state=State.FRESH,
                fetched_at=self._now(),
                error=None,
                next_try=None,
                partial=listing.partial,
                total=listing.total,
                live=self._live,
                interval=interval,
                budget=listing.budget,
                asked_at=None,
            )
        )

    def _failed(self, error: QuarterdeckError) -> None:
        self._failures += 1
        if isinstance(error, AuthFailed):
            state, pause = State.AUTH, None
        elif isinstance(error, Unsupported):
            state, pause = State.UNSUPPORTED, None
        else:
            state = State.STALE if self.snapshot.fetched_at is not None else State.ERROR
            base = min(max(1.0, self.snapshot.interval / 4), 10.0)
            pause = self._backoff(base, self._failures, BACKOFF_LIMIT_S)
            if isinstance(error, RateLimited) and error.retry_after is not None:
                pause = min(error.retry_after, 3600.0) + self._jitter()
        self._publish(
            msgspec.structs.replace(
                self.snapshot,
                state=state,
                error=error,
                next_try=None if pause is None else self._now() + pause,
                live=False,
                asked_at=None,
            )
        )

    def _publish(self, new: Snapshot) -> None:
        old, self.snapshot = self.snapshot, new
        same_rows = len(old.rows) == len(new.rows) and all(a is b for a, b in zip(old.rows, new.rows, strict=True))
        if same_rows and _visible(old) == _visible(new):
            return
        self._on_change(old, new)


def _unique(rows: object, known: dict[Ref, Record]) -> list[Record]:
    """Rows once each (pages overlap when something is added), the very same object where nothing changed."""
    found: dict[Ref, Record] = {}
    for row in rows:  # type: ignore[attr-defined]
        before = known.get(row.ref)
        found[row.ref] = before if before is not None and before == row else row
    return list(found.values())


def _visible(snapshot: Snapshot) -> tuple[object, ...]:
    error = snapshot.error
    return (
        snapshot.state,
        str(error) if error else "",
        snapshot.partial,
        snapshot.total,
        snapshot.live,
        snapshot.interval,
        snapshot.budget and snapshot.budget.remaining * 20 // max(1, snapshot.budget.limit),
    )
