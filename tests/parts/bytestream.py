"""What a program may send to a terminal: tokens of the byte stream, and an allow-list for them.

The grammar is ECMA-48 with the forms of xterm's control sequences (https://invisible-island.net/xterm/ctlseqs/).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "control", "esc", "csi", "osc", "string", "broken"]

_TOKEN = re.compile(
    rb"(?P<csi>\x1b\[[0-?]*[ -/]*[@-~])"
    rb"|(?P<osc>\x1b\][^\x07\x1b\x18\x1a]*(?:\x07|\x1b\\))"
    rb"|(?P<string>\x1b[PX^_][^\x1b\x18\x1a]*\x1b\\)"
    rb"|(?P<broken>\x1b(?:[\[\]PX^_]|$))"
    rb"|(?P<esc>\x1b[ -/]*[0-~])"
    rb"|(?P<lone>\x1b)"
    rb"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    rb"|(?P<text>[^\x00-\x1f\x7f]+)"
)
_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}

# Cursor shown, mouse, focus, alternate screen, bracketed paste, synchronised output, in-band resize, wrap.
MODES = {7, 25, 1000, 1002, 1003, 1004, 1006, 1015, 1016, 1049, 2004, 2026, 2048}
_ALLOWED_CSI = (
    re.compile(r"[0-9;:]*m"),
    re.compile(r"[0-9]*(;[0-9]*)?[Hf]"),
    re.compile(r"[0-9]*[ABCDEFGdJK]"),
    re.compile(r"\?[0-9]+\$p"),
    re.compile(r">[0-9]*u|<[0-9]*u|\?u|=[0-9;]*u"),
)
_MODE = re.compile(r"\?([0-9;]+)([hl])")
_TITLE = re.compile(r"[012];(.*)", re.DOTALL)
_POINTER = re.compile(r"22;[a-z-]*")


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of the stream: `body` is the text, the control character, or what stands after the introducer."""

    kind: Kind
    body: str
    offset: int


def tokens(data: bytes) -> Iterator[Token]:
    """Split a stream of bytes. Bytes that are no UTF-8, and sequences that do not end, are "broken"."""
    for match in _TOKEN.finditer(data):
        raw, offset = match.group(), match.start()
        match match.lastgroup:
            case "text":
                yield from _text(raw, offset)
            case "control":
                yield Token("control", raw.decode("ascii"), offset)
            case "csi":
                yield Token("csi", raw[2:].decode("ascii"), offset)
            case "osc":
                body = raw[2:].removesuffix(b"\x07").removesuffix(b"\x1b\\")
                yield Token("osc", body.decode("utf-8", "backslashreplace"), offset)
            case "string":
                yield Token("string", raw[1:-2].decode("utf-8", "backslashreplace"), offset)
            case "esc":
                yield Token("esc", raw[1:].decode("ascii"), offset)
            case _:
                yield Token("broken", repr(data[offset : offset + 16]), offset)


def _text(raw: bytes, offset: int) -> Iterator[Token]:
    try:
        yield Token("text", raw.decode(), offset)
    except UnicodeDecodeError as error:
        yield Token("broken", repr(raw[max(0, error.start - 4) : error.end + 4]), offset + error.start)


def offences(data: bytes, titles: Collection[str] = (), clipboard: bool = False, bell: bool = False) -> list[str]:
    """What in a stream is outside the allow-list: SGR, cursor movement, erasing, the modes of MODES, their queries, the
    kitty keyboard protocol, pointer shapes, and titles out of `titles`; OSC 52 with `clipboard`, BEL with `bell`.
    """
    found = []
    for token in tokens(data):
        reason = _offence(token, titles, clipboard, bell)
        if reason:
            around = data[max(0, token.offset - 24) : token.offset + 40]
            found.append(f"byte {token.offset}: {reason} {token.body!r} in {around!r}")
    return found


def _offence(token: Token, titles: Collection[str], clipboard: bool, bell: bool) -> str | None:
    body = token.body
    match token.kind:
        case "text":
            bad = next((char for char in body if 0x80 <= ord(char) <= 0x9F or ord(char) in _BIDI), None)
            return f"character U+{ord(bad):04X}" if bad else None
        case "control":
            return None if body in "\r\n\t\b" or (bell and body == "\a") else "control character"
        case "csi":
            mode = _MODE.fullmatch(body)
            if mode:
                known = all(part.isdigit() and int(part) in MODES for part in mode[1].split(";"))
                return None if known else "mode"
            return None if any(form.fullmatch(body) for form in _ALLOWED_CSI) else "control sequence"
        case "osc":
            title = _TITLE.fullmatch(body)
            if title:
                return None if title[1] in titles else "title"
            allowed = _POINTER.fullmatch(body) or (clipboard and body.startswith("52;c;"))
            return None if allowed else "operating system command"
        case "esc":
            return None if body in ("7", "8", "=", ">", "(B") else "escape sequence"
        case "string":
            return "control string"
        case "broken":
            return "broken sequence"


def check_bytes(
    data: bytes,
    titles: Collection[str] = (),
    clipboard: bool = False,
    bell: bool = False,
    forbidden: Collection[bytes] = (),
) -> None:
    """Raise AssertionError where a stream holds something outside the allow-list (see `offences`), or one of
    `forbidden` literally: hostile sequences that would be allowed from the program itself, such as leaving the
    alternate screen."""
    found = offences(data, titles, clipboard, bell)
    found += [f"byte {data.index(piece)}: forbidden {piece!r}" for piece in forbidden if piece in data]
    assert not found, f"{len(found)} outside the allow-list:\n" + "\n".join(found[:20])
