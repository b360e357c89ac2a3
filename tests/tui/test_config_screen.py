"""What the config changes on the screen: keys, themes, sources; read again while the deck runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import quarterdeck.boot as booting
from deckcase import Deck, deck
from quarterdeck.app import QuarterdeckApp
from quarterdeck.boot import Boot
from quarterdeck.screens.confirm import ConfirmDialog
from quarterdeck_adapters.base import Context
from quarterdeck_config.schema import Config
from quarterdeck_config.schema import Source as SourceConfig
from quarterdeck_config.trust import trust
from quarterdeck_lifecycle.errors import ToolMissing
from scripted import Does, Scripted, container

Write = Callable[..., None]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scripted]:
    """Every configured source becomes a scripted one with one container of its name; here by the source's name."""
    found: dict[str, Scripted] = {}

    def make(config: SourceConfig, context: Context) -> Scripted:
        source = Scripted(config.name, [container(f"on-{config.name}", source=config.name)])
        source.environment = config.environment or ""
        found[config.name] = source
        return source

    monkeypatch.setattr(booting.catalog, "make", make)
    return found


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the project's file, trusted unless said otherwise."""

    def write(text: str, *, trusted: bool = True) -> None:
        path = tmp_path / "quarterdeck.yaml"
        path.write_text(text)
        if trusted:
            trust(path)

    return write


@contextlib.asynccontextmanager
async def configured(folder: Path, size: tuple[int, int] = (160, 45)) -> AsyncIterator[Deck]:
    """A deck on the config of a folder, and on nothing that is found."""
    app = QuarterdeckApp(Boot(cwd=folder, discovery=False, title="case"))
    async with app.run_test(size=size, notifications=True) as pilot:
        d = Deck(app, pilot)
        await d.rest()
        yield d


async def reload(d: Deck) -> None:
    await d.press(":")
    await d.burst("config.reload", "enter")


def second(d: Deck) -> str:
    return d.text.split("\n")[1]


async def test_a_rebound_key_acts_and_stands_in_the_footer_and_in_the_help() -> None:
    source = Scripted(rows=[container("api")])
    source.actions["container.restart"] = Does(source, "container.restart")
    config = Config(keys={"container.restart": "f5", "zoom": "Z"})
    async with deck([source], size=(120, 60), config=config) as d:
        assert "f5 restart" in d.text.split("\n")[-1]
        await d.press("f5")
        assert isinstance(d.app.screen, ConfirmDialog)
        assert "RESTART api" in d.text
        await d.press("escape", "z")
        assert not d.app.deck.zoomed
        await d.press("Z")
        assert d.app.deck.zoomed
        help_line = next(line for line in (await d.press("?")).split("\n") if "restart" in line)
        assert help_line.split()[0] == "f5"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"zoom": "s"}, "keys.zoom: found s, expected another key: sort has it in the same place"),
        ({"container.restart": "y"}, "keys.container.restart: found y, expected another key: y confirms"),
        ({"container.restart": "r"}, "lower case looks, capitals act"),
        ({"zom": "f5"}, "keys.zom: found an unknown id"),
        ({"zoom": "nokey"}, "keys.zoom: found an unknown key"),
    ],
)
async def test_a_key_that_cannot_be_is_named_in_the_second_line_and_the_default_stays(
    keys: dict[str, str], said: str
) -> None:
    async with deck([Scripted(rows=[container("api")])], size=(160, 24), config=Config(keys=keys)) as d:
        assert said in second(d)
        await d.press("z")
        assert d.app.deck.zoomed


async def test_reload_exchanges_sources_keys_and_theme(tmp_path: Path, made: dict[str, Scripted], write: Write) -> None:
    write("sources: [{name: one, system: docker}, {name: two, system: docker}]\n")
    async with configured(tmp_path) as d:
        assert "on-one" in d.text
        assert "on-two" in d.text
        one, theme = made["one"], d.app.theme
        write(
            "sources: [{name: one, system: docker}, {name: three, system: docker}]\n"
            "keys: {zoom: f4}\ntheme: deck-light\n"
        )
        await reload(d)
        await d.shows("on-three")
        assert "on-two" not in d.text.replace("on-two gone", "")
        assert made["one"] is one
        assert d.toasts[-1] == "config read again: no problems"
        assert (theme, d.app.theme) == ("deck-dark", "deck-light")
        await d.press("z")
        assert not d.app.deck.zoomed
        await d.press("f4")
        assert d.app.deck.zoomed
        write("sources: [{name: one, system: docker, environment: prod}]\nenvironments: {prod: {protected: true}}\n")
        await reload(d)
        await d.shows("prod:RO")
        assert made["one"] is not one
        assert d.app.theme == "deck-dark"
        await d.press("f4")
        assert d.app.deck.zoomed
        await d.press("z")
        assert not d.app.deck.zoomed


async def test_a_theme_of_ones_own_is_taken_up_and_changed(
    tmp_path: Path, made: dict[str, Scripted], write: Write
) -> None:
    write("theme: mine\nthemes: {mine: {background: '#000010'}}\n")
    async with configured(tmp_path) as d:
        assert d.app.theme == "mine"
        assert d.app.screen.styles.background.hex == "#000010"
        write("theme: mine\nthemes: {mine: {background: '#200000'}}\n")
        await reload(d)
        await d.until(lambda: d.app.screen.styles.background.r > 16)


async def test_a_broken_edit_keeps_the_old_sources_and_says_what_is_wrong_until_it_is_mended(
    tmp_path: Path, made: dict[str, Scripted], write: Write
) -> None:
    write("sources: [{name: one, system: docker}]\nkeys: {zoom: f4}\n")
    async with configured(tmp_path) as d:
        for broken, said in (
            ("sources: [{name: one, system: docker}\n", "quarterdeck.yaml"),
            ("sources: [{name: one, system: docker}, {nam: two}]\nkeys: {}\n", "quarterdeck.yaml:1"),
        ):
            write(broken)
            await reload(d)
            assert "on-one" in d.text
            assert "the old config stays" in d.toasts[-1]
            assert said in d.toasts[-1]
            assert "the old config stays: quarterdeck.yaml" in second(d)
        await d.press("f4")
        assert d.app.deck.zoomed
        await d.press("f4")
        write("sources: [{name: two, system: docker}]\n")
        await reload(d)
        await d.shows("on-two")
        assert "the old config stays" not in second(d)


async def test_a_source_that_cannot_be_made_says_so_until_it_leaves_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    def make(config: SourceConfig, context: Context) -> Scripted:
        raise ToolMissing(f"{config.name} cannot be opened", source=config.name, mend="install it")

    monkeypatch.setattr(booting.catalog, "make", make)
    write("sources: [{name: one, system: docker}]\n")
    async with configured(tmp_path) as d:
        assert "one: one cannot be opened (install it)" in d.text
        write("sources: []\n")
        await reload(d)
        assert "cannot be opened" not in d.text


async def test_a_broken_config_at_the_start_says_so_until_it_is_mended(
    tmp_path: Path, made: dict[str, Scripted], write: Write
) -> None:
    write("sources: [{name: one, system: docker}\n")
    async with configured(tmp_path) as d:
        assert "quarterdeck.yaml" in second(d)
        write("sources: [{name: one, system: docker}]\n")
        await reload(d)
        await d.shows("on-one")
        assert "quarterdeck.yaml" not in second(d)


async def test_an_untrusted_project_is_said_in_one_line(
    tmp_path: Path, made: dict[str, Scripted], write: Write
) -> None:
    write(
        "sources: [{name: one, system: docker, url: 'tcp://far.example.invalid:2375', token: {env: SECRET}}]\n",
        trusted=False,
    )
    async with configured(tmp_path) as d:
        assert "quarterdeck.yaml is not trusted" in second(d)
        assert "quarterdeck trust" in second(d)
        trust(tmp_path / "quarterdeck.yaml")
        await reload(d)
        assert "trusted" not in second(d)
        write("sources: [{name: one, system: docker, token: {env: OTHER}}]\n", trusted=False)
        await reload(d)
        assert "changed since you trusted it" in second(d)
        assert "changed since you trusted it" in d.toasts[-1]
