"""The one gate for text from outside: what a system sent is made safe to show, here and nowhere else.

``clean`` and ``clean_line`` are for strings of records; ``LineGate`` is for streams of log bytes, where it
turns colours into spans. What passes holds no character of Unicode's categories Cc, Cf, Cs, Zl or Zp but
``\\n`` and ``\\t``, so no terminal reads a command in it and no bidi control reorders it.
"""

import re
from codecs import utf_8_decode
from typing import NamedTuple

from .ansi import PLAIN, SEQUENCE, apply_sgr, sgr_parameters

ESCAPE_MARK = "␛"
"""Stands where a whole escape sequence stood."""

# Cf of Unicode 15.1 with the unassigned places between them; a test holds it to the running Python's table.
_FORMAT = (
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"
)
_UNSAFE = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_FORMAT}]")
_UNSAFE_IN_LINE = re.compile(rf"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_FORMAT}]")
_BLOCK = 64 * 1024
_CUT_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+|[ -/]*+)\Z")


def clean(text: str, limit: int = 10_000) -> str:
    """Text of several lines, made safe: at most ``limit`` characters, a cut one ends with ``…``.

    ``\\n`` and ``\\t`` stay, ``\\r\\n`` becomes ``\\n``. A whole escape sequence becomes ``␛``, another
    control its picture (``␀``, ``␡``), a C1 control or lone surrogate an escape (``\\x9b``, ``\\udc80``), a
    bidi, zero-width or other format character its code (``<U+202E>``). Nothing goes without a mark; cleaning
    twice changes nothing.
    """
    if len(text) <= limit and text.isprintable():
        return text
    return _cut(_visible(_head(text, limit).replace("\r\n", "\n"), _UNSAFE), len(text) > limit, limit)


def clean_line(text: str, limit: int = 2000) -> str:
    """Text for one line (a name, a title, a cell): as ``clean``, with ``␊ ␉ ␍`` for breaks and tabs."""
    if len(text) <= limit and text.isprintable():
        return text
    return _cut(_visible(_head(text, limit), _UNSAFE_IN_LINE), len(text) > limit, limit)


def strip_ansi(text: str) -> str:
    """The text without its escape sequences, for searching; what is left has not passed the gate."""
    return SEQUENCE.sub("", text) if "\x1b" in text else text


def _head(text: str, limit: int) -> str:
    """The part of a long text worth looking at, without the half of a sequence that the cut left."""
    return text if len(text) <= limit else _CUT_SEQUENCE.sub(ESCAPE_MARK, text[:limit])


def _cut(text: str, cut: bool, limit: int) -> str:
    if not cut and len(text) <= limit:
        return text
    return text[: max(limit - 1, 0)] + "…"


def _visible(text: str, unsafe: re.Pattern[str]) -> str:
    if "\x1b" in text:
        text = SEQUENCE.sub(ESCAPE_MARK, text)
    return unsafe.sub(_show, text)


def _show(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if code <= 0x9F:
        return f"\\x{code:02x}"
    if 0xD800 <= code <= 0xDFFF:
        return f"\\u{code:04x}"
    return f"<U+{code:04X}>"


Span = tuple[int, int, str]
"""Start and end (in characters of the text, end excluded) and a style such as ``bold red on #aabbcc``."""


class LogLine(NamedTuple):
    """One line of a log that has passed the gate; ``text`` holds no line break."""

    text: str
    spans: tuple[Span, ...]
    """Its colours, in order, not overlapping; empty for most lines."""
    source: str = ""
    """Who wrote it, such as a container's name, where several logs are shown as one."""
    at: float | None = None
    """When, in seconds since the epoch (UTC), where the system says so."""


class LineGate:
    """Turns the bytes of a log, in chunks cut anywhere, into lines that are safe to show.

    UTF-8 with errors replaced. A line ends at ``\\n`` or ``\\r\\n``; of a line that a lone ``\\r`` overwrites
    (a progress bar) what follows the last one stays. SGR colours become spans and end with their line; "erase
    to the end of the line" means nothing in a log and goes; every other sequence becomes ``␛``. Of a line
    longer than ``limit`` bytes the beginning is shown, then ``… +N bytes``: memory stays bounded.
    """

    def __init__(self, source: str = "", limit: int = 16 * 1024) -> None:
        self._source = source
        self._limit = limit
        self._held = bytearray()
        self._over = 0
        self._returned = False

    def feed(self, chunk: bytes) -> list[LogLine]:
        """The lines that this chunk ends; the rest is held for the next one."""
        if len(chunk) > _BLOCK:
            blocks = (chunk[at : at + _BLOCK] for at in range(0, len(chunk), _BLOCK))
            return [line for block in blocks for line in self.feed(block)]
        first, *others = chunk.split(b"\n")
        if not others:
            self._hold(first)
            return []
        last = others.pop()
        if self._held or self._over:
            self._hold(first)
            lines = self.flush()
        else:
            lines = [self._line(first)]
        self._returned = False
        lines += map(self._line, others)
        self._hold(last)
        return lines

    def flush(self) -> list[LogLine]:
        """The unfinished line, if there is one: call it when the log has ended."""
        if not self._held and not self._over:
            return []
        line = self._shown(bytes(self._held), self._over)
        self._held.clear()
        self._over = 0
        self._returned = False
        return [line]

    def _hold(self, piece: bytes) -> None:
        body = piece.rstrip(b"\r")
        if body:
            if self._returned or b"\r" in body:
                body = body.rpartition(b"\r")[2]
                self._held.clear()
                self._over = 0
            room = self._limit - len(self._held)
            self._held += body[:room]
            self._over += max(len(body) - room, 0)
            self._returned = False
        self._returned |= piece.endswith(b"\r")

    def _line(self, raw: bytes) -> LogLine:
        if b"\r" in raw:
            raw = raw.rstrip(b"\r").rpartition(b"\r")[2]
        if len(raw) > self._limit:
            return self._shown(raw[: self._limit], len(raw) - self._limit)
        return self._shown(raw, 0)

    def _shown(self, raw: bytes, over: int) -> LogLine:
        if not over:
            text = raw.decode("utf-8", "replace")
            if text.isprintable():
                return LogLine(text, (), self._source)
            return LogLine(*_with_spans(text), self._source)
        text, used = utf_8_decode(raw, "replace", False)
        whole = _CUT_SEQUENCE.sub("", text)
        over += len(raw) - used + len(text) - len(whole)
        text, spans = _with_spans(whole)
        return LogLine(f"{text}… +{over} bytes", spans, self._source)


def _with_spans(text: str) -> tuple[str, tuple[Span, ...]]:
    if "\x1b" not in text:
        return _UNSAFE.sub(_show, text), ()
    shown: list[str] = []
    spans: list[Span] = []
    state, length, at = PLAIN, 0, 0

    def add(piece: str) -> None:
        nonlocal length
        start, length = length, length + len(piece)
        shown.append(piece)
        style = state.style
        if not piece or not style:
            return
        if spans and spans[-1][1:] == (start, style):
            spans[-1] = (spans[-1][0], length, style)
        else:
            spans.append((start, length, style))

    for match in SEQUENCE.finditer(text):
        add(_UNSAFE.sub(_show, text[at : match.start()]))
        at = match.end()
        csi = match["csi"]
        parameters = sgr_parameters(csi) if csi else None
        if parameters is not None:
            state = apply_sgr(state, parameters)
        elif csi not in ("K", "0K"):
            add(ESCAPE_MARK)
    add(_UNSAFE.sub(_show, text[at:]))
    return "".join(shown), tuple(spans)
