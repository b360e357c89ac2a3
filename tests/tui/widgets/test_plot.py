import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.widgets.plot import (
    Sample,
    Series,
    compact,
    nice_bounds,
    render_chart,
    resample,
    spark,
    stretch,
)

anything = st.one_of(st.none(), st.floats(), st.floats(-1e6, 1e6))


def drawn(values: list[float | None], width: int, height: int, **options: object) -> list[str]:
    lines = render_chart([Series("a", values)], width, height, **options)
    return ["".join(text for text, _ in line) for line in lines]


def test_a_single_series_is_filled_down_to_the_bottom() -> None:
    assert drawn([0, 1, 2, 3], 2, 1, lo=0, hi=3) == ["⣠⣾"]
    assert drawn([0, 0, 7, 7], 2, 2, lo=0, hi=7) == [" ⣿", "⣀⣿"]
    assert drawn([7, None, None, 0], 2, 2, lo=0, hi=7) == ["⡇ ", "⡇⢀"]


def test_a_line_is_connected() -> None:
    assert drawn([0, 7], 1, 2, lo=0, hi=7, fill=False) == ["⢸", "⡸"]
    assert drawn([7, 0], 1, 2, lo=0, hi=7, fill=False) == ["⢱", "⢸"]
    assert drawn([3, 3, 3, 3], 2, 1, lo=0, hi=3, fill=False) == ["⠉⠉"]


def test_threshold_marks_and_cursor_stand_where_no_dots_are_or_before_them() -> None:
    lines = render_chart([Series("a", [1.0] * 8)], 4, 2, lo=0, hi=8, threshold=7, marks=[1], cursor=3)
    assert lines[0] == [("┄", "warn"), ("┆", "accent"), ("┄", "warn"), ("│", "head")]
    assert lines[1] == [("⣤", "info"), ("┆", "accent"), ("⣤", "info"), ("│", "head")]


def test_the_first_series_gives_the_colour_where_two_meet() -> None:
    both = [Series("a", [0.0] * 4, "ok"), Series("b", [0.0, 0.0, 3.0, 3.0], "bad")]
    assert render_chart(both, 2, 1, lo=0, hi=3) == [[("⣀⣏", "ok")]]


@given(
    st.lists(st.lists(anything, max_size=40), max_size=3),
    st.integers(0, 30),
    st.integers(0, 6),
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    st.booleans(),
)
def test_every_line_is_as_wide_as_asked(
    series: list[list[float | None]], width: int, height: int, threshold: float | None, ascii: bool
) -> None:
    lines = render_chart(
        [Series("s", values) for values in series], width, height, threshold=threshold, marks=[0], ascii=ascii
    )
    assert len(lines) == height
    for line in lines:
        text = "".join(text for text, _ in line)
        assert len(text) == width
        assert not ascii or text.isascii()
        assert all(left[1] != right[1] for left, right in pairwise(line))


def test_no_peak_is_lost_and_gaps_stay_gaps() -> None:
    samples = [Sample(float(at), 1.0) for at in range(100)]
    samples[50] = Sample(50.0, 99.0)
    assert max(value or 0 for value in resample(samples, 0, 10, 10, 2.5)) == 99
    holey = [Sample(0, 1), Sample(1, 1), Sample(2, None), Sample(3, 1), Sample(9, 5)]
    assert resample(holey, 0, 1, 10, 2.5) == [1, 1, None, 1, None, None, None, None, None, 5]
    assert resample([Sample(0, 0), Sample(4, 4)], 0, 1, 5, 4) == [0, 1, 2, 3, 4]
    assert resample([Sample(-2, 0), Sample(2, 4)], 0, 1, 3, 4) == [2, 3, 4]
    assert resample([Sample(0, math.nan), Sample(1, math.inf)], 0, 1, 2, 4) == [None, None]
    assert resample([], 0, 1, 2, 4) == [None, None]


@given(st.lists(anything, max_size=50), st.integers(0, 60))
def test_stretched_values_have_the_count_asked_for_and_invent_no_peak(values: list[float | None], count: int) -> None:
    out = stretch(values, count)
    assert len(out) == count
    known = [value for value in values if value is not None and math.isfinite(value)]
    for value in out:
        if value is not None and math.isfinite(value):
            assert min(known) - 1e-6 * abs(min(known)) <= value <= max(known) + 1e-6 * abs(max(known))


@given(st.lists(anything, max_size=20))
def test_the_scale_holds_every_value(values: list[float | None]) -> None:
    low, high = nice_bounds(values)
    assert low < high
    for value in values:
        if value is not None and math.isfinite(value):
            assert low <= value <= high


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((412, "412"), (0.83, "0.83"), (1900, "1900"), (12_345, "12.3k"), (12e6, "12M"), (-3.14159, "-3.14")),
        *((None, "?"), (math.nan, "?"), (4e-5, "4e-05"), (0, "0"), (1e18, "1e+18"), (500e12, "500T")),
    ],
)
def test_values_are_short(value: float | None, text: str) -> None:
    assert compact(value) == text


@given(st.floats())
def test_no_value_is_longer_than_its_place(value: float) -> None:
    assert len(compact(value)) <= 7


def test_a_spark_is_one_line_with_a_twin_in_ascii() -> None:
    values = [0.0, 1, 2, 3, None, None, 3, 3]
    assert spark(values, 4, lo=0, hi=3) == "⣠⣾ ⣿"
    assert spark([0.0, 1, None, 3], 4, lo=0, hi=3, ascii=True) == "_- #"
    assert spark([], 3) == "   "
    assert spark(values, 0) == ""
