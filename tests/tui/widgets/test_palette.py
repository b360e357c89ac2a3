from typing import Any

import pytest
from textual.widgets import Static

from quarterdeck.widgets.cells import ASCII, UNICODE
from quarterdeck.widgets.palette import NAMES, Palette


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "nord", "ansi-dark", "ansi-light"])
async def test_every_name_has_a_style_in_every_theme(app_of: Any, theme: str) -> None:
    app = app_of(Static("x", markup=False))
    async with app.run_test() as pilot:
        app.theme = theme
        await pilot.pause()
        palette = Palette.of(app)
        for name in NAMES:
            style = palette.style(name)
            assert style, name
            for colour in (style.color, style.bgcolor):
                if colour is not None and theme.startswith("ansi"):
                    assert colour.is_system_defined, name
        words = ["ok", "warn", "bad"]
        assert len({palette.style(name).color for name in words}) == len(words)
        assert palette.style("cursor") != palette.style("cursor-blur")


def test_an_environment_has_its_own_colour() -> None:
    palette = Palette({})
    red = palette.style("env:red")
    assert red.bold
    assert red.color is not None
    assert red.color.number == 1
    own = palette.style("env:#aabbcc").color
    assert own is not None
    assert own.name == "#aabbcc"
    assert palette.style("env:no such colour").color is None


def test_sgr_words_are_styles_and_links_are_not() -> None:
    palette = Palette({}, ansi=True)
    assert palette.style("bold red on #001122").bold
    assert palette.style("reverse color(208)").reverse
    for name in ("", "no such style", "link https://x", "bold link https://x", "]", "red " * 100):
        assert not palette.style(name), name


def test_a_theme_without_a_colour_still_has_styles() -> None:
    for palette in (Palette({}), Palette({"error": "not a colour", "background": "", "foreground": "auto 50%"})):
        for name in NAMES:
            palette.style(name)
        assert palette.style("bad").bold


def test_the_signs_follow_the_terminal() -> None:
    assert Palette({}).glyphs is UNICODE
    assert Palette({}, ascii=True).glyphs is ASCII
