"""The hub: every feed of every source, and who listens. It knows no screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import msgspec

from quarterdeck_lifecycle.busy import Busy
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.changes import By, diff
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.feed import Feed, Snapshot
from quarterdeck_lifecycle.ports import Source
from quarterdeck_lifecycle.records import PANES, WORST_FIRST, Record, Ref, State, pane_of
from quarterdeck_lifecycle.scope import Shown
from quarterdeck_lifecycle.tally import NOTHING, Tally, tally

Dirty = Callable[[frozenset[str]], None]


class PaneView(msgspec.Struct, frozen=True, kw_only=True):
    """One pane's snapshots, and the worst of their states; NONE when nothing is configured or found."""

    pane: str
    snapshots: tuple[Snapshot, ...]

    @property
    def state(self) -> State:
        """The worst state of the sources."""
        states = {snapshot.state for snapshot in self.snapshots}
        return next((state for state in WORST_FIRST if state in states), State.NONE)

    def rows(self, *kinds: str) -> list[Record]:
        """Rows of these kinds, or of all, in the sources' own order."""
        return [row for snap in self.snapshots if not kinds or snap.kind in kinds for row in snap.rows]


class Hub:
    """Owns the feeds' tasks in the process's one loop.

    `quiet` kinds are fed only while a listener asks for them by name; all others while anybody listens at all.
    """

    quiet = frozenset({"volume", "network", "rule", "target", "image"})

    def __init__(
        self,
        sources: Iterable[Source],
        *,
        busy: Busy | None = None,
        by: By = lambda _ref, _at: ("outside", "", ""),
        deadline: float = 10.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.busy = busy or Busy()
        self.sources: dict[str, Source] = {}
        self.changes: list[Callable[[Sequence[ChangeRow]], None]] = []
        self.firsts: list[Callable[[Snapshot], None]] = []
        """Told of the first good snapshot of each feed: the ground that changes are compared with."""
        self._by = by
        self._deadline = deadline
        self._now = now
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._listeners: dict[int, tuple[frozenset[str], Dirty]] = {}
        self._indexes: dict[tuple[str, str], tuple[Sequence[Record], dict[Ref, Record]]] = {}
        self._records: list[Record] | None = None
        self._tally: Tally | None = None
        self.generation = 0
        """Another number whenever a row may be another: what was made of all rows holds until then."""
        self._dirty: set[str] = set()
        self._scheduled = False
        self._tickets = 0
        self._pace = 1.0
        self._kept: frozenset[tuple[str, str]] = frozenset()
        self.shown = Shown(self)
        """What of it the operator chose to see."""
        for source in sources:
            self.add(source)

    def add(self, source: Source) -> None:
        """Take a source in. Its feeds start when somebody listens."""
        self.sources[source.name] = source
        for kind in source.kinds:
            feed = Feed(
                source, kind, self._changed, self.busy, deadline=self._deadline, now=self._now
            )
            self._feeds[source.name, kind] = feed
        self._forget()
        if self._listeners:
            self._settle()

    async def remove(self, name: str) -> None:
        """Let a source go, with its feeds."""
        source = self.sources.pop(name, None)
        gone = [key for key in self._feeds if key[0] == name]
        leaving = [self._feeds.pop(key) for key in gone]
        self._forget()
        await asyncio.gather(*(feed.stop() for feed in leaving))
        if source is not None:
            with suppress(Exception):
                await source.close()

    def listen(self, dirty: Dirty, kinds: Iterable[str] = ()) -> Callable[[], None]:
        """Be told which kinds changed, at most once a turn of the loop. `kinds` names quiet ones that are wanted too.

        Answers the function that ends the listening.
        """
        self._tickets += 1
        ticket = self._tickets
        self._listeners[ticket] = (frozenset(kinds), dirty)
        self._settle()

        def leave() -> None:
            self._listeners.pop(ticket, None)
            self._settle()

        return leave

    def _settle(self) -> None:
        for feed in self._feeds.values():
            if self._wanted(feed.kind):
                feed.start()
            elif feed.running:
                asyncio.get_running_loop().create_task(self._retire(feed))

    def _wanted(self, kind: str) -> bool:
        if not self._listeners:
            return False
        return kind not in self.quiet or any(kind in kinds for kinds, _ in self._listeners.values())

    async def _retire(self, feed: Feed) -> None:
        """Stop a feed, unless somebody came to listen meanwhile."""
        if not self._wanted(feed.kind):
            await feed.stop()

    def pace(self, factor: float) -> None:
        """Slow polling down (above 1) while nobody looks; pushed changes and what is watched keep their pace."""
        self._pace = factor
        for key, feed in self._feeds.items():
            wanted = 1.0 if key in self._kept else factor
            quicker = wanted < feed.pace
            feed.pace = wanted
            if quicker and feed.running:
                feed.poke()

    def keep_pace(self, keys: Iterable[tuple[str, str]]) -> None:
        """Name the feeds, as (source, kind), that are never slowed down: somebody waits for what they tell."""
        self._kept = frozenset(keys)
        self.pace(self._pace)

    def poke(self, source: str | None = None, kind: str | None = None) -> None:
        """Ask again now: everything, one source, or one kind of it."""
        for (name, what), feed in self._feeds.items():
            if source in (None, name) and kind in (None, what) and feed.running:
                feed.poke()

    def snapshots(self, *kinds: str) -> list[Snapshot]:
        """The feeds' snapshots of these kinds, in the order of the sources."""
        return [feed.snapshot for (_, kind), feed in self._feeds.items() if not kinds or kind in kinds]

    def pane(self, pane: str) -> PaneView:
        """What a pane shows."""
        return PaneView(
            pane=pane,
            snapshots=tuple(f.snapshot for (_, kind), f in self._feeds.items() if pane_of(kind) == pane),
        )

    def find(self, ref: Ref) -> Record | None:
        """The row of this identity, or None when it is not there (any more)."""
        key = ref.source, ref.kind
        feed = self._feeds.get(key)
        if feed is None:
            return None
        rows, index = self._indexes.get(key, ((), {}))
        if rows is not feed.snapshot.rows:
            rows = feed.snapshot.rows
            index = {row.ref: row for row in rows}
            self._indexes[key] = rows, index
        return index.get(ref)

    def records(self) -> list[Record]:
        """Every row of every feed. The list is kept until a row changes: leave it as it is."""
        if self._records is None:
            self._records = [row for feed in self._feeds.values() for row in feed.snapshot.rows]
        return self._records

    def tally(self) -> Tally:
        """How the rows of all feeds are doing, counted once for each generation."""
        if self._tally is None:
            self._tally = tally(self.records()) if self._feeds else NOTHING
        return self._tally

    def _forget(self) -> None:
        self.generation += 1
        self._records = self._tally = None
        self._indexes = {key: known for key, known in self._indexes.items() if key in self._feeds}

    async def once(self, timeout: float, panes: Sequence[str] = PANES) -> list[PaneView]:
        """Every feed of these panes asked once, for the commands without a screen. Late ones show as they are."""
        feeds = [feed for (_, kind), feed in self._feeds.items() if pane_of(kind) in panes]
        tasks = [asyncio.ensure_future(feed.once()) for feed in feeds]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            for feed, task in zip(feeds, tasks, strict=True):
                if task in late:
                    feed.give_up(timeout)
        return [self.pane(pane) for pane in panes]

    async def close(self) -> None:
        """Stop every feed and close every source, within two seconds."""
        self._listeners.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.gather(*(feed.stop() for feed in self._feeds.values()), return_exceptions=True)
                await asyncio.gather(*(s.close() for s in self.sources.values()), return_exceptions=True)

    def _changed(self, old: Snapshot, new: Snapshot) -> None:
        self._forget()
        found = diff(old, new, at=self._now(), by=self._by)
        if found:
            for tell in self.changes:
                tell(found)
        if old.fetched_at is None and new.state is State.FRESH:
            for told in self.firsts:
                told(new)
        self._dirty.add(new.kind)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._scheduled = False
        dirty, self._dirty = frozenset(self._dirty), set()
        for _, listener in list(self._listeners.values()):
            listener(dirty)

    def trouble(self) -> list[QuarterdeckError]:
        """What is wrong with the sources now."""
        return [feed.snapshot.error for feed in self._feeds.values() if feed.snapshot.error is not None]
