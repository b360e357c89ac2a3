"""The semantic names of styles, resolved against the theme that the app shows now."""

from collections.abc import Mapping
from functools import lru_cache

from rich.color import Color as RichColor
from rich.errors import StyleSyntaxError
from rich.style import Style
from textual.app import App
from textual.color import Color, ColorParseError

from .cells import ASCII, UNICODE, Glyphs

NAMES = frozenset({"ok", "warn", "bad", "error", "info", "accent", "dim", "debug", "ghost", "head"}) | {
    *("mark", "marker", "cursor", "cursor-blur", "hit", "hit-now", "select"),
}
"""What ``Palette.style`` knows besides ``env:COLOUR`` and the words of an SGR colour (``red on blue``)."""

_PLAIN_COLOURS = frozenset(("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"))
_COLOUR_OF = {
    "ok": "success",
    "warn": "warning",
    "bad": "error",
    "error": "error",
    "info": "primary",
    "accent": "accent",
}
_ATTRIBUTES = {
    "bad": Style(bold=True),
    "error": Style(bold=True),
    "head": Style(bold=True),
    "mark": Style(bold=True),
    "marker": Style(bold=True),
}


class Palette:
    """Styles by name for one theme; ANSI themes get attributes where others get shades of a colour.

    ``variables`` are the theme's (``App.theme_variables``). ``ascii`` asks for the ASCII twins of the signs.
    """

    def __init__(self, variables: Mapping[str, str], *, ansi: bool = False, ascii: bool = False) -> None:
        self.ascii = ascii
        self.glyphs: Glyphs = ASCII if ascii else UNICODE
        self._ansi = ansi
        self._variables = variables
        self._known: dict[str, Style] = {"": Style.null()}

    @classmethod
    def of(cls, app: App[object]) -> "Palette":
        """The palette of the app's current theme; ``app.ascii_glyphs``, if true, asks for the ASCII twins."""
        ascii = bool(getattr(app, "ascii_glyphs", False))
        return cls(app.theme_variables, ansi=app.native_ansi_color, ascii=ascii)

    def style(self, name: str) -> Style:
        """The style of that name; an unknown name has no style of its own."""
        style = self._known.get(name)
        if style is None:
            style = self._resolve(name)
            if len(self._known) < 4096:
                self._known[name] = style
        return style

    def _resolve(self, name: str) -> Style:
        if name.startswith("env:"):
            return Style(color=self._parse(name[4:]), bold=True)
        if name not in NAMES:
            return _sgr(name)
        style = _ATTRIBUTES.get(name, Style.null())
        colour = _COLOUR_OF.get(name)
        if colour is not None:
            return style + Style(color=self._colour(f"text-{colour}", colour))
        return style + (self._in_ansi(name) if self._ansi else self._in_shades(name))

    def _in_ansi(self, name: str) -> Style:
        match name:
            case "dim" | "debug":
                return Style(dim=True)
            case "ghost":
                return Style(dim=True, italic=True)
            case "cursor" | "hit-now":
                return Style(reverse=True)
            case "cursor-blur" | "hit" | "select":
                return Style(underline=True)
            case "mark" | "marker":
                return Style(color=self._colour("accent"))
        return Style.null()

    def _in_shades(self, name: str) -> Style:
        match name:
            case "dim" | "debug":
                return Style(color=self._blend("background", "foreground", 0.55))
            case "ghost":
                return Style(color=self._blend("background", "foreground", 0.45), italic=True)
            case "head":
                return Style(color=self._blend("background", "foreground", 0.75))
            case "mark" | "marker":
                return Style(color=self._colour("text-accent", "accent"))
            case "cursor":
                return Style(bgcolor=self._blend("background", "primary", 0.45))
            case "cursor-blur":
                return Style(bgcolor=self._blend("background", "primary", 0.18))
            case "select":
                return Style(bgcolor=self._blend("background", "primary", 0.6))
            case "hit":
                return Style(bgcolor=self._blend("background", "warning", 0.4))
            case "hit-now":
                return Style(bgcolor=self._colour("warning"), color=self._colour("background"), bold=True)
        return Style.null()

    def _colour(self, *names: str) -> RichColor | None:
        for name in names:
            colour = self._parse(self._variables.get(name) or "")
            if colour is not None:
                return colour
        return None

    def _parse(self, value: str) -> RichColor | None:
        try:
            colour = Color.parse(f"ansi_{value}") if value in _PLAIN_COLOURS else Color.parse(value)
        except ColorParseError:
            return None
        return None if colour.auto else colour.rich_color

    def _blend(self, under: str, over: str, share: float) -> RichColor | None:
        try:
            low = Color.parse(self._variables.get(under) or "")
            high = Color.parse(self._variables.get(over) or "")
        except ColorParseError:
            return None
        return low.blend(high, share, alpha=1.0).rich_color


@lru_cache(maxsize=2048)
def _sgr(words: str) -> Style:
    """The style that the words of an SGR colour name; a link or anything else unknown names none."""
    if "link" in words or len(words) > 120:
        return Style.null()
    try:
        return Style.parse(words)
    except StyleSyntaxError:
        return Style.null()
