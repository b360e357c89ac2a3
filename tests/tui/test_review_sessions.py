"""What takes the terminal or is started beside the deck: the pager, shells, the practice world."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from deckcase import Deck, deck
from quarterdeck.boot import Boot
from quarterdeck.commands import demo
from quarterdeck.grammar import cli
from quarterdeck.handover import SOFT_RESET, hand_over
from quarterdeck.screens.typed import TypedInput
from quarterdeck_config.load import Loaded
from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.ports import Session
from quarterdeck_lifecycle.records import Ref
from scripted import Scripted, container


def handed_over(d: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can be handed over, though there is none."""
    monkeypatch.setattr(d.app, "suspend", nullcontext)


@contextmanager
def interrupts_counted() -> Iterator[list[int]]:
    """What of SIGINT reaches this process outside the hand-over's own handler."""
    met: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: met.append(number))
    try:
        yield met
    finally:
        signal.signal(signal.SIGINT, before)


async def test_ctrl_c_in_the_pager_is_the_pagers_and_the_deck_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    pager = tmp_path / "pager.py"
    pager.write_text(
        "import os, signal, sys\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        f"own = signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        f"open({str(seen)!r}, 'w').write(sys.argv[1] + ' ' + open(sys.argv[1]).read() + str(own))\n"
    )
    with interrupts_counted() as met:
        async with deck([Scripted(rows=[container("api")])]) as d:
            handed_over(d, monkeypatch)
            d.app.boot.env["PAGER"] = f"{sys.executable} {pager}"
            d.app.page_text("one line")
            assert not seen.exists(), "the event loop stood still while the pager ran"
            await d.rest()
            assert met == []
            path, _, rest = seen.read_text().partition(" ")
            assert rest == "one lineTrue"
            assert not Path(path).exists()


class WithShell(Scripted):
    """A source that opens shells."""

    argv: tuple[str, ...] = (sys.executable, "-c", "raise SystemExit(3)")

    def shell(self, ref: Ref) -> Session:
        return Session(argv=self.argv)


async def shell_rows(d: Deck) -> list[tuple[str, str]]:
    rows = await d.app.boot.ledger.rows()
    return [(row.phase, row.result) for row in reversed(rows) if row.action == "container.shell"]


async def test_a_shell_that_cannot_start_has_its_outcome_in_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    source = WithShell(rows=[container("api")])
    async with deck([source]) as d:
        handed_over(d, monkeypatch)
        before = len(await shell_rows(d))
        await d.press("S", "a")
        await d.until(lambda: any("ended with 3" in toast for toast in d.toasts))
        source.argv = ("/nowhere/at-all",)
        await d.press("S", "a")
        await d.until(lambda: any("no shell in api" in toast for toast in d.toasts))
        first, ended, second, failed = (await shell_rows(d))[before:]
        assert (first[0], ended) == ("intent", ("outcome", "FAILED: exit code 3"))
        assert second[0] == "intent"
        assert failed[0] == "outcome"
        assert failed[1].startswith("FAILED: it could not be started")


async def test_a_shell_that_the_deck_outlives_no_longer_has_its_outcome_too(monkeypatch: pytest.MonkeyPatch) -> None:
    source = WithShell(rows=[container("api")])
    source.argv = (sys.executable, "-c", "import time; time.sleep(60)")
    async with deck([source]) as d:
        handed_over(d, monkeypatch)
        d.app.open_shell(d.app.deck.record)  # type: ignore[arg-type]
        await d.pilot.press("a")
        phases: list[str] = []

        async def began() -> None:
            while "intent" not in phases:
                phases[:] = [phase for phase, _ in await shell_rows(d)][-1:]

        await asyncio.wait_for(began(), 10)
        folder = d.app.boot.env
    boot = Boot(env=folder, loaded=Loaded(Config()), discovery=False)
    try:
        last = (await boot.ledger.rows())[0]
    finally:
        await boot.close()
    assert (last.action, last.phase) == ("container.shell", "outcome")
    assert "the deck ended" in last.result


async def test_a_shell_in_a_guarded_place_wants_the_name_typed_and_the_window_still_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = WithShell(rows=[container("api")], environment="prod")
    async with deck([source]) as d:
        handed_over(d, monkeypatch)
        place = Place("local", "prod")
        before = len(await shell_rows(d))
        d.app.boot.policy.open_for(place, "a test")
        await d.press("S", "a", "enter")
        await d.shows("PROD ON LOCAL")
        seconds = itertools.count(1e9)
        d.app.screen.query_one(TypedInput)._stamp = lambda _key: next(seconds)
        await d.press("backspace")
        await d.type("api")
        d.app.boot.policy.shut(place)
        await d.press("enter")
        await d.until(lambda: any("no shell" in toast for toast in d.toasts))
        assert len(await shell_rows(d)) == before


async def test_what_a_program_left_in_the_terminal_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    async with deck([Scripted(rows=[container("api")])]) as d:
        handed_over(d, monkeypatch)
        monkeypatch.setattr(sys, "__stderr__", terminal)
        assert await hand_over(d.app, [sys.executable, "-c", "0"], d.app.boot.env) == 0
    assert terminal.getvalue() == SOFT_RESET


def test_a_world_that_says_nothing_is_ended_with_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    silent = "import os, sys, time; print(os.getpid(), file=sys.stderr, flush=True); time.sleep(60)"
    monkeypatch.setattr(demo, "WORLD", (sys.executable, "-c", silent))
    monkeypatch.setattr(demo, "START_S", 1.0)
    monkeypatch.setattr(demo.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    with pytest.raises(click.ClickException, match="did not say within 1 s") as caught, demo.practice_world(1):
        pass
    pid = re.search(r"(\d+)$", caught.value.message)
    assert pid is not None, "what it said to its standard error is told"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid[1]), 0)


def test_a_world_that_ends_at_once_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    loud = "import sys; sys.stderr.write('x' * 200_000 + ' no port was free'); sys.exit(2)"
    monkeypatch.setattr(demo, "WORLD", (sys.executable, "-c", loud))
    with pytest.raises(click.ClickException, match=r"it ended: .*no port was free"), demo.practice_world(1):
        pass


def test_the_practice_world_can_be_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    world = "import sys; print('{}', flush=True); sys.stdin.read()"
    monkeypatch.setattr(demo, "WORLD", (sys.executable, "-c", world))
    met: list[bool] = []

    def once(boot: Boot, *, as_json: bool, timeout: float) -> int:
        met.append(boot.policy.read_only)
        asyncio.run(boot.close())
        return 0

    monkeypatch.setattr("quarterdeck.commands.status.print_status", once)
    for words in (["--read-only", "demo", "--once"], ["demo", "--once"]):
        assert CliRunner().invoke(cli, words).exit_code == 0
    assert met == [True, False]
