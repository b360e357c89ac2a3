"""How a key is written for people: as on a keyboard, not as Textual names it."""

from __future__ import annotations

PRETTY = {
    "enter": "Enter", "escape": "Esc", "backspace": "Bksp", "space": "Space", "slash": "/", "colon": ":",
    "question_mark": "?", "equals_sign": "=", "ampersand": "&", "vertical_line": "|", "tab": "Tab",
    "shift+tab": "S-Tab", "left_square_bracket": "[", "right_square_bracket": "]", "backslash": "\\", "at": "@",
    "left": "←", "right": "→", "up": "↑", "down": "↓", "home": "Home", "end": "End",
}  # fmt: skip


def pretty(keys: tuple[str, ...]) -> str:
    """The first key of a verb as it is written on a keyboard."""
    return PRETTY.get(keys[0], keys[0]) if keys else ""
