"""Where an alias was at a time: exact moves, looks, windows between looks, and what nobody can know."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_lifecycle.records import utc
from quarterdeck_lifecycle.release.aliasbook import AliasBook
from quarterdeck_lifecycle.release.aliases import Move, Watched, champion_at
from quarterdeck_lifecycle.release.aliaslooks import WATCHED_S, Look, Seen, extend, observe
from quarterdeck_lifecycle.state import StateDB

KEY = ("fraud", "champion")


def look(when: float, version: str = "", **told: object) -> Look:
    """One look that finds the alias there, or nowhere."""
    return Look(source="ml", at=when, where={KEY: Seen(version=version, **told)} if version else {})  # type: ignore[arg-type]


def watched(version: str, first: float, last: float, widest: float = 30.0) -> Watched:
    return Watched(source="ml", model=KEY[0], alias=KEY[1], version=version, first=first, last=last, widest=widest)


def moved(version: str, at: float, origin: str | None = None) -> Move:
    """A move that tags told."""
    return Move(source="ml", model=KEY[0], alias=KEY[1], version=version, origin=origin, at=at, seen_to=at, how="us")


def test_nothing_known_is_not_known() -> None:
    found = champion_at([], [], 100.0)
    assert (found.known, found.version, found.possible) == (False, "", ())
    assert "nobody has ever looked" in found.blind_spots[0].why


def test_inside_a_watched_time_the_looks_answer() -> None:
    found = champion_at([], [watched("17", 100, 400)], 250)
    assert (found.known, found.version) == (True, "17")
    assert f"v17 at every look from {utc(100)} to {utc(400)}" in found.evidence[0]
    assert "up to 30 s apart" in found.blind_spots[0].why


def test_between_two_looks_that_differ_both_are_possible() -> None:
    looks = [watched("17", 100, 400), watched("18", 1000, 1400)]
    found = champion_at([], looks, 700)
    assert (found.known, found.version, found.possible) == (False, "", ("17", "18"))
    assert (found.blind_spots[0].start, found.blind_spots[0].end) == (400, 1000)
    assert "moved from v17 to v18" in found.blind_spots[0].why


def test_between_two_looks_that_agree_it_was_there_as_far_as_anybody_can_tell() -> None:
    found = champion_at([], [watched("17", 100, 400), watched("17", 9000, 9400)], 5000)
    assert (found.known, found.version) == (True, "17")
    assert "away and back" in found.blind_spots[0].why
    assert found.blind_spots[0].covers(5000)
    assert not found.blind_spots[0].covers(9100)


def test_an_exact_move_parts_the_time_between_looks() -> None:
    looks = [watched("17", 100, 400), watched("18", 1000, 1400)]
    moves = [moved("18", 600, "17")]
    for at, version in ((500, "17"), (599.9, "17"), (600, "18"), (900, "18")):
        found = champion_at(moves, looks, at)
        assert (found.known, found.version) == (True, version), at
    odd = champion_at([moved("18", 600, "12")], looks, 500)
    assert (odd.known, odd.possible) == (False, ("17", "12"))


def test_before_the_first_look_only_a_tag_can_tell() -> None:
    looks = [watched("18", 1000, 1400)]
    found = champion_at([], looks, 500)
    assert (found.known, found.possible) == (False, ("18",))
    assert "nobody had looked" in found.blind_spots[0].why
    told = champion_at([moved("18", 700, "17")], looks, 800)
    assert (told.known, told.version) == (True, "18")
    before = champion_at([moved("18", 700, "17")], looks, 500)
    assert (before.known, before.possible, before.blind_spots[0].start) == (False, ("17",), None)
    untold = champion_at([moved("18", 700, None)], looks, 500)
    assert (untold.known, untold.possible) == (False, ())


def test_after_the_last_look_it_is_the_last_with_that_said() -> None:
    found = champion_at([], [watched("18", 1000, 1400)], 9000)
    assert (found.known, found.version) == (True, "18")
    assert (found.blind_spots[0].start, found.blind_spots[0].end) == (1400, None)
    removed = champion_at([], [watched("18", 1000, 1400), watched("", 1430, 2000)], 1500)
    assert (removed.known, removed.version) == (True, "")


def test_a_move_told_inside_a_watched_time_is_believed() -> None:
    looks = [watched("18", 1000, 2000)]
    moves = [moved("18", 1500, "17")]
    assert champion_at(moves, looks, 1600).version == "18"
    found = champion_at(moves, looks, 1400)
    assert (found.known, found.possible) == (False, ("18", "17"))


def test_two_looks_that_agree_tell_of_no_move() -> None:
    assert observe(look(100, "17"), look(130, "17")) == []
    assert observe(None, look(130, "17")) == []
    assert observe(look(100), look(130)) == []


def test_a_move_between_two_looks_is_a_window_and_outside() -> None:
    [found] = observe(look(100, "17"), look(130, "18"))
    assert (found.version, found.origin, found.at) == ("18", "17", None)
    assert (found.seen_from, found.seen_to, found.how, found.by) == (100, 130, "outside", "")
    [new] = observe(look(100), look(130, "18"))
    assert (new.version, new.origin) == ("18", "")
    [gone] = observe(look(100, "17"), look(130))
    assert (gone.version, gone.origin, gone.how) == ("", "17", "outside")


def test_tags_make_a_move_exact() -> None:
    [found] = observe(look(100, "17"), look(130, "18", at=110.0, by="ana@deck", origin="17", op="op-1"))
    assert (found.at, found.by, found.op, found.how) == (110, "ana@deck", "op-1", "us")
    assert "tags of v18 tell: by ana@deck" in found.evidence
    [first] = observe(None, look(130, "18", at=20.0, by="ana", origin="17"))
    assert (first.at, first.origin, first.seen_from) == (20, "17", None)
    again = observe(look(100, "18", at=20.0), look(130, "18", at=20.0))
    assert again == []
    [late] = observe(look(120, "18"), look(150, "18", at=119.0, origin="17"))
    assert (late.at, late.origin) == (119, "17")


def test_tags_of_an_earlier_stay_are_not_believed() -> None:
    [found] = observe(look(10_000, "18"), look(10_030, "17", at=500.0, by="ana", origin="16"))
    assert (found.at, found.by, found.how, found.origin) == (None, "", "outside", "18")
    [future] = observe(look(10_000, "18"), look(10_030, "17", at=99_000.0, by="ana", origin="16"))
    assert (future.at, future.how) == (None, "outside")
    [skewed] = observe(look(10_000, "18"), look(10_030, "17", at=9_990.0, by="ana", origin="18"))
    assert skewed.at == 10_000


def test_a_watched_time_grows_until_it_gaps_or_moves() -> None:
    one = extend(None, "ml", KEY, "17", 100)
    grown = extend(extend(one, "ml", KEY, "17", 130), "ml", KEY, "17", 190)
    assert (grown.first, grown.last, grown.widest) == (100, 190, 60)
    for version, at in (("18", 220.0), ("17", 190 + WATCHED_S + 1), ("17", 180.0)):
        assert extend(grown, "ml", KEY, version, at).first == at


VERSIONS = st.sampled_from(["", "1", "2", "3"])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[float, str]], list[Look]]:
    """What really happened to an alias, (time, version) in order, and the looks that somebody took; tags tell some."""
    times = sorted(draw(st.sets(st.integers(0, 2000), max_size=8)))
    truth: list[tuple[float, str]] = [(-1.0, draw(VERSIONS))]
    for at in times:
        truth.append((float(at), draw(VERSIONS.filter(lambda v: v != truth[-1][1]))))
    tagged = {at for at, _ in truth[1:] if draw(st.booleans())}
    looks = []
    for at in sorted(draw(st.sets(st.integers(0, 2500), max_size=12))):
        index = bisect.bisect_right([t for t, _ in truth], at + 0.5) - 1
        since, version = truth[index]
        if since in tagged:
            looks.append(look(at + 0.5, version, at=since, by="ana", origin=truth[index - 1][1]))
        else:
            looks.append(look(at + 0.5, version))
    return truth, looks


def known(looks: list[Look]) -> tuple[list[Move], list[Watched]]:
    """What a deck makes of its looks."""
    moves: list[Move] = []
    segments: list[Watched] = []
    for before, after in itertools.pairwise([None, *looks]):
        assert after is not None
        moves += observe(before, after)
        version = after.where[KEY].version if after.where else ""
        last = extend(segments[-1] if segments else None, "ml", KEY, version, after.at)
        if segments and segments[-1].first == last.first:
            segments[-1] = last
        else:
            segments.append(last)
    return moves, segments


def really(truth: list[tuple[float, str]], at: float) -> str:
    return truth[bisect.bisect_right([t for t, _ in truth], at) - 1][1]


@given(histories(), st.floats(0, 3000))
def test_the_truth_is_among_what_is_said_or_in_a_blind_spot(
    history: tuple[list[tuple[float, str]], list[Look]], at: float
) -> None:
    truth, looks = history
    found = champion_at(*known(looks), at)
    said = {found.version} if found.known else set(found.possible)
    assert really(truth, at) in said or any(blind.covers(at) for blind in found.blind_spots), (truth, looks, found)


@given(histories(), st.floats(0, 3000))
def test_with_one_move_between_two_looks_at_most_what_is_known_is_true(
    history: tuple[list[tuple[float, str]], list[Look]], at: float
) -> None:
    truth, looks = history
    times = [each.at for each in looks]
    between = [bisect.bisect_left(times, t) for t, _ in truth[1:]]
    if not times or not times[0] <= at <= times[-1] or len(set(between)) < len(between):
        return
    found = champion_at(*known(looks), at)
    said = {found.version} if found.known else set(found.possible)
    assert really(truth, at) in said, (truth, looks, found)


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[AliasBook]:
    state = StateDB(tmp_path / "state")
    yield AliasBook(state, lambda text: text.replace("s3cret", "***"))
    await state.aclose(5)


async def test_what_is_kept_comes_back_once_and_redacted(book: AliasBook) -> None:
    move = Move(
        source="ml", model="it's", alias="champion", version="18", origin=None, at=600.5, seen_from=None,
        seen_to=610.0, by="ana", op="op-1", how="us", evidence="tags tell s3cret",
    )  # fmt: skip
    segment = Watched(source="ml", model="it's", alias="champion", version="18", first=610.0, last=640.0, widest=30.0)
    grown = Watched(source="ml", model="it's", alias="champion", version="18", first=610.0, last=700.0, widest=60.0)
    await book.add([move, move], [segment])
    await book.add([move], [grown])
    [kept] = await book.moves("ml", "it's", "champion")
    assert kept.evidence == "tags tell ***"
    assert (kept.at, kept.origin, kept.id) == (600.5, None, move.id)
    assert await book.looks("ml", "it's", "champion") == [grown]
    assert await book.last("ml") == [grown]
    assert await book.sources("it's", "champion") == ["ml"]
    assert (await book.moves("other", "it's", "champion"), await book.sources("it's", "x")) == ([], [])
    found = await book.champion_at("ml", "it's", "champion", 605.0)
    assert (found.known, found.version) == (True, "18")
