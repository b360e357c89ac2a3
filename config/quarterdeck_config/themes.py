"""The colours of the deck, as data. State is never told by colour alone: a glyph and a word stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from itertools import cycle
from types import MappingProxyType

import msgspec

from quarterdeck_config.schema import Environment

DEFAULT_THEME = "deck-dark"
ENVIRONMENT_COLOURS = ("cyan", "green", "yellow", "magenta", "blue")
"""What environments without a colour of their own get, in their order."""
ANSI_THEMES = ("ansi-dark", "ansi-light")
"""Textual's own two that use the terminal's 16 colours: for NO_COLOR, slow links and 16-colour terminals."""

COLOR_KEYS = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
    "running",
    "waiting",
    "unknown",
    "muted",
    "protected",
    "cursor",
)
"""What every theme gives a colour to. The first ten are Textual's theme fields; the others are variables."""


class ThemeData(msgspec.Struct, frozen=True):
    """A theme: ``colors`` maps each of `COLOR_KEYS` to #rrggbb."""

    name: str
    dark: bool
    colors: Mapping[str, str]


def _theme(name: str, dark: bool, colors: str) -> ThemeData:
    return ThemeData(name, dark, MappingProxyType(dict(zip(COLOR_KEYS, colors.split(), strict=True))))


THEMES: Mapping[str, ThemeData] = MappingProxyType(
    {
        theme.name: theme
        for theme in (
            _theme(
                "deck-dark",
                True,
                "#6cb6ff #96d0ff #dcbdfb #d4dae1 #14181d #1b2027 #252c35 #6bc46d"
                " #e0a640 #ff7a72 #6cb6ff #dcbdfb #a9b4c0 #8b97a4 #ff7a72 #2f4666",
            ),
            _theme(
                "deck-light",
                False,
                "#0a5cc2 #17618f #7a3fc0 #1f2328 #ffffff #f5f7f9 #e6eaee #14702c"
                " #855300 #c21f2a #0a5cc2 #7a3fc0 #57606a #5c656e #c21f2a #cfe2fb",
            ),
            # Okabe and Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/: told apart with
            # protanopia, deuteranopia and tritanopia. Blue says fine, vermillion broken.
            _theme(
                "deck-colorblind",
                True,
                "#56b4e9 #009e73 #cc79a7 #e6e6e6 #0e0e0e #131313 #181818 #56b4e9"
                " #f0e442 #d55e00 #009e73 #cc79a7 #b3b3b3 #999999 #e69f00 #0d3a5c",
            ),
        )
    }
)


def theme_names(custom: Mapping[str, Mapping[str, str]] | None = None) -> tuple[str, ...]:
    """All names that ``theme:`` may have, ``custom`` ones (the config's ``themes``) included."""
    return tuple(dict.fromkeys((*THEMES, *ANSI_THEMES, *(custom or {}))))


def resolve_theme(
    name: str | None, custom: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[ThemeData | None, str]:
    """(theme, problem): the colours of ``name``, None for one of `ANSI_THEMES`, which Textual draws itself.

    A custom theme says only what differs from `DEFAULT_THEME`, or from the deck's theme of the same name;
    keys that no theme has are left out. An unknown name gives the default theme and a problem to show.
    """
    chosen = name or DEFAULT_THEME
    overrides = (custom or {}).get(chosen)
    if overrides is not None:
        base = THEMES.get(chosen, THEMES[DEFAULT_THEME])
        unknown = [key for key in overrides if key not in COLOR_KEYS]
        known = {key: color for key, color in overrides.items() if key in COLOR_KEYS}
        colors = MappingProxyType({**base.colors, **known})
        dark = _luminance(colors["background"]) < 0.5
        problem = f"themes.{chosen}: no theme has the colour {unknown[0]}" if unknown else ""
        return msgspec.structs.replace(base, name=chosen, dark=dark, colors=colors), problem
    if chosen in ANSI_THEMES:
        return None, ""
    if chosen in THEMES:
        return THEMES[chosen], ""
    names = theme_names(custom)
    near = get_close_matches(chosen, names, n=1)
    expected = f"{near[0]} (did you mean that?)" if near else "one of: " + ", ".join(names)
    return THEMES[DEFAULT_THEME], f"theme: found the unknown theme {chosen}, expected {expected}"


def _luminance(color: str) -> float:
    """Relative luminance of #rrggbb, 0 to 1 (WCAG 2.2, "relative luminance"); 0 for a named colour."""
    if not color.startswith("#"):
        return 0.0
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two #rrggbb colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def environment_colours(environments: Mapping[str, Environment]) -> dict[str, str]:
    """Each environment's colour: its own, red where it is protected, else one of a few, in their order."""
    rest = cycle(ENVIRONMENT_COLOURS)
    return {name: e.color or ("red" if e.protected else next(rest)) for name, e in environments.items()}
