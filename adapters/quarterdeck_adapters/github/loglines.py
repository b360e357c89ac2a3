"""Lines of a job's log: the time before each becomes its time, workflow commands become colours. Pure.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache

from quarterdeck_lifecycle.text import LineGate, LogLine, Span

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z ?")
_COMMAND = re.compile(r"(?:##)?\[(group|endgroup|error|warning|notice|debug|command|section)\]")
_SHOWN = {
    "group": ("", "bold"), "section": ("", "bold"), "error": ("Error: ", "bold red"),
    "warning": ("Warning: ", "yellow"), "notice": ("Notice: ", "cyan"), "debug": ("", "dim"), "command": ("", "cyan"),
}  # fmt: skip
_MARK = b"\xef\xbb\xbf"


@lru_cache(maxsize=64)
def _second(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _shift(spans: Iterable[Span], by: int) -> tuple[Span, ...]:
    moved = ((max(0, start + by), end + by, style) for start, end, style in spans)
    return tuple(span for span in moved if span[1] > span[0])


def read_line(line: LogLine, before: float | None, name: str) -> LogLine | None:
    """The line without its timestamp and with its command as a colour; None for one that only closes a group.

    `before` is the time of the line above, which a line without one takes.
    """
    text, spans, at = line.text, line.spans, before
    match = _TIME.match(text)
    if match is not None and (second := _second(match[1])) is not None:
        at = second + float(match[2] or 0)
        text, spans = text[match.end() :], _shift(spans, -match.end())
    command = _COMMAND.match(text)
    if command is not None:
        if command[1] == "endgroup":
            return None
        word, style = _SHOWN[command[1]]
        kept = _shift(spans, len(word) - command.end())
        text = word + text[command.end() :]
        head = len(word) if kept and word else len(text)
        spans = kept if kept and not word else ((0, head, style), *kept)
    return LogLine(text, spans, name, at)


class JobLines:
    """The bytes of one job's log, in chunks cut anywhere, as lines."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._gate = LineGate()
        self._at: float | None = None
        self._head: bytearray | None = bytearray()

    def feed(self, chunk: bytes) -> Iterator[LogLine]:
        """The lines that this chunk ends."""
        if self._head is not None:
            self._head += chunk
            if len(self._head) < len(_MARK):
                return
            chunk, self._head = bytes(self._head).removeprefix(_MARK), None
        yield from self._read(self._gate.feed(chunk))

    def flush(self) -> Iterator[LogLine]:
        """The last line, when the log does not end with a break."""
        if self._head:
            head, self._head = bytes(self._head), None
            yield from self._read(self._gate.feed(head))
        yield from self._read(self._gate.flush())

    def _read(self, lines: Iterable[LogLine]) -> Iterator[LogLine]:
        for line in lines:
            made = read_line(line, self._at, self._name)
            if made is not None:
                self._at = made.at
                yield made
