"""Escape sequences as terminals read them: where one ends, and what an SGR one means.

Sources: ECMA-48 (5th edition) sections 5.3-5.6 and 8.3.117, and xterm's control sequences
(https://invisible-island.net/xterm/ctlseqs/ctlseqs.html). Nothing here is a gate: see ``text``.
"""

import re
from functools import lru_cache
from typing import NamedTuple

SEQUENCE = re.compile(
    r"\x1b(?:"
    r"\[(?P<csi>[0-?]*+[ -/]*+[@-~])"  # CSI
    r"|[\]PX^_][^\x07\x18\x1a\x1b\x9c\n]*+(?:\x07|\x1b\\|\x9c)"  # OSC DCS SOS PM APC, terminated
    r"|[ -/]++[0-~]"  # nF, such as a change of character set
    r"|[0-OQ-WYZ\\`-~]"  # Fp, Fe, Fs
    r")"
)
"""One whole sequence that starts with ESC. Every part is possessive, so a search is linear in the text."""

_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_ON = {
    1: "bold",
    2: "dim",
    3: "italic",
    4: "underline",
    7: "reverse",
    9: "strike",
    21: "underline2",
    53: "overline",
}
_OFF = {
    22: ("bold", "dim"),
    23: ("italic",),
    24: ("underline", "underline2"),
    27: ("reverse",),
    29: ("strike",),
    55: ("overline",),
}


class Sgr(NamedTuple):
    """The rendition in force: colours by name (``red``, ``color(208)``, ``#aabbcc``) and attributes."""

    fg: str = ""
    bg: str = ""
    attributes: frozenset[str] = frozenset()

    @property
    def style(self) -> str:
        """The style in words, such as ``bold red on blue``; empty when nothing is set."""
        words = sorted(self.attributes)
        if self.fg:
            words.append(self.fg)
        if self.bg:
            words += ("on", self.bg)
        return " ".join(words)


PLAIN = Sgr()


def sgr_parameters(csi: str) -> str | None:
    """The parameters of a CSI sequence if it is an SGR one, else None (private forms too)."""
    body = csi[:-1]
    return body if csi[-1] == "m" and not body.strip("0123456789;:") else None


@lru_cache(maxsize=1024)
def apply_sgr(state: Sgr, parameters: str) -> Sgr:
    """The rendition after one SGR sequence with these parameters (``1;38;5;208``).

    Conceal and blink are left out on purpose: the one hides text from the reader, the other never rests.
    What is malformed or unknown changes nothing.
    """
    items = parameters.split(";")
    at = 0
    while at < len(items):
        item = items[at]
        at += 1
        if ":" in item:
            state = _apply_colon(state, item.split(":"))
            continue
        code = _number(item or "0")
        if code in (38, 48, 58):
            colour, used = _extended(items[at:])
            at += used
            state = _coloured(state, code, colour)
        else:
            state = _apply_code(state, code)
    return state


def _apply_code(state: Sgr, code: int) -> Sgr:
    if code == 0:
        return PLAIN
    if code in _ON:
        return state._replace(attributes=state.attributes | {_ON[code]})
    if code in _OFF:
        return state._replace(attributes=state.attributes.difference(_OFF[code]))
    if 30 <= code <= 37:
        return state._replace(fg=_COLOURS[code - 30])
    if 40 <= code <= 47:
        return state._replace(bg=_COLOURS[code - 40])
    if 90 <= code <= 97:
        return state._replace(fg="bright_" + _COLOURS[code - 90])
    if 100 <= code <= 107:
        return state._replace(bg="bright_" + _COLOURS[code - 100])
    if code == 39:
        return state._replace(fg="")
    if code == 49:
        return state._replace(bg="")
    return state


def _apply_colon(state: Sgr, parts: list[str]) -> Sgr:
    """The ISO 8613-6 form: ``38:5:208``, ``38:2::170:187:204`` (with a colour space), ``4:3`` (wavy)."""
    code = _number(parts[0])
    if code == 4:
        return _apply_code(state, 24 if parts[1] == "0" else 4)
    if code not in (38, 48):
        return state
    rest = parts[1:]
    if rest[:1] == ["2"] and len(rest) >= 5:
        rest = ["2", *rest[2:5]]
    return _coloured(state, code, _extended(rest)[0])


def _extended(items: list[str]) -> tuple[str, int]:
    """The colour that ``5;N`` or ``2;R;G;B`` names (else empty) and how many items that takes."""
    mode = items[0] if items else ""
    if mode == "5":
        index = _number(items[1]) if len(items) > 1 else -1
        return (f"color({index})" if 0 <= index <= 255 else ""), 2
    if mode == "2":
        rgb = [_number(item or "0") for item in items[1:4]]
        valid = len(rgb) == 3 and all(0 <= value <= 255 for value in rgb)
        return ("#{:02x}{:02x}{:02x}".format(*rgb) if valid else ""), 4
    return "", len(items)


def _coloured(state: Sgr, code: int, colour: str) -> Sgr:
    if not colour or code == 58:
        return state
    return state._replace(fg=colour) if code == 38 else state._replace(bg=colour)


def _number(digits: str) -> int:
    """A parameter's value; -1 for what no parameter can be (int() itself refuses 5,000 digits)."""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 4 else -1
