"""Watches over the hub and the state file: told once, kept over a restart, shared by decks, deaf to jumping clocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.feed import Feed
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.state import StateDB, StateError
from quarterdeck_lifecycle.watchbook import WatchBook
from quarterdeck_lifecycle.watchkeeper import GRACE_S, News, WatchKeeper
from scripted import Scripted, container


class Watched:
    """A keeper with clocks of its own, on a hub of one source."""

    def __init__(self, source: Scripted, state: Path, user: str, project: str) -> None:
        self.source = source
        self.hub = Hub([source], now=lambda: self.wall)
        self.db = StateDB(state)
        self.wall, self.seconds = 1_000_000.0, 0.0
        self.told: list[str] = []
        self.batches: list[int] = []
        self.first: list[str] = []
        self.keeper = WatchKeeper(
            self.hub, WatchBook(self.db, user, project), self._tell, first=self._first, now=lambda: self.wall,
            clock=lambda: self.seconds,
        )  # fmt: skip

    def _tell(self, news: Sequence[News]) -> None:
        self.batches.append(len(news))
        self.told += [f"{each.watch.name} {each.told.word}" for each in news]

    def _first(self, news: Sequence[News]) -> None:
        self.first += [f"{each.watch.name} {each.told.word}" for each in news]

    async def open(self) -> None:
        self.leave = self.hub.listen(lambda _kinds: None)
        await self.rest()
        await self.keeper.open()

    async def rest(self) -> None:
        await self.hub.busy.idle(5)
        for _ in range(3):
            await asyncio.sleep(0)
        while self.keeper._writing:
            await asyncio.wait(self.keeper._writing)

    async def again(self) -> None:
        """The source is asked again, and everything that comes of it is done."""
        self.hub.poke()
        await self.rest()

    async def hear(self) -> None:
        """What the timer does."""
        await self.keeper._sync()
        self.keeper.look()
        await self.rest()

    def row(self, name: str) -> Record:
        found = self.hub.find(Ref(self.source.name, "container", f"id-{name}"))
        assert found is not None
        return found

    async def close(self) -> None:
        await self.keeper.close()
        await self.hub.close()
        await self.db.aclose()


@asynccontextmanager
async def watching(
    source: Scripted, state: Path, user: str = "op1", project: str = "/src/api"
) -> AsyncIterator[Watched]:
    made = Watched(source, state, user, project)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def test_what_happened_while_no_deck_was_open_is_told_by_the_next_one(tmp_path: Path) -> None:
    source = Scripted(rows=[container("api"), container("etl")])
    async with watching(source, tmp_path) as deck:
        deck.keeper.toggle([deck.row("api"), deck.row("etl")])
        await deck.rest()
    source.replace(Ref("local", "container", "id-api"), "exited")
    async with watching(source, tmp_path) as deck:
        await deck.hear()
        assert deck.told == ["api ended"]
        assert deck.first == ["api ended"]
        assert deck.keeper.refs == {Ref("local", "container", "id-etl")}
        heard = deck.keeper.watches[-1]
        assert (heard.name, heard.heard) == ("api", "exited")
    async with watching(source, tmp_path) as deck:
        assert deck.told == [], "told once"
        assert [watch.name for watch in deck.keeper.watches] == ["etl", "api"]


async def test_two_decks_tell_each_on_its_own_and_one_alone_elsewhere(tmp_path: Path) -> None:
    rows = [container("api"), container("etl")]
    source, blind = Scripted(rows=rows), Scripted(rows=rows)
    async with watching(source, tmp_path) as one, watching(source, tmp_path) as two, watching(blind, tmp_path) as three:
        one.keeper.toggle([one.row("api"), one.row("etl")])
        await one.rest()
        await two.hear()
        assert two.keeper.refs == one.keeper.refs, "watched there too"
        await three.hear()
        source.replace(Ref("local", "container", "id-api"), "exited")
        await one.again()
        await two.again()
        assert one.told == two.told == ["api ended"]
        assert one.first + two.first == ["api ended"], "a webhook is told by one of them"
        await three.hear()
        assert three.told == ["api ended"], "by what the others heard, for it cannot see it itself"
        assert three.first == []
        one.keeper.remove([watch.id for watch in one.keeper.watches])
        await one.rest()
        await two.hear()
        assert two.keeper.watches == []
    async with watching(source, tmp_path, "op2") as other:
        assert other.keeper.watches == [], "another user's watches are not mine"


async def test_the_sources_of_another_project_say_nothing_of_this_one(tmp_path: Path) -> None:
    async with watching(Scripted(rows=[container("api")]), tmp_path) as deck:
        deck.keeper.toggle([deck.row("api")])
        await deck.rest()
        async with watching(Scripted(rows=[container("web")]), tmp_path, project="/src/web") as other:
            await other.hear()
            assert (other.told, other.keeper.watches) == ([], [])
        assert len(deck.keeper.refs) == 1


async def test_the_same_row_watched_on_both_at_once_is_one_watch(tmp_path: Path) -> None:
    source = Scripted(rows=[container("api")])
    async with watching(source, tmp_path) as one, watching(source, tmp_path) as two:
        one.keeper.toggle([one.row("api")])
        two.keeper.toggle([two.row("api")])
        await one.rest()
        await two.rest()
        await one.hear()
        await two.hear()
        assert len(one.keeper.watches) == len(two.keeper.watches) == 1
        assert [w.id for w in one.keeper.watches] == [w.id for w in two.keeper.watches]


async def test_a_clock_that_jumps_neither_fires_nor_loses_a_watch(tmp_path: Path) -> None:
    source = Scripted(rows=[container("api")])
    async with watching(source, tmp_path) as deck:
        deck.keeper.toggle([deck.row("api")])
        for wall in (4e9, 0.0, 1e6):
            deck.wall = wall
            await deck.again()
            await deck.hear()
        assert deck.told == []
        assert len(deck.keeper.refs) == 1
        deck.wall = -5e5
        source.replace(Ref("local", "container", "id-api"), "exited")
        await deck.again()
        assert deck.told == ["api ended"]
    async with watching(source, tmp_path) as deck:
        assert deck.told == []
        assert [watch.heard for watch in deck.keeper.watches] == ["exited"]


async def test_a_source_that_goes_down_is_said_after_a_minute_of_silence_and_once(tmp_path: Path) -> None:
    source = Scripted(rows=[container("api")])
    async with watching(source, tmp_path) as deck:
        deck.keeper.toggle([deck.row("api")])
        source.error = Unavailable("listing containers", source="local", why="no route")
        await deck.again()
        deck.seconds += GRACE_S - 1
        await deck.hear()
        assert deck.told == [], "it may come back"
        deck.seconds += 2
        await deck.hear()
        await deck.hear()
        assert deck.told == ["api unseen"]
        assert len(deck.keeper.refs) == 1, "and stays watched"
        source.error = None
        await deck.again()
        assert deck.told == ["api unseen", "api seen"]
        source.rows = []
        source.partial = "the first 100"
        await deck.again()
        assert len(deck.told) == 2, "a cut listing is no proof that it is gone"
        source.partial = ""
        await deck.again()
        assert deck.told[2:] == ["api gone"]


async def test_a_row_that_is_gone_is_said_and_w_again_unwatches(tmp_path: Path) -> None:
    source = Scripted(rows=[container("api"), container("etl")])
    async with watching(source, tmp_path) as deck:
        made, left = deck.keeper.toggle([deck.row("api"), deck.row("etl")])
        assert (len(made), len(left)) == (2, 0)
        made, left = deck.keeper.toggle([deck.row("etl")])
        assert (len(made), len(left)) == (0, 1)
        source.rows = []
        await deck.again()
        assert deck.told == ["api gone"]


async def test_300_at_once_are_told_in_one_piece(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(300)]
    source = Scripted(rows=[container(name) for name in names])
    async with watching(source, tmp_path) as deck:
        deck.keeper.toggle([deck.row(name) for name in names])
        source.rows = [container(name, "exited") for name in names]
        await deck.again()
        assert deck.batches == [300]
        assert not deck.keeper.refs


async def test_what_is_watched_keeps_its_pace_while_nobody_looks(tmp_path: Path) -> None:
    source = Scripted(rows=[container("api")])
    async with watching(source, tmp_path) as deck:
        feed: Feed = deck.hub._feeds["local", "container"]
        deck.hub.pace(4.0)
        assert feed.pace == 4.0
        deck.keeper.toggle([deck.row("api")])
        assert feed.pace == 1.0
        deck.hub.pace(1.0)
        deck.hub.pace(4.0)
        assert feed.pace == 1.0
        deck.keeper.toggle([deck.row("api")])
        assert feed.pace == 4.0, "nobody waits for it any more"


async def test_a_state_file_that_fails_is_said_and_the_watch_works_on(tmp_path: Path) -> None:
    source = Scripted(rows=[container("api")])
    state = tmp_path / "file"
    state.write_text("no folder")
    async with watching(source, state) as deck:
        deck.keeper.toggle([deck.row("api")])
        await deck.rest()
        await deck.hear()
        assert "state folder" in deck.keeper.trouble
        source.replace(Ref("local", "container", "id-api"), "exited")
        await deck.again()
        assert deck.told == deck.first == ["api ended"]


async def test_a_watch_that_could_not_be_written_is_not_taken_for_one_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StateError("the state file cannot be used", why="no space is left on its disk")

    async with watching(Scripted(rows=[container("api")]), tmp_path) as deck:
        with monkeypatch.context() as patch:
            patch.setattr(WatchBook, "add", full)
            deck.keeper.toggle([deck.row("api")])
            await deck.rest()
        assert "no space" in deck.keeper.trouble
        deck.keeper._book.again()
        await deck.hear()
        assert len(deck.keeper.refs) == 1
