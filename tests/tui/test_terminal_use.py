"""The practice world in a real terminal, by its keys: sizes, ways to end, and terminals that can do little."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from parts.deckworld import COMMAND, PracticeWorld, environment
from parts.process import DEADLINE, descendants, wait_until
from parts.pty import Pty
from parts.terminal import Terminal

TITLES = {"1": "Repos", "2": "Pipelines|Runs", "3": "Containers", "4": "Models", "5": "Metrics"}
DEMO = (*COMMAND, "demo")
# What the shell says once the program is gone: its exit code, and how the terminal was left.
THEN = f"'{sys.executable}' -m quarterdeck demo; echo \"ended with $?\"; stty -a; sleep 1000"


def alive(screen: str) -> bool:
    """All five panes have rows, open or as one line each."""
    return all(re.search(rf"{number} ?(?:{title}) [1-9]", screen) for number, title in TITLES.items())


def opened(number: str) -> re.Pattern[str]:
    """The pane of this number has a frame of its own."""
    return re.compile(rf"[┌┏]{number} (?:{TITLES[number]})")


@pytest.mark.tmux
def test_one_session_of_keys_and_sizes_that_leaves_the_terminal_as_it_was(
    open_terminal: Callable[..., Terminal], isolated_home: Path
) -> None:
    terminal = open_terminal(("bash", "-c", THEN), 80, 24, environment(isolated_home))
    terminal.wait_for(alive)
    assert terminal.alternate
    for number in "12453":
        terminal.send_keys(number)
        terminal.wait_for(opened(number))
    terminal.send_keys("z")
    terminal.wait_for(lambda screen: "5 Metrics" not in screen and opened("3").search(screen))
    terminal.send_keys("z")
    terminal.wait_for(alive)

    terminal.type("/fraud-api-3")
    terminal.send_keys("Enter")
    terminal.wait_for("1 of ")
    terminal.send_keys("d")
    assert "fraud-api-3" in terminal.wait_for("ask again").splitlines()[0]
    terminal.send_keys("Escape")
    terminal.wait_for(opened("3"))
    terminal.send_keys("l")
    terminal.wait_for(re.compile(r"\d\d:\d\d:\d\d\.\d+ (ERROR|WARN|INFO|DEBUG)"))
    terminal.send_keys("Escape")
    terminal.wait_for(opened("3"))
    terminal.send_keys("Escape")
    terminal.wait_for(lambda screen: "1 of " not in screen)
    for key, words in (("?", "on a container"), ("c", "changes of 7 days"), ("v", "ledger")):
        terminal.send_keys(key)
        terminal.wait_for(words)
        terminal.send_keys("Escape")
        terminal.wait_for(opened("3"))
    terminal.type(":theme deck-light")
    terminal.send_keys("Enter")
    terminal.wait_for("theme deck-light")

    terminal.resize(160, 45)
    terminal.wait_for(lambda screen: all(opened(number).search(screen) for number in TITLES))
    terminal.resize(40, 10)
    terminal.wait_for(lambda screen: opened("3").search(screen) and len(screen.splitlines()) <= 10)
    for number in "15":
        terminal.send_keys(number)
        terminal.wait_for(opened(number))
    terminal.resize(80, 24)
    terminal.wait_for(alive)

    terminal.send_keys("q")
    screen = terminal.wait_for("ended with")
    assert "ended with 0" in screen
    assert not terminal.alternate
    terminal.wait_for(re.compile(r"[^-]icanon"))
    assert re.search(r"[^-]echo\b", terminal.capture())
    assert not descendants(terminal.pid)[1:], "only the shell's sleep is left"


@pytest.mark.tmux
def test_a_terminal_that_goes_away_ends_the_deck_and_its_world_and_no_other(
    open_terminal: Callable[..., Terminal], isolated_home: Path
) -> None:
    env = environment(isolated_home)
    one, other = (open_terminal(DEMO, 100, 30, env) for _ in range(2))
    one.wait_for(alive)
    other.wait_for(alive)
    below = [psutil.Process(one.pid), *descendants(one.pid)]
    folders = {Path(argument).parent for each in below for argument in _arguments(each) if "/qd-" in argument}
    assert len(folders) == 1
    assert all(folder.exists() for folder in folders)
    one.kill()
    _, left = psutil.wait_procs(below, timeout=DEADLINE)
    assert not left
    wait_until(lambda: not any(folder.exists() for folder in folders), "the world's folder to go")
    other.send_keys("1")
    other.wait_for(opened("1"))
    other.send_keys("q")
    assert other.wait_exit() == 0


def _arguments(process: psutil.Process) -> list[str]:
    """None of one that has ended since it was seen: decks run git again and again."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture(scope="module")
def world() -> Iterator[PracticeWorld]:
    with PracticeWorld() as made:
        yield made


def deck(world: PracticeWorld, open_pty: Callable[..., Pty], **extra: str) -> Pty:
    """A deck of the world's operator at 160x45, once all panes have rows."""
    state = str(world.home / "-".join(("state", *extra)))
    env = environment(world.home, {**world.env, "QUARTERDECK_STATE": state, **extra})
    pty = open_pty(COMMAND, 160, 45, env=env)
    pty.wait_for(alive)
    return pty


def end(pty: Pty) -> bytes:
    """Leave, and answer every byte."""
    pty.write("q")
    assert pty.wait_exit() == 0
    return pty.received


def colours(data: bytes) -> set[str]:
    """The kinds of colour that SGR sequences ask for: `16`, `256`, `true`."""
    found = set()
    for sequence in re.findall(rb"\x1b\[([0-9;:]*)m", data):
        codes = [int(code or 0) for code in re.split(rb"[;:]", sequence)]
        while codes:
            code = codes.pop(0)
            if code in (38, 48):
                kind = codes.pop(0)
                found.add({5: "256", 2: "true"}[kind])
                del codes[: {5: 1, 2: 3}[kind]]
            elif (30 <= code <= 47 and code not in (38, 39)) or 90 <= code <= 107:
                found.add("16")
    return found


def test_full_colour_here_and_sixteen_over_ssh(world: PracticeWorld, open_pty: Callable[..., Pty]) -> None:
    assert "true" in colours(end(deck(world, open_pty, COLORTERM="truecolor")))
    remote = deck(world, open_pty, COLORTERM="truecolor", SSH_CONNECTION="192.0.2.7 50022 192.0.2.1 22")
    assert "via ssh 192.0.2.7" in remote.screen()
    assert colours(end(remote)) == {"16"}


def test_no_colour_where_none_is_wanted(world: PracticeWorld, open_pty: Callable[..., Pty]) -> None:
    pty = deck(world, open_pty, NO_COLOR="1", COLORTERM="truecolor")
    assert "✗" in pty.screen(), "state is said by sign and word too"
    data = end(pty)
    assert not re.search(rb"\x1b\[[0-9;]*3[1-6]m", data)
    # Greys tell what is dim from what is not; a hue would show as channels that differ.
    hues = re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)", data)
    assert all(len(set(channels)) == 1 for channels in hues)


def test_only_ascii_without_a_utf8_locale(world: PracticeWorld, open_pty: Callable[..., Pty]) -> None:
    pty = deck(world, open_pty, LC_ALL="C", LANG="C")
    pty.write("3d")
    pty.wait_for("ask again")
    pty.write("\x1b")
    pty.wait_for(alive)
    pty.write("5")
    pty.wait_for(lambda screen: "LAST HOUR" in screen)
    assert not [byte for byte in end(pty) if byte >= 0x80]
