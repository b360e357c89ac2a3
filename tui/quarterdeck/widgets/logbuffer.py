"""Lines of a log in bounded memory, and the window of them that passes a filter: pure."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import itemgetter
from sys import getsizeof

from quarterdeck_lifecycle.text import LogLine

MARKER = "\x00marker"
"""The source of a line that the operator put in; no system's source holds a NUL. It passes every filter."""

_text_of = itemgetter(0)
_spans_of = itemgetter(1)
_LINE_COST = 200
"""Bytes that a line's tuple, time and source take besides its text, about."""
_SPAN_COST = 120


def _cost(lines: Sequence[LogLine]) -> int:
    """The memory that these lines hold, in bytes, about."""
    spans = sum(map(len, map(_spans_of, lines)))
    return sum(map(getsizeof, map(_text_of, lines))) + _LINE_COST * len(lines) + _SPAN_COST * spans


class LogBuffer:
    """The newest lines, at most ``max_lines`` and ``max_bytes`` of them; what had to go is counted.

    Each line has a number that never changes: the first one kept has ``first``, the next to come ``end``.
    A text longer than ``max_chars`` characters is cut and says by how much.
    """

    def __init__(self, max_lines: int = 50_000, max_bytes: int = 64 << 20, max_chars: int = 65_536) -> None:
        self.max_lines = max_lines
        self.max_bytes = max_bytes
        self.max_chars = max_chars
        self.first = 0
        self.bytes = 0
        self.dropped = 0
        """Lines that went because the bounds were reached."""
        self.longest = 0
        """The most cells that a line may need, about: twice the characters of one that is not ASCII."""
        self._lines: list[LogLine] = []

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def end(self) -> int:
        """The number that the next line will have."""
        return self.first + len(self._lines)

    def get(self, number: int) -> LogLine | None:
        """The line with that number; None if it has gone or has not come."""
        place = number - self.first
        return self._lines[place] if 0 <= place < len(self._lines) else None

    def slice(self, start: int, stop: int) -> list[LogLine]:
        """The lines with the numbers from ``start`` up to ``stop``, those that are kept."""
        return self._lines[max(start - self.first, 0) : max(stop - self.first, 0)]

    def append(self, lines: Sequence[LogLine]) -> None:
        """Add the newest lines."""
        over = len(lines) - self.max_lines
        if over > 0:
            # None of the lines kept so far will stay, so that their numbers may shift until they go.
            self.first += over
            self.dropped += over
            lines = lines[over:]
        lines = self._measured(lines)
        self._lines.extend(lines)
        self.bytes += _cost(lines)
        self._prune()

    def prepend(self, lines: Sequence[LogLine]) -> int:
        """Add older lines in front, the newest of them first as far as the bounds allow; how many were added."""
        room = self.max_lines - len(self._lines)
        lines = self._measured(lines[-room:] if room > 0 else ())
        cost = _cost(lines)
        while lines and self.bytes + cost > self.max_bytes:
            lines = lines[(len(lines) + 1) // 2 :]
            cost = _cost(lines)
        self._lines[:0] = lines
        self.first -= len(lines)
        self.bytes += cost
        return len(lines)

    def clear(self) -> None:
        """Forget every line; the numbers go on."""
        self.first = self.end
        self.bytes = self.longest = 0
        self._lines.clear()

    def _measured(self, lines: Sequence[LogLine]) -> Sequence[LogLine]:
        """The lines, none too long; takes notice of the longest."""
        if not lines:
            return lines
        longest = max(map(_text_of, lines), key=len)
        if len(longest) > self.max_chars:
            lines = [self._cut(line) for line in lines]
            longest = max(map(_text_of, lines), key=len)
        self.longest = max(self.longest, len(longest) * (1 if longest.isascii() else 2))
        return lines

    def _cut(self, line: LogLine) -> LogLine:
        over = len(line.text) - self.max_chars
        return line if over <= 0 else line._replace(text=f"{line.text[: self.max_chars]}… +{over} characters")

    def _prune(self) -> None:
        over = len(self._lines) - self.max_lines
        drop = over if over > 0 else 0
        if drop:
            self.bytes -= _cost(self._lines[:drop])
        while self.bytes > self.max_bytes and drop < len(self._lines):
            self.bytes -= _cost(self._lines[drop : drop + 1])
            drop += 1
        if drop:
            del self._lines[:drop]
            self.first += drop
            self.dropped += drop


class LogWindow:
    """The lines of a buffer that pass the filter, as rows of the screen; filled step by step by ``advance``.

    ``height`` tells how many rows a line takes when lines are wrapped; None means one each.
    """

    def __init__(self, buffer: LogBuffer) -> None:
        self._buffer = buffer
        self._pattern: re.Pattern[str] | None = None
        self._inverse = False
        self._height: Callable[[LogLine], int] | None = None
        self._start = buffer.first
        self._seen = buffer.first
        self._numbers: list[int] = []
        self._ends: list[int] = []
        self._gone = 0

    @property
    def behind(self) -> int:
        """Lines of the buffer that have not been looked at yet."""
        return self._buffer.end - self._seen

    @property
    def count(self) -> int:
        """The lines in the window."""
        return len(self._numbers) if self._pattern else self._seen - self._start

    @property
    def rows(self) -> int:
        """The rows that these lines take."""
        if self._height is None:
            return self.count
        return self._ends[-1] - self._gone if self._ends else 0

    def reset(
        self,
        pattern: re.Pattern[str] | None,
        inverse: bool = False,
        height: Callable[[LogLine], int] | None = None,
    ) -> None:
        """Start over with this filter and these heights; ``advance`` fills the window."""
        self._pattern, self._inverse, self._height = pattern, inverse, height
        self._start = self._seen = self._buffer.first
        self._numbers, self._ends, self._gone = [], [], 0

    def advance(self, limit: int) -> None:
        """Look at the next ``limit`` lines of the buffer at most and take in those that pass.

        Without a filter and without heights there is nothing to look at, and all are taken in.
        """
        if self._pattern is None and self._height is None:
            self._seen = self._buffer.end
            return
        start = max(self._seen, self._buffer.first)
        self._seen = min(start + limit, self._buffer.end)
        lines = self._buffer.slice(start, self._seen)
        if self._pattern is not None:
            passed = self._passing(lines, start)
            self._numbers += passed
            lines = [lines[number - start] for number in passed]
        if self._height is not None:
            last = self._ends[-1] if self._ends else self._gone
            self._ends += list(accumulate(map(self._height, lines), initial=last))[1:]

    def trim(self) -> int:
        """Let go of the lines that the buffer has dropped; how many rows that were at the top."""
        first = self._buffer.first
        gone = bisect_left(self._numbers, first) if self._pattern else max(min(first, self._seen) - self._start, 0)
        rows = self.row_of(gone)
        if self._pattern is not None:
            del self._numbers[:gone]
        if self._height is not None and gone:
            self._gone = self._ends[gone - 1]
            del self._ends[:gone]
        self._start, self._seen = max(self._start, first), max(self._seen, first)
        return rows

    def prepended(self, added: int) -> int:
        """Take in lines that were put in front of the buffer; how many rows they take."""
        before = self.rows
        first = self._buffer.first
        lines = self._buffer.slice(first, first + added)
        if self._pattern is not None:
            passed = self._passing(lines, first)
            self._numbers[:0] = passed
            lines = [lines[number - first] for number in passed]
        if self._height is not None:
            ends = list(accumulate(map(self._height, lines), initial=0))
            self._ends = ends[1:] + [end - self._gone + ends[-1] for end in self._ends]
            self._gone = 0
        self._start = first
        return self.rows - before

    def number(self, index: int) -> int:
        """The number of the line at that place in the window."""
        return self._numbers[index] if self._pattern else self._start + index

    def line(self, index: int) -> LogLine | None:
        """The line at that place; None if the buffer has dropped it meanwhile."""
        return self._buffer.get(self.number(index))

    def at_or_after(self, number: int) -> int:
        """The place of the first line in the window whose number is at least this."""
        if self._pattern is not None:
            return bisect_left(self._numbers, number)
        return max(0, min(number - self._start, self.count))

    def locate(self, row: int) -> tuple[int, int]:
        """Which line a row belongs to, and the how manyth row of that line it is."""
        if self._height is None:
            return row, 0
        index = bisect_left(self._ends, row + self._gone + 1)
        return index, row - self._end(index - 1)

    def row_of(self, index: int) -> int:
        """The first row of the line at that place."""
        return index if self._height is None else self._end(index - 1)

    def _end(self, index: int) -> int:
        return self._ends[index] - self._gone if index >= 0 else 0

    def _passing(self, lines: Sequence[LogLine], start: int) -> list[int]:
        search, inverse = self._pattern.search if self._pattern else _none, self._inverse
        return [
            number
            for number, line in enumerate(lines, start)
            if (search(line.text) is None) is inverse or line.source == MARKER
        ]


def _none(_text: str) -> None:
    return None
