"""The one gate for text from outside: what a system sent is made safe to show, here and nowhere else.

``clean`` and ``clean_line`` are for strings of records; ``LineGate`` is for streams of log bytes, where it
turns colours into spans. What passes holds no character of Unicode's categories Cc, Cf, Cs, Zl or Zp but
``\\n`` and ``\\t``, so no terminal reads a command in it and no bidi control reorders it.
"""

import re

from .ansi import SEQUENCE

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
_CUT_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+|[ -/]*+)\Z")


def clean(text: str, limit: int = 10_000) -> str:
    """Text of several lines, made safe: at most ``limit`` characters, a cut one ends with ``…``.

    ``\\n`` and ``\\t`` stay and ``\\r\\n`` becomes ``\\n``. A whole escape sequence becomes ``␛``. Other controls
    become their picture (``␀``, ``␡``), C1 controls and lone surrogates an escape (``\\x9b``, ``\\udc80``), bidi,
    zero-width and other format characters their code (``<U+202E>``). Nothing goes without a mark. Cleaning
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
