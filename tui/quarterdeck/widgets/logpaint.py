"""How one line of a log is shown: its prefix, its colours, its rows when wrapped; pure."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from zlib import crc32

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from rich.style import Style

from quarterdeck_lifecycle.text import LogLine, Span

from .cells import ascii_twin, literal, literal_parts
from .logbuffer import MARKER
from .palette import Palette

Columns = Callable[[str], list[tuple[str, str]] | None]
"""Splits a line's text into fields, each with a style's name; None or nothing shows the line as it came."""

WRAP_CHARS = 8192
"""Of a wrapped line at most this many characters are shown."""
_MAX_SPANS = 200
_TAB = 8
_SOURCE_STYLES = ("cyan", "magenta", "blue", "green", "yellow")
_LEVELS = ("error", "warn", "info", "debug")
_LEVEL = re.compile(
    r"\b(?:(ERROR|ERR|FATAL|CRITICAL|PANIC|SEVERE)|(WARN(?:ING)?)|(INFO|NOTICE)|(DEBUG|TRACE))\b"
    r'|\blevel"?\s?[=:]\s?"?(?:(error|fatal|critical|panic)|(warn(?:ing)?)|(info|notice)|(debug|trace))\b'
)


def level_of(text: str) -> Span | None:
    """Where a line says its level and which one it is: error, warn, info or debug."""
    match = _LEVEL.search(text, 0, 256)
    if match is None or match.lastindex is None:
        return None
    group = match.lastindex
    return match.start(group), match.end(group), _LEVELS[(group - 1) % 4]


def utc_clock(at: float) -> str:
    """Hours to milliseconds of a time in seconds since the epoch, in UTC."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:12]
    except (OverflowError, OSError, ValueError):
        return "--:--:--.---"


@dataclass(frozen=True, slots=True)
class Look:
    """What is shown of every line besides its text, and how its text is read."""

    timestamps: bool = False
    sources: bool = False
    columns: Columns | None = None
    format_time: Callable[[float], str] = utc_clock
    ascii: bool = False

    def compose(self, line: LogLine, limit: int) -> tuple[str, list[Span]]:
        """The text as it is shown, of at most about ``limit`` characters, and its styles; later ones win."""
        if line.source == MARKER:
            text = self._own(f"── {literal(line.text)} ──")
            return text, [(0, len(text), "marker")]
        prefix, spans = self._prefix(line)
        body, own = self._body(line, limit)
        shift = len(prefix)
        spans += [(start + shift, end + shift, style) for start, end, style in own]
        return self._own(prefix + body), spans

    def height(self, line: LogLine, width: int) -> int:
        """The rows that a line takes when wrapped at ``width`` cells."""
        text = line.text
        if text.isascii() and self.columns is None and line.source != MARKER and len(text) <= WRAP_CHARS:
            text = text.expandtabs(_TAB)
            if text.isprintable():
                used = len(text)
                if self.timestamps or self.sources:
                    prefix = self._prefix(line)[0]
                    used += len(prefix)
                    if cell_len(prefix) != len(prefix):
                        return len(rows_of(prefix + text, width))
                return max(-(-used // max(width, 1)), 1)
        return len(rows_of(self.compose(line, WRAP_CHARS)[0], width))

    def _prefix(self, line: LogLine) -> tuple[str, list[Span]]:
        text, spans = "", []
        if self.timestamps:
            text = f"{self.format_time(line.at)} " if line.at is not None else " " * 13
            spans.append((0, len(text), "dim"))
        if self.sources and line.source:
            start, source = len(text), literal(line.source)
            text += f"{source} │ "
            style = _SOURCE_STYLES[crc32(line.source.encode("utf-8", "replace")) % len(_SOURCE_STYLES)]
            spans.append((start, len(text), style))
        return text, spans

    def _body(self, line: LogLine, limit: int) -> tuple[str, list[Span]]:
        fields = self.columns(line.text) if self.columns is not None else None
        if fields:
            return _joined(fields, limit)
        text = line.text[:limit]
        spans = [span for span in line.spans[:_MAX_SPANS] if span[0] < limit]
        if len(line.text) > limit:
            text += "…"
        if not spans:
            level = level_of(text)
            spans = [level] if level else []
        return literal_line(text, spans)

    def _own(self, text: str) -> str:
        if not self.ascii or text.isascii():
            return text
        return "".join((ascii_twin(char) or "?")[:1] for char in text)


def _joined(fields: list[tuple[str, str]], limit: int) -> tuple[str, list[Span]]:
    """The fields side by side, two blanks between them."""
    text, spans = "", []
    for field, style in fields:
        if len(text) >= limit:
            break
        start, text = len(text), text + literal(field[:limit])
        if style:
            spans.append((start, len(text), style))
        text += "  "
    return text.rstrip(), spans


def literal_line(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    """The text made literal, tabs expanded, and the spans where they belong now."""
    if text.isascii() and text.isprintable():
        return text, spans
    parts = literal_parts(text, _TAB)
    if not spans:
        return "".join(parts), spans
    at, places = 0, []
    for part in parts:
        places.append(at)
        at += len(part)
    places.append(at)
    last = len(places) - 1
    return "".join(parts), [(places[min(a, last)], places[min(b, last)], style) for a, b, style in spans]


def rows_of(text: str, width: int) -> list[tuple[int, int]]:
    """Start and end, in characters, of each row of a text wrapped at ``width`` cells; one row at the least."""
    width = max(width, 1)
    size = len(text)
    if text.isascii():
        return [(start, min(start + width, size)) for start in range(0, max(size, 1), width)]
    rows, start, used = [], 0, 0
    for place, char in enumerate(text):
        cells = get_character_cell_size(char)
        if used + cells > width and place > start:
            rows.append((start, place))
            start, used = place, 0
        used += cells
    rows.append((start, size))
    return rows


def paint(text: str, spans: Iterable[Span], start: int, end: int, palette: Palette, base: Style) -> list[Segment]:
    """The characters from ``start`` to ``end`` as segments, each with the styles of the spans over it."""
    over = [(max(a, start), min(b, end), style) for a, b, style in spans if a < end and b > start and a < b]
    cuts = sorted({start, end, *(a for a, _, _ in over), *(b for _, b, _ in over)})
    segments = []
    for left, right in pairwise(cuts):
        style = base
        for a, b, name in over:
            if a <= left and right <= b:
                style += palette.style(name)
        segments.append(Segment(text[left:right], style))
    return segments


def cells_before(text: str, place: int) -> int:
    """The cells that the characters before ``place`` take."""
    return cell_len(text[:place])
