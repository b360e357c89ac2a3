"""Keeping watch: what the hub shows is compared with what is watched, and what happened is told once on each deck.

Two decks on one state folder watch the same rows, and each tells on its own terminal: none knows which one is looked
at. What goes elsewhere (a webhook) is sent by the one that told first. Nothing is asked of a system for this. No
decision here reads the wall clock: times are only shown, and waiting is counted on the clock that never jumps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.ledger import op_id
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.state import StateError
from quarterdeck_lifecycle.watchbook import KEPT, MOST, WatchBook
from quarterdeck_lifecycle.watches import UNSEEN, Watch, begun, hear, look, unseen
from quarterdeck_lifecycle.watchrules import Told

LOOK_S = 5.0
"""Between two looks for what other decks did, and for sources that do not answer."""
GRACE_S = 60.0
"""So long a source may be silent before a watch of its rows says so."""


class News(NamedTuple):
    """One thing to tell."""

    watch: Watch
    told: Told


Tell = Callable[[Sequence[News]], None]


class WatchKeeper:
    """The watches of one deck. `tell` is given what happened, as soon as it is seen, many at once where many did.

    `first` is given, a little later, what no other deck had told of yet, as far as the state knows.
    """

    def __init__(
        self,
        hub: Hub,
        book: WatchBook,
        tell: Tell,
        *,
        first: Tell = lambda _news: None,
        changed: Callable[[], None] = lambda: None,
        settled: Callable[[], bool] = lambda: True,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._book = book
        self._tell = tell
        self._tell_first = first
        self._on_change = changed
        self._sources_settled = settled
        self._now = now
        self._clock = clock
        self._watches: dict[str, Watch] = {}
        self._by_ref: dict[Ref, str] = {}
        self._seen: dict[str, Record] = {}
        self._silent: dict[str, float] = {}
        self._leave: Callable[[], None] | None = None
        self._kinds: frozenset[str] = frozenset()
        self._timer: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._stored: set[str] = set()
        self._writes = 0
        self.trouble = ""
        """Why watches are not kept on disk; empty while they are."""

    @property
    def refs(self) -> frozenset[Ref]:
        """The rows that are watched now."""
        return frozenset(self._by_ref)

    @property
    def watches(self) -> list[Watch]:
        """Every watch, newest first: those that go on before those that ended."""
        return sorted(self._watches.values(), key=lambda w: (w.ended_at is not None, -(w.ended_at or w.at)))

    async def open(self) -> None:
        """Take up the watches that are kept, and look from now on. Tells what happened while no deck was open."""
        await self._sync()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().create_task(self._tick(), name="watches")

    async def close(self) -> None:
        """Look no more, once what was seen is written."""
        if self._timer is not None:
            self._timer.cancel()
            with suppress(asyncio.CancelledError):
                await self._timer
        if self._leave is not None:
            self._leave()
        if self._writing:
            await asyncio.wait(self._writing, timeout=2)

    def toggle(self, records: Sequence[Record]) -> tuple[list[Watch], list[Watch]]:
        """Watch these rows, or, where all of them are watched, no more; answers those begun and those ended.

        Raises ValueError when there would be too many.
        """
        fresh = [record for record in records if record.ref not in self._by_ref]
        if not fresh:
            leaving = [self._watches[self._by_ref[record.ref]] for record in records]
            self.remove([watch.id for watch in leaving])
            return [], leaving
        if len(self._by_ref) + len(fresh) > MOST:
            raise ValueError(f"{len(self._by_ref)} rows are watched; at most {MOST}")
        made = [begun(op_id(), record, self._now()) for record in fresh]
        for watch, record in zip(made, fresh, strict=True):
            self._put(watch)
            self._seen[watch.id] = record
        self._write(self._begin(made))
        self._settle()
        return made, []

    def remove(self, ids: Iterable[str]) -> None:
        """Watch these no more, or take them off the list."""
        gone = [id for id in ids if self._drop(id)]
        if gone:
            self._write(self._book.remove(gone))
            self._settle()

    def look(self, kinds: Iterable[str] | None = None) -> None:
        """Compare what the hub shows of these kinds (None: of all) with what is watched."""
        wanted = self._kinds if kinds is None else self._kinds.intersection(kinds)
        if not wanted:
            return
        known = {(snap.source, snap.kind): snap for snap in self._hub.snapshots(*wanted)}
        news: list[News] = []
        changed: list[Watch] = []
        for watch in [self._watches[id] for id in self._by_ref.values()]:
            ref = watch.ref
            if ref.kind not in wanted:
                continue
            view = look(known.get((ref.source, ref.kind)), ref, self._hub.find(ref))
            if view.record is None and not view.gone:
                since = self._silent.setdefault(watch.id, self._clock())
                if not view.lasting and (self._clock() - since < GRACE_S or not self._sources_settled()):
                    continue
                told, facts = unseen(watch, view.why)
            else:
                self._silent.pop(watch.id, None)
                same = view.record is not None and view.record is self._seen.get(watch.id)
                if same and UNSEEN not in watch.facts:
                    continue
                if view.record is not None:
                    self._seen[watch.id] = view.record
                told, facts = hear(watch, view.record, _namesake(watch, known.get((ref.source, ref.kind)), view.record))
            if told is None and facts == watch.facts:
                continue
            after = msgspec.structs.replace(watch, facts=facts)
            if told is not None and told.final:
                after = msgspec.structs.replace(after, ended_at=self._now(), heard=told.text, good=told.good)
            self._put(after)
            changed.append(after)
            if told is not None:
                news.append(News(after, told))
        if changed:
            self._write(self._keep(changed, news))
            if any(watch.ended_at is not None for watch in changed):
                self._settle()
        if news:
            self._tell(news)

    async def _begin(self, watches: Sequence[Watch]) -> None:
        await self._book.add(watches)
        self._stored.update(watch.id for watch in watches)

    async def _keep(self, changed: Sequence[Watch], news: Sequence[News]) -> None:
        """Write what was seen; where the state fails, nobody is known to have told it."""
        first = {watch.id for watch in changed}
        try:
            first = await self._book.seen(changed)
        finally:
            if told := [each for each in news if each.watch.id in first]:
                self._tell_first(told)

    def _put(self, watch: Watch) -> None:
        self._watches[watch.id] = watch
        if watch.ended_at is None:
            other = self._by_ref.get(watch.ref, watch.id)
            if other != watch.id:
                del self._watches[other]
            self._by_ref[watch.ref] = watch.id
            return
        self._forget(watch)
        over = sorted((w for w in self._watches.values() if w.ended_at is not None), key=lambda w: w.ended_at or 0.0)
        for old in over[: max(0, len(over) - KEPT)]:
            del self._watches[old.id]

    def _forget(self, watch: Watch) -> None:
        if self._by_ref.get(watch.ref) == watch.id:
            del self._by_ref[watch.ref]
        self._seen.pop(watch.id, None)
        self._silent.pop(watch.id, None)

    def _drop(self, id: str) -> bool:
        watch = self._watches.pop(id, None)
        if watch is not None:
            self._forget(watch)
        return watch is not None

    def _settle(self) -> None:
        """Have the kinds fed that are watched, at their own pace, and have the marks shown."""
        kinds = frozenset(ref.kind for ref in self._by_ref)
        self._hub.keep_pace({(ref.source, ref.kind) for ref in self._by_ref})
        if kinds != self._kinds:
            self._kinds, leave = kinds, self._leave
            self._leave = self._hub.listen(self.look, kinds) if kinds else None
            if leave is not None:
                leave()
        self._on_change()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._sync()
            if self._by_ref:
                self.look()

    async def _sync(self) -> None:
        """Take over what other decks of this user wrote: new watches, removed ones, and what they heard."""
        writes = self._writes
        try:
            found = await self._book.news()
        except StateError as error:
            self.trouble = str(error)
            return
        self.trouble = ""
        if found is None:
            return
        if self._writing or writes != self._writes:
            # What was read may be older than what was done here meanwhile.
            self._book.again()
            return
        heard: list[News] = []
        there = {watch.id: watch for watch in found}
        before = self.refs
        for watch in list(self._watches.values()):
            other = there.get(watch.id)
            if other is None and watch.id in self._stored:
                self._drop(watch.id)
            elif other is None:
                continue
            elif watch.ended_at is None and other.ended_at is not None:
                heard.append(News(other, Told("ended", other.heard, other.good, final=True)))
        self._stored = set(there)
        for watch in found:
            known = self._watches.get(watch.id)
            if known is None or (known.ended_at is None and watch.ended_at is not None):
                self._put(watch)
        if heard:
            self._tell(heard)
        if before != self.refs:
            self._settle()
            self.look()

    def _write(self, work: Coroutine[None, None, None]) -> None:
        self._writes += 1

        async def run() -> None:
            try:
                await work
            except StateError as error:
                self.trouble = str(error)

        task = asyncio.get_running_loop().create_task(run(), name="watches kept")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


def _namesake(watch: Watch, snapshot: Snapshot | None, record: Record | None) -> Record | None:
    """Another row of the name of one that is gone."""
    if record is not None or snapshot is None:
        return None
    return next((row for row in snapshot.rows if row.name == watch.name), None)
