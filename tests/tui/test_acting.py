"""How the deck acts: what a menu speaks of, dialogs that would come late, marks, reload."""

from __future__ import annotations

import asyncio
from pathlib import Path

from deckcase import deck
from quarterdeck.boot import Boot
from quarterdeck_lifecycle.policy import Place
from scripted import Scripted, container


async def test_a_confirmation_that_comes_late_does_not_open_over_other_keys() -> None:
    source = Scripted(rows=[container("api")])
    ready = asyncio.Event()
    preview = source.stop.preview

    async def slow(ref, args):
        await ready.wait()
        return await preview(ref, args)

    source.stop.preview = slow  # type: ignore[method-assign]
    async with deck([source]) as d:
        await d.pilot.press("X")
        await d.until(lambda: "preview of stop" in " ".join(d.app.busy.names))
        await d.pilot.press("j")
        ready.set()
        await d.rest()
        assert d.app.screen is d.app.deck
        assert any("press its key again" in toast for toast in d.toasts)
        await d.press("X")
        await d.shows("STOP")


async def test_the_menu_speaks_of_the_marked_rows_it_acts_on() -> None:
    source = Scripted(rows=[container("a"), container("b"), container("c", "exited")])
    source.actions["container.kill"] = source.stop
    async with deck([source]) as d:
        await d.press(" ", " ", "G", "X")
        await d.shows("2 marked rows")


async def test_a_refusal_is_kept_and_rows_done_lose_their_marks() -> None:
    source = Scripted(rows=[container("a"), container("b")])
    async with deck([source], read_only=True) as d:
        await d.press("X")
        await d.until(lambda: d.toasts)
        rows = await d.app.boot.ledger.rows()
        assert [(row.phase, row.action) for row in rows] == [("refused", "container.stop")]


async def test_quitting_asks_while_a_verb_is_under_way() -> None:
    source = Scripted(rows=[container("api")])
    async with deck([source]) as d:
        d.app.begin_operation("stop api", 60)
        await d.press("q")
        await d.shows("stop api is under way")
        await d.press("escape")
        assert d.app.is_running


async def test_reload_takes_up_what_changed_and_keeps_the_old_config_when_the_new_one_is_broken(
    tmp_path: Path, isolated_home: Path
) -> None:
    config = Path(isolated_home) / ".config" / "quarterdeck" / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("environments: {gold: {protected: true}}\nkeys: {container.restart: f5}\n")
    env = {"HOME": str(isolated_home), "QUARTERDECK_STATE": str(tmp_path / "s")}
    boot = Boot(cwd=tmp_path, discovery=False, env=env)
    try:
        assert boot.registry.keys("container.restart") == ("f5",)
        assert not boot.policy.access(Place("local", "gold")).open
        config.write_text("environments: [\n")
        assert (await boot.reload()).errors
        assert not boot.policy.access(Place("local", "gold")).open
        config.write_text("environments: {gold: {}}\nkeys: {container.restart: f6}\n")
        assert not (await boot.reload()).errors
        assert boot.registry.keys("container.restart") == ("f6",)
        assert boot.policy.access(Place("local", "gold")).open
    finally:
        await boot.close()


async def test_nothing_is_written_while_a_config_file_cannot_be_read(tmp_path: Path, isolated_home: Path) -> None:
    config = Path(isolated_home) / ".config" / "quarterdeck" / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("environments: [\n")
    env = {"HOME": str(isolated_home), "QUARTERDECK_STATE": str(tmp_path / "s")}
    boot = Boot(cwd=tmp_path, discovery=False, env=env)
    try:
        access = boot.policy.access(Place("local"))
        assert not access.open
        assert "cannot be read" in access.why
        assert not boot.policy.open_for(Place("local"), "because").open
    finally:
        await boot.close()
