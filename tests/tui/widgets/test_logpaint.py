from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from quarterdeck.widgets.logbuffer import MARKER
from quarterdeck.widgets.logpaint import (
    Look,
    level_of,
    literal_line,
    paint,
    rows_of,
    utc_clock,
)
from quarterdeck.widgets.palette import Palette
from quarterdeck_lifecycle.text import LogLine


def test_levels_are_found_where_loggers_write_them() -> None:
    def level(text: str) -> str | None:
        span = level_of(text)
        return f"{text[span[0] : span[1]]}={span[2]}" if span else None

    assert level("02:14:31 ERROR pool: timeout") == "ERROR=error"
    assert level("[WARNING] disk") == "WARNING=warn"
    assert level('{"level":"warn","msg":"x"}') == "warn=warn"
    assert level("ts=1 level=info msg=ok") == "info=info"
    assert level("TRACE x") == "TRACE=debug"
    assert level("an error in lower case, TERRORS") is None
    assert level("x" * 400 + " ERROR") is None


def test_a_line_shows_time_source_text_and_colours() -> None:
    line = LogLine("pool ERROR", ((0, 4, "bold red"),), "api-3", 1_700_000_000.123)
    text, spans = Look(timestamps=True, sources=True).compose(line, 1000)
    assert text == "22:13:20.123 api-3 │ pool ERROR"
    assert spans[0] == (0, 13, "dim")
    assert (text.index("pool"), text.index("pool") + 4, "bold red") in spans
    plain, own = Look().compose(line._replace(spans=()), 1000)
    assert (plain, own) == ("pool ERROR", [(5, 10, "error")])
    assert Look(timestamps=True).compose(line._replace(at=None), 1000)[0] == " " * 13 + "pool ERROR"
    assert utc_clock(1e30) == "--:--:--.---"


def test_fields_stand_side_by_side() -> None:
    look = Look(columns=lambda text: [("12:00", "dim"), (text.upper(), "bad"), ("x\n", "")])
    text, spans = look.compose(LogLine("boom", ()), 1000)
    assert text == "12:00  BOOM  x␊"
    assert spans == [(0, 5, "dim"), (7, 11, "bad")]
    raw = Look(columns=lambda _text: None).compose(LogLine("boom", ()), 1000)
    assert raw == ("boom", [])


def test_a_marker_stands_out_and_a_long_line_is_cut() -> None:
    assert Look().compose(LogLine("before deploy", (), MARKER), 99)[0] == "── before deploy ──"
    assert Look().compose(LogLine("x" * 1_000_000, ()), 64)[0] == "x" * 64 + "…"


def test_spans_follow_their_characters() -> None:
    text, spans = literal_line("a\tb\x1bc", [(2, 3, "red"), (3, 99, "blue")])
    assert text == "a       b␛c"
    assert [text[a:b] for a, b, _ in spans] == ["b", "␛c"]


@given(st.text(max_size=60), st.integers(2, 30))
def test_rows_cover_the_text_and_none_is_too_wide(text: str, width: int) -> None:
    text = literal_line(text, [])[0]
    rows = rows_of(text, width)
    assert rows[0][0] == 0
    assert rows[-1][1] == len(text)
    assert all(left[1] == right[0] for left, right in pairwise(rows))
    assert all(cell_len(text[start:end]) <= width for start, end in rows)


@given(
    st.text(max_size=60),
    st.sampled_from(["", "api", "接口"]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 30),
)
def test_the_height_is_the_number_of_rows(text: str, source: str, timestamps: bool, sources: bool, width: int) -> None:
    look = Look(timestamps=timestamps, sources=sources)
    line = LogLine(text, (), source, 5.0)
    assert look.height(line, width) == len(rows_of(look.compose(line, 8192)[0], width))


@given(
    st.text("ab", max_size=20),
    st.lists(st.tuples(st.integers(-3, 25), st.integers(-3, 25), st.sampled_from(["bold", "red"])), max_size=6),
)
def test_segments_hold_the_text_whatever_the_spans(text: str, spans: list[tuple[int, int, str]]) -> None:
    segments = paint(text, spans, 0, len(text), Palette({}), Style())
    assert "".join(segment.text for segment in segments) == text
    for a, b, name in spans:
        at = 0
        for segment in segments:
            if a <= at and at + len(segment.text) <= b and name == "bold":
                assert segment.style is not None
                assert segment.style.bold
            at += len(segment.text)
