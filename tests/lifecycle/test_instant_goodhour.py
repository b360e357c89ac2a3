"""The last good hour, the time cursor, and the window before against the window after: arithmetic on instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from quarterdeck_lifecycle.beforeafter import Side, compared, side, width
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.goodhour import HOUR_S, Hour, Spell, joined, last_good_hour, spells, standing
from quarterdeck_lifecycle.instant import Instant, TimeCursor, banner, parse_time, right_edge, words
from quarterdeck_lifecycle.kinds import Alert, Run
from quarterdeck_lifecycle.records import Ref, Status

NOW = 1_714_529_671.0
"""2024-05-01 02:14:31 UTC."""
INF = float("inf")


def changed(minutes: float, kind: str, before: str, after: str, what: str = "state", **more: str) -> ChangeRow:
    """A change so many minutes before now."""
    at = datetime.fromtimestamp(NOW, UTC) - timedelta(minutes=minutes)
    row = ChangeRow(
        f"{minutes}", at, "s", "x", kind, f"s/{kind}/one", "one", "prod", what, before, after
    )
    return replace(row, **more)  # type: ignore[arg-type]


def minutes(hour: Hour | None) -> tuple[float, float] | None:
    """An hour in minutes before now."""
    return None if hour is None else ((NOW - hour.begin) / 60, (NOW - hour.end) / 60)


def test_spells_begin_and_end_with_what_changed() -> None:
    told = [
        changed(300, "alert", "", "firing", "new"),
        changed(290, "alert", "firing", "", "gone"),
        changed(200, "container", "running", "unhealthy 3/5"),
        changed(190, "container", "unhealthy 3/5", "restarting, exited 1"),
        changed(180, "container", "restarting, exited 1", "running"),
        changed(120, "run", "running", "failure", note="default branch main; started the run"),
        changed(110, "run", "running", "failure", note="branch mine"),
        changed(100, "run", "running", "success", note="default branch main"),
        changed(50, "alert", "pending", "firing"),
    ]
    found = [(s.ref, (NOW - s.begin) / 60, None if s.end is None else (NOW - s.end) / 60) for s in spells(told)]
    assert found == [
        ("s/alert/one", 300, 290), ("s/container/one", 200, 180), ("s/run/one", 120, 120), ("s/alert/one", 50, None),
    ]  # fmt: skip


def test_trouble_that_nobody_saw_begin_goes_back_to_the_beginning() -> None:
    (spell,) = spells([changed(30, "alert", "firing", "", "gone")])
    assert (spell.begin, spell.end) == (-INF, NOW - 1800)
    assert last_good_hour([spell], NOW - 1e6, NOW) is None
    assert minutes(last_good_hour([spell], NOW - 1e6, NOW + 1800)) == (30, -30)


def test_the_newest_hour_between_two_troubles_is_the_good_one() -> None:
    first = NOW - 86400
    one, two = Spell("a", NOW - 9000, NOW - 8000), Spell("b", NOW - 4000, None)
    assert last_good_hour([one, two], first, NOW) == Hour(NOW - 4000 - HOUR_S, NOW - 4000)
    overlapping = Spell("c", NOW - 7000, NOW - 3000)
    assert last_good_hour([one, two, overlapping], first, NOW) == Hour(NOW - 9000 - HOUR_S, NOW - 9000)
    assert last_good_hour([], first, NOW) == Hour(NOW - HOUR_S, NOW)
    assert last_good_hour([Spell("d", NOW - HOUR_S, NOW - HOUR_S)], first, NOW) == Hour(NOW - HOUR_S, NOW)
    assert last_good_hour([Spell("d", NOW - HOUR_S + 1, NOW - HOUR_S + 1)], first, NOW) == Hour(
        NOW - 2 * HOUR_S + 1, NOW - HOUR_S + 1
    )
    assert last_good_hour([], NOW - HOUR_S + 1, NOW) is None


def test_a_clock_that_jumped_back_makes_no_hour_of_the_future() -> None:
    ahead = Spell("a", NOW + 7200, NOW + 9000)
    assert last_good_hour([ahead], NOW - 86400, NOW) == Hour(NOW - HOUR_S, NOW)


def test_what_is_so_now_decides_what_still_goes_on() -> None:
    alert = Alert(ref=Ref("s", "alert", "one"), name="one", state="firing", status=Status.BAD, active_at=NOW - 600)
    silenced = Alert(ref=Ref("s", "alert", "two"), name="two", state="firing", status=Status.LOOK, active_at=NOW)
    run = Run(
        ref=Ref("s", "run", "1"), name="r", status=Status.BAD, system="x", repository="r", number="1", branch="main",
        finished_at=NOW - 60,
    )  # fmt: skip
    now = standing([alert, silenced, run])
    assert now == [Spell("s/alert/one", NOW - 600, None), Spell("s/run/1", NOW - 60, NOW - 60)]
    told = [Spell("s/alert/one", NOW - 700, None), Spell("s/container/x", NOW - 9000, None)]
    assert joined(told, now, NOW - 5000) == [
        told[0], Spell("s/container/x", NOW - 9000, NOW - 5000), Spell("s/run/1", NOW - 60, NOW - 60),
    ]  # fmt: skip


def test_the_cursor_tells_its_listeners_once_for_each_move() -> None:
    cursor, told = TimeCursor(), list[float | None]()
    leave = cursor.listen(lambda: told.append(cursor.at))
    cursor.put(Instant(5.0, "chart"))
    cursor.put(Instant(5.0, "chart"))
    assert cursor.live()
    assert not cursor.live()
    leave()
    cursor.put(Instant(6.0))
    assert told == [5.0, None]


def test_the_banner_is_in_utc_and_says_when_the_clock_is_behind() -> None:
    at = Instant(NOW - 600)
    assert banner(at, NOW, "n") == "at 02:04 (n live again)"
    assert banner(None, NOW, "n") == ""
    assert banner(Instant(NOW + 3600), NOW, "n") == "at 03:14, ahead of this clock (n live again)"
    assert words(NOW - 3 * 86400, NOW) == "Apr 28 02:14"


def test_a_chart_has_the_instant_in_its_middle_as_far_as_time_went() -> None:
    assert right_edge(None, 3600, NOW) == NOW
    assert right_edge(NOW - 7200, 3600, NOW) == NOW - 5400
    assert right_edge(NOW - 600, 3600, NOW) == NOW
    assert right_edge(NOW + 600, 3600, NOW) == NOW + 600


def test_times_are_read_in_utc_and_in_zones() -> None:
    assert parse_time("2024-05-01T02:14:31+00:00") == parse_time("2024-04-30T23:14:31-03:00") == NOW
    assert parse_time("23:00", NOW) == NOW - (3 * 3600 + 14 * 60 + 31)
    with pytest.raises(ValueError, match="not a time"):
        parse_time("yesterday", NOW)


def test_before_and_after_count_samples_and_leave_gaps_out() -> None:
    points = [(NOW - 30, 1.0), (NOW - 20, 3.0), (NOW - 10, None), (NOW, 4.0), (NOW + 10, float("nan")), (NOW + 60, 9.0)]
    found = compared("p95", points, NOW, 60)
    assert found.before == Side(2.0, 1.0, 3.0, 2)
    assert found.after == Side(4.0, 4.0, 4.0, 1)
    assert found.percent == 100.0
    assert compared("x", [(NOW - 1, 0.0), (NOW, 5.0)], NOW, 60).percent is None
    assert compared("x", [(NOW, 5.0)], NOW, 60) == ("x", Side(None, None, None, 0), Side(5.0, 5.0, 5.0, 1), None)
    assert side([(NOW - 1, -2.0), (NOW, -1.0)], NOW - 1, NOW).mean == -2.0
    assert compared("neg", [(NOW - 1, -2.0), (NOW, -1.0)], NOW, 60).percent == 50.0


def test_the_windows_are_no_wider_than_what_has_passed() -> None:
    assert width(NOW - 600, 3600, NOW) == 600
    assert width(NOW - 7200, 3600, NOW) == 3600
    for at, why in ((NOW - 59, "59 s ago"), (NOW + 5, "has not come yet")):
        with pytest.raises(ValueError, match=why):
            width(at, 3600, NOW)
