"""Durations: read back what was written, and nothing that leaves room for a guess."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_config.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2s", 2.0), ("10m", 600.0), ("1h30m", 5400.0), ("250ms", 0.25), ("1.5s", 1.5), ("0s", 0.0), ("1d", 86400.0)],
)
def test_duration_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "2", "2 s", "s", "-1s", "1m1h", "1s1s", "1.5m", "٣s", "1e3s", "2s\n", "inf", "999999d"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=366 * 86_400_000))
def test_round_trip_to_the_millisecond(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-6)


@given(st.text(max_size=12))
def test_no_text_does_anything_but_parse_or_raise_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= 0
