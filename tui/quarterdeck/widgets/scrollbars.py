"""Scroll bars of whole cells: their ends cost no sign that a locale without UTF-8 lacks."""

from __future__ import annotations

from typing import ClassVar

from textual.scrollbar import ScrollBar, ScrollBarRender


class BlockBar(ScrollBarRender):
    """A bar whose ends stand on cell borders; it is drawn by colour alone."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "]


def choose(ascii_only: bool) -> None:
    """Which bars all widgets draw from now on."""
    ScrollBar.renderer = BlockBar if ascii_only else ScrollBarRender
