"""Themes can be read, and told apart."""

from __future__ import annotations

import re

import pytest

from quarterdeck_config.themes import (
    ANSI_THEMES,
    COLOR_KEYS,
    DEFAULT_THEME,
    THEMES,
    contrast,
    resolve_theme,
    theme_names,
)

OKABE_ITO = {"#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"}


def test_names() -> None:
    assert theme_names({"mine": {}}) == (
        *("deck-dark", "deck-light", "deck-colorblind"),
        *("ansi-dark", "ansi-light"),
        "mine",
    )


@pytest.mark.parametrize("name", THEMES)
def test_every_colour_is_given_and_readable(name: str) -> None:
    colors = THEMES[name].colors
    assert tuple(colors) == COLOR_KEYS
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors.values())
    grounds = [colors[key] for key in ("background", "surface", "panel")]
    texts = set(COLOR_KEYS) - {"background", "surface", "panel", "cursor"}
    poor = [(key, ground) for key in sorted(texts) for ground in grounds if contrast(colors[key], ground) < 4.5]
    assert poor == []
    assert contrast(colors["foreground"], colors["cursor"]) >= 4.5


def test_contrast_is_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_colorblind_states_are_of_the_palette_and_differ() -> None:
    colors = THEMES["deck-colorblind"].colors
    states = [colors[key] for key in ("success", "warning", "error", "running", "waiting")]
    assert set(states) <= OKABE_ITO
    assert len(set(states)) == len(states)


def test_resolving() -> None:
    assert resolve_theme(None) == (THEMES[DEFAULT_THEME], "")
    for name in ANSI_THEMES:
        assert resolve_theme(name) == (None, "")
    theme, problem = resolve_theme("dek-light")
    assert theme is THEMES[DEFAULT_THEME]
    assert problem == "theme: found the unknown theme dek-light, expected deck-light (did you mean that?)"
    custom, problem = resolve_theme("mine", {"mine": {"background": "#ffffff", "glow": "#000000"}})
    assert custom is not None
    assert (custom.name, custom.dark, custom.colors["background"]) == ("mine", False, "#ffffff")
    assert custom.colors["error"] == THEMES[DEFAULT_THEME].colors["error"]
    assert problem == "themes.mine: no theme has the colour glow"
