import re

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.widgets.logbuffer import MARKER, LogBuffer, LogWindow
from quarterdeck_lifecycle.text import LogLine


def lines(*texts: str) -> list[LogLine]:
    return [LogLine(text, ()) for text in texts]


def numbered(start: int, stop: int) -> list[LogLine]:
    return lines(*(f"line {number}" for number in range(start, stop)))


def texts(window: LogWindow) -> list[str]:
    return [line.text for index in range(window.count) if (line := window.line(index))]


def test_the_oldest_lines_go_and_are_counted() -> None:
    buffer = LogBuffer(max_lines=10)
    buffer.append(numbered(0, 7))
    assert (len(buffer), buffer.dropped) == (7, 0)
    buffer.append(numbered(7, 15))
    assert (len(buffer), buffer.dropped, buffer.first, buffer.end) == (10, 5, 5, 15)
    assert buffer.get(5) == LogLine("line 5", ())
    assert buffer.get(4) is None
    assert buffer.get(15) is None


def test_a_batch_larger_than_everything_leaves_its_end() -> None:
    buffer = LogBuffer(max_lines=10)
    buffer.append(numbered(0, 3))
    buffer.append(numbered(3, 40))
    assert (buffer.dropped, buffer.first, buffer.end) == (30, 30, 40)
    assert [line.text for line in buffer.slice(0, 99)] == [f"line {number}" for number in range(30, 40)]


def test_bytes_are_bounded_too() -> None:
    buffer = LogBuffer(max_lines=1000, max_bytes=20_000)
    for number in range(100):
        buffer.append(lines("x" * 1000 + str(number)))
    assert buffer.bytes <= 20_000
    assert len(buffer) + buffer.dropped == 100
    assert 10 < len(buffer) < 20
    buffer.append([LogLine("é" * 30_000, ((0, 1, "red"),) * 10)])
    assert len(buffer) == 0
    assert buffer.bytes == 0


def test_a_line_without_end_is_cut_and_says_so() -> None:
    buffer = LogBuffer(max_chars=100)
    buffer.append(lines("y" * 1_000_000, "short"))
    line = buffer.get(0)
    assert line is not None
    assert line.text == "y" * 100 + "… +999900 characters"
    assert buffer.get(1) == LogLine("short", ())


def test_older_lines_go_in_front_as_far_as_there_is_room() -> None:
    buffer = LogBuffer(max_lines=10)
    buffer.append(numbered(100, 106))
    assert buffer.prepend(numbered(90, 100)) == 4
    assert (buffer.first, buffer.dropped) == (-4, 0)
    assert [line.text for line in buffer.slice(-4, 1)] == [f"line {number}" for number in (96, 97, 98, 99, 100)]
    assert buffer.prepend(numbered(80, 90)) == 0
    buffer.clear()
    assert (len(buffer), buffer.bytes, buffer.first) == (0, 0, 6)


def test_a_filter_shows_what_matches_or_what_does_not_and_markers_always() -> None:
    buffer = LogBuffer()
    window = LogWindow(buffer)
    buffer.append([*lines("a error", "b fine"), LogLine("here", (), MARKER), *lines("c error")])
    window.reset(re.compile("error"))
    window.advance(2)
    assert (texts(window), window.behind) == (["a error"], 2)
    window.advance(100)
    assert texts(window) == ["a error", "here", "c error"]
    assert [window.number(index) for index in range(3)] == [0, 2, 3]
    assert [window.at_or_after(number) for number in range(5)] == [0, 1, 1, 2, 3]
    window.reset(re.compile("error"), inverse=True)
    window.advance(100)
    assert texts(window) == ["b fine", "here"]


def test_wrapped_lines_take_rows() -> None:
    buffer = LogBuffer()
    window = LogWindow(buffer)
    buffer.append(lines("a", "bbb", "cc"))
    window.reset(None, height=lambda line: len(line.text))
    window.advance(100)
    assert window.rows == 6
    assert [window.locate(row) for row in range(6)] == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    assert [window.row_of(index) for index in range(3)] == [0, 1, 4]


@given(
    st.integers(3, 12),
    st.sampled_from([None, re.compile("[aeiou]")]),
    st.booleans(),
    st.booleans(),
    st.lists(
        st.tuples(
            st.sampled_from(["append", "prepend", "advance", "trim"]),
            st.lists(st.text("abcde", min_size=1, max_size=4), max_size=6),
        ),
        max_size=25,
    ),
)
def test_a_window_filled_step_by_step_equals_one_filled_at_once(
    bound: int,
    pattern: re.Pattern[str] | None,
    inverse: bool,
    wrapped: bool,
    steps: list[tuple[str, list[str]]],
) -> None:
    buffer = LogBuffer(max_lines=bound)
    window = LogWindow(buffer)
    height = (lambda line: len(line.text)) if wrapped else None
    window.reset(pattern, inverse, height)
    for action, words in steps:
        if action == "append":
            buffer.append(lines(*words))
        elif action == "prepend":
            window.trim()
            window.prepended(buffer.prepend(lines(*words)))
        elif action == "advance":
            window.trim()
            window.advance(3)
        else:
            window.trim()
        assert len(buffer) <= bound
    before = window.rows
    gone = window.trim()
    assert window.rows == before - gone
    while window.behind:
        window.advance(2)
    whole = LogWindow(buffer)
    whole.reset(pattern, inverse, height)
    whole.advance(1000)
    assert texts(window) == texts(whole)
    assert window.rows == whole.rows
    assert [window.locate(row) for row in range(window.rows)] == [whole.locate(row) for row in range(whole.rows)]
    for index in range(window.count):
        assert window.locate(window.row_of(index)) == (index, 0)
        assert window.at_or_after(window.number(index)) == index
