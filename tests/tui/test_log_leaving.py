"""What leaves the log screen (files, clipboard, pager), and what its sources tell of themselves."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import pytest

from deckcase import deck
from logcase import NOW, api, log_of, shown, title
from quarterdeck.screens.logs import LogScreen
from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.ports import LogBatch
from scripted import Logs, container, timed

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


async def test_save_writes_a_private_file_without_secrets(isolated_home: Path) -> None:
    async with log_of(api("fine", f"token {SECRET}")) as d:
        await d.press("a", "s")
        await d.until(lambda: any(toast.startswith("saved to ") for toast in d.toasts))
        path = Path(d.toasts[-1].removeprefix("saved to "))
        assert path.is_relative_to(isolated_home)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        text = path.read_text()
        assert text.startswith("2024-05-01T02:04:31.000Z fine\n2024-05-01T02:04:32.000Z token ")
        assert "── marked at 2024-05-01 02:14:31Z ──" in text
        assert SECRET not in text
        assert "\x00" not in text
        path.parent.chmod(0o500)
        if os.geteuid():
            await d.press("s")
            await d.until(lambda: "not saved" in d.toasts[-1])
        path.parent.chmod(0o700)


async def test_copy_takes_the_lines_in_sight_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    async with log_of(api("fine", f"token {SECRET}")) as d:
        await d.press("y")
        await d.until(lambda: d.toasts)
        assert d.toasts[-1].startswith("copied by OSC 52: fine")
        assert d.app.clipboard.startswith("fine\ntoken ")
        assert SECRET not in d.app.clipboard


async def test_the_pager_gets_the_kept_lines_and_its_file_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pager = tmp_path / "pager"
    pager.write_text(
        f'#!/bin/sh\ncat "$2" > {tmp_path}/seen\nstat -c %a "$2" > {tmp_path}/mode\necho "$2" > {tmp_path}/path\n'
    )
    pager.chmod(0o700)
    monkeypatch.setenv("PAGER", f"{pager} -R")
    async with log_of(api("one", f"token {SECRET}")) as d:
        monkeypatch.setattr(d.app, "suspend", contextlib.nullcontext)
        await d.press("|")
        assert (tmp_path / "seen").read_text().startswith("2024-05-01T02:04:31.000Z one\n")
        assert SECRET not in (tmp_path / "seen").read_text()
        assert (tmp_path / "mode").read_text().strip() == "600"
        assert not Path((tmp_path / "path").read_text().strip()).exists()
        d.app.boot.env["PAGER"] = str(tmp_path / "none")
        await d.press("|")
        assert "no pager" in d.toasts[-1]
        d.app.boot.env["PAGER"] = "'"
        await d.press("|")
        assert "no pager" in d.toasts[-1]
        monkeypatch.undo()
        d.app.boot.env["PAGER"] = str(pager)
        await d.press("|")
        assert "cannot be handed over" in d.toasts[-1] or "no pager" in d.toasts[-1]
        assert not list((Path(os.environ["QUARTERDECK_STATE"]) / "saved").glob("pager*"))


async def test_several_logs_are_one_with_the_names_of_their_sources() -> None:
    source = Logs(
        rows=[container("api"), container("etl")],
        kept=[*timed(NOW - 9, "hello", source="api"), *timed(NOW - 8, "world", source="etl")],
    )
    async with log_of(source, marks=2) as d:
        assert "2 logs merged: api, etl" in title(d)
        assert shown(d)[:2] == ["api │ hello", "etl │ world"]
        assert len(source.refs[0]) == 2


async def test_gaps_losses_and_ends_are_told_in_the_log() -> None:
    source = api("one")
    async with log_of(source) as d:
        source.speak(LogBatch(notice="the engine restarted; resumed without loss"))
        await d.shows("── the engine restarted; resumed without loss ──")
        source.speak(LogBatch(dropped=1200))
        await d.shows("1,200 dropped")
        source.speak(None)
        await d.shows("ended")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Unavailable("reading the log", source="local", why="connection refused"), "connection refused"),
        (RuntimeError("boom \x1b[2J"), "the log broke off: RuntimeError: boom"),
    ],
)
async def test_a_source_that_fails_says_so_in_the_log_and_the_other_goes_on(failure: Exception, said: str) -> None:
    first = Logs("one", [container("a", source="one")], kept=timed(NOW, "from a", source="a"))
    second = Logs("two", [container("b", source="two")])
    second.refused = failure
    async with log_of(first, second, marks=2) as d:
        await d.shows(said)
        assert "\x1b" not in d.text
        first.speak(LogBatch(lines=timed(NOW, "still here", source="a")))
        await d.shows("still here")
        assert "ended" not in title(d)


@pytest.mark.parametrize("mode", ["polling 5 s", "available when the job ends"])
async def test_the_way_lines_arrive_is_named(mode: str) -> None:
    source = Logs(rows=[container("api")])
    source.mode = mode
    async with log_of(source) as d:
        assert mode in title(d)
        assert "no line" in title(d)


async def test_help_lists_the_keys_of_the_log_and_the_foot_shows_rebound_ones() -> None:
    config = Config(keys={"log.follow": "f6", "hit.next": "f7"})
    async with deck([api("needle", "x", "needle")], size=(100, 60), config=config) as d:
        text = await d.press("l")
        await d.shows("needle")
        assert "f6 follow" in text.split("\n")[-1]
        text = await d.press("?")
        for words in ("f6", "f7", "JSON columns", "pager", "copy"):
            assert words in text
        assert "container" not in text.replace("keys: {container.restart: f5}", "")
        await d.press("escape")
        assert isinstance(d.app.screen, LogScreen)
        assert "following" not in (await d.press("f6"), title(d))[1]
        await d.press("m")
        assert "mouse off" in d.toasts[-1]


async def test_the_log_of_the_one_before_asks_for_it() -> None:
    source = api("one")
    async with deck([source]) as d:
        await d.press("p")
        await d.shows("(previous)")
        assert source.asked[-1].previous
