"""Feeds and the hub: states, single flight, back-off, last good rows, changes, listeners."""

from __future__ import annotations

import asyncio

import pytest

from quarterdeck_lifecycle.busy import Busy
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.errors import AuthFailed, RateLimited, Unavailable, Unsupported
from quarterdeck_lifecycle.feed import Feed, Snapshot
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.records import Ref, State, Status
from scripted import Scripted, container


class Clock:
    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def make(source: Scripted, clock: Clock | None = None) -> tuple[Feed, list[tuple[Snapshot, Snapshot]], Busy]:
    seen: list[tuple[Snapshot, Snapshot]] = []
    busy = Busy()
    feed = Feed(
        source, "container", lambda old, new: seen.append((old, new)), busy, now=clock or Clock(), jitter=lambda: 0.5,
        deadline=0.2,
    )  # fmt: skip
    return feed, seen, busy


async def until(condition, what: str = "the condition") -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - any state, not an event
            await asyncio.sleep(0.001)


async def test_rows_stay_when_a_refresh_fails() -> None:
    source = Scripted(rows=[container("a")])
    feed, _, _ = make(source)
    assert (await feed.once()).state is State.FRESH
    source.error = Unavailable("listing", source="local", why="connection refused")
    snap = await feed.once()
    assert snap.state is State.STALE
    assert [row.name for row in snap.rows] == ["a"]
    assert "connection refused" in str(snap.error)


async def test_error_without_rows_is_error_and_backs_off_longer_each_time() -> None:
    clock = Clock()
    source = Scripted()
    source.error = Unavailable("listing", why="refused")
    feed, _, _ = make(source, clock)
    pauses = []
    for _ in range(6):
        snap = await feed.once()
        assert snap.state is State.ERROR
        assert snap.next_try is not None
        pauses.append(snap.next_try - clock.at)
    assert pauses == sorted(pauses)
    assert pauses[-1] > 10 * pauses[0]
    source.error = None
    assert (await feed.once()).next_try is None


@pytest.mark.parametrize(
    ("error", "state", "pause"),
    [
        (AuthFailed("listing", why="401"), State.AUTH, None),
        (Unsupported("listing", why="no such API"), State.UNSUPPORTED, None),
        (RateLimited("listing", retry_after=90.0), State.ERROR, 90.5),
    ],
)
async def test_each_error_has_its_state_and_its_pause(error: Exception, state: State, pause: float | None) -> None:
    clock = Clock()
    source = Scripted()
    source.error = error
    feed, _, _ = make(source, clock)
    snap = await feed.once()
    assert snap.state is state
    assert (None if snap.next_try is None else snap.next_try - clock.at) == pause


async def test_a_raw_exception_of_an_adapter_becomes_trouble_not_the_end() -> None:
    source = Scripted(rows=[container("a")])
    feed, _, _ = make(source)
    await feed.once()
    source.error = KeyError("Id")
    snap = await feed.once()
    assert snap.state is State.STALE
    assert "KeyError" in str(snap.error)


async def test_a_black_hole_ends_with_the_deadline() -> None:
    source = Scripted()
    source.gate.clear()
    feed, _, busy = make(source)
    feed._deadline = -1.95
    snap = await feed.once()
    assert snap.state is State.ERROR
    assert "no answer within" in str(snap.error)
    await busy.idle()


async def test_equal_rows_are_the_same_objects_and_tell_nobody() -> None:
    source = Scripted(rows=[container("a"), container("b")])
    feed, seen, _ = make(source)
    first = await feed.once()
    source.rows = [container("a"), container("b")]
    second = await feed.once()
    assert len(seen) == 1
    assert all(one is two for one, two in zip(first.rows, second.rows, strict=True))
    source.rows = [container("a"), container("b", state="exited")]
    await feed.once()
    assert len(seen) == 2


async def test_rows_that_come_twice_are_shown_once() -> None:
    source = Scripted(rows=[container("a"), container("b"), container("a")])
    feed, _, _ = make(source)
    assert [row.name for row in (await feed.once()).rows] == ["a", "b"]


async def test_a_watched_kind_is_live_and_listed_again_on_a_hint() -> None:
    source = Scripted(rows=[container("a")])
    source.watched_kinds = ("container",)
    feed, _, _ = make(source)
    feed.start()
    source.hints.put_nowait(None)
    await until(lambda: feed.snapshot.live)
    source.rows = [container("a"), container("b")]
    source.hints.put_nowait(None)
    await until(lambda: len(feed.snapshot.rows) == 2)
    await feed.stop()


async def test_feeds_run_only_while_somebody_listens_and_quiet_kinds_only_when_asked_for() -> None:
    loud, quiet = Scripted("one"), Scripted("two", kind="volume")
    hub = Hub([loud, quiet])
    assert loud.listed == 0
    leave = hub.listen(lambda kinds: None)
    await until(lambda: loud.listed == 1)
    assert quiet.listed == 0
    leave_volumes = hub.listen(lambda kinds: None, ["volume"])
    await until(lambda: quiet.listed == 1)
    leave()
    leave_volumes()
    await until(lambda: not any(feed.running for feed in hub._feeds.values()))
    await hub.close()


async def test_many_changes_in_one_turn_are_one_message() -> None:
    sources = [Scripted(f"s{n}", [container("a", source=f"s{n}")]) for n in range(14)]
    hub = Hub(sources)
    told: list[frozenset[str]] = []
    leave = hub.listen(told.append)
    await until(lambda: all(snap.state is State.FRESH for snap in hub.snapshots()))
    await asyncio.sleep(0)
    assert len(told) < len(sources)
    leave()
    await hub.close()


async def test_who_leaves_and_comes_back_at_once_is_fed_on() -> None:
    source = Scripted(rows=[container("a")])
    hub = Hub([source])
    hub.listen(lambda kinds: None)()
    leave = hub.listen(lambda kinds: None)
    await until(lambda: source.listed >= 1)
    await asyncio.sleep(0)
    assert all(feed.running for feed in hub._feeds.values())
    leave()
    await hub.close()


async def changes_between(source: Scripted, after) -> list[ChangeRow]:
    clock = Clock()
    hub = Hub([source], now=clock)
    found: list[ChangeRow] = []
    hub.changes.append(found.extend)
    await hub.once(1)
    assert found == []
    after()
    await hub.once(1)
    return found


async def test_what_changed_outside_is_told_with_before_and_after() -> None:
    source = Scripted(rows=[container("a", image="x:1"), container("gone")])

    def after() -> None:
        source.rows = [container("a", image="x:2"), container("new")]

    found = await changes_between(source, after)
    told = {(row.name, row.what): (row.before, row.after, row.by) for row in found}
    assert told["a", "image"] == ("x:1", "x:2", "outside")
    assert ("new", "new") in told
    assert ("gone", "gone") in told


async def test_a_run_that_aged_out_or_is_only_now_listed_is_no_change() -> None:
    def run(name: str, at: float) -> Run:
        return Run(ref=Ref("s", "run", name), name=name, system="x", repository="a/b", number=name, updated_at=at)

    source = Scripted(kind="run", rows=[run("3", 999_000.0), run("2", 2000.0)])

    def after() -> None:
        source.rows = [run("4", 1_000_000.0), source.rows[0], run("1", 1000.0)]

    assert [(row.name, row.what) for row in await changes_between(source, after)] == [("4", "new")]


async def test_a_page_that_was_cut_is_no_removal() -> None:
    source = Scripted(rows=[container("a"), container("b")])

    def after() -> None:
        source.rows, source.total = [container("a")], 2

    assert await changes_between(source, after) == []


async def test_one_changed_label_is_one_change() -> None:
    source = Scripted(rows=[container("redis", labels={"maxmemory": "512", "x": "1"})])

    def after() -> None:
        source.rows = [container("redis", labels={"maxmemory": "256", "x": "1"})]

    found = await changes_between(source, after)
    assert [(row.what, row.before, row.after) for row in found] == [("label maxmemory", "512", "256")]


async def test_a_late_source_does_not_hold_the_others_up() -> None:
    hole, well = Scripted("hole"), Scripted("well", [container("a", source="well")])
    hole.gate.clear()
    hub = Hub([hole, well])
    views = {view.pane: view for view in await hub.once(0.05)}
    states = {snap.source: snap.state for snap in views["containers"].snapshots}
    assert states == {"hole": State.ERROR, "well": State.FRESH}
    assert views["containers"].state is State.ERROR
    assert views["models"].state is State.NONE
    await hub.close()


async def test_find_goes_by_identity() -> None:
    hub = Hub([Scripted(rows=[container("a", status=Status.BAD)])])
    await hub.once(1)
    found = hub.find(Ref("local", "container", "id-a"))
    assert found is not None
    assert found.name == "a"
    assert hub.find(Ref("local", "container", "a")) is None
