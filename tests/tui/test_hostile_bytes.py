"""Hostile strings in every field of every system: what reaches the terminal is what the program itself would say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from parts.bytestream import check_bytes
from parts.deckworld import COMMAND, PracticeWorld, environment
from parts.gitrepo import git, init
from parts.pty import Pty
from quarterdeck_demo.faults import Hostile
from quarterdeck_demo.hostile import HOSTILE

OWN = ("\x1b[?1049lqd-left", "\x1b[5;5Hqd-moved", "\x1b[38;5;9mqd-red", "\x1b[?25hqd-cursor")
FORBIDDEN = (*(text.encode() for text in OWN), b"owned\x07", b"\x1bc")
# Numbers that are sent as strings, and what the clients read before they ask: other tests break those.
NUMBERS = ("ApiVersion", "MinAPIVersion", "value", "values", "Architecture", "Os")
# A registry's adapter leaves out names that no repository or tag can have; its other words are hostile.
NAMES = {"registry": ("repositories", "tags", "name")}
SHELL = "while true; do echo 'loud {}'; sleep 1; done"


@pytest.fixture(scope="module")
def world() -> Iterator[PracticeWorld]:
    with PracticeWorld() as made:
        loud(made)
        nasty_repository(made)
        for name in made.world.servers:
            made.fault(name, Hostile(strings=(*HOSTILE, *OWN), keep=(*NUMBERS, *NAMES.get(name, ()))))
        yield made


def loud(world: PracticeWorld) -> None:
    """A container whose output is hostile, with a second one under a hostile image label."""
    socket = world.endpoints["docker"].removeprefix("unix://")
    words = " ".join(["hidden\rshown", *OWN, "\x1b]0;owned\x07", "\x1b]52;c;cm0=\x07", "\x9b31m", "\u202egnp", "[/x"])
    with httpx.Client(transport=httpx.HTTPTransport(uds=socket, verify=False), base_url="http://engine") as engine:
        body = {"Image": "redis:7.2", "Cmd": ["sh", "-c", SHELL.format(words)], "Labels": {"a": words, words: "b"}}
        made = engine.post("/containers/create?name=aaa-loud", json=body).raise_for_status().json()
        engine.post(f"/containers/{made['Id']}/start").raise_for_status()


def nasty_repository(world: PracticeWorld) -> None:
    """A repository whose branch, file, message, author, tag and stash are hostile."""
    folder = init(world.home / "aaa-nasty")
    (folder / "\x1b[5;5Hqd-moved.txt").write_text("".join(OWN) + "\n")
    git(folder, "checkout", "-q", "-b", "main\u202egnp")
    git(folder, "add", "-A")
    author = {"GIT_AUTHOR_NAME": "\x1b]0;owned\x07 \x1b[5;5Hqd-moved", "GIT_AUTHOR_EMAIL": "a@example.invalid"}
    git(folder, "commit", "-q", "-m", "".join(OWN) + "\x1b]0;owned\x07 [/x", env=author)
    git(folder, "tag", "-a", "v1\u202e", "-m", "\x1bc\x1b]0;owned\x07")
    (folder / "\x1b[5;5Hqd-moved.txt").write_text("\x1bc\x1b[?1049lqd-left\n")
    config = Path(world.endpoints["config"])
    settings = yaml.safe_load(config.read_text())
    settings["repositories"].append(str(folder))
    config.write_text(yaml.safe_dump(settings))


class Hands:
    """Keys, each waited for."""

    def __init__(self, pty: Pty) -> None:
        self.pty = pty

    def press(self, keys: str, until: str | Callable[[str], object]) -> str:
        """Press keys and wait for what they bring."""
        self.pty.write(keys)
        return self.pty.wait_for(until, 30)

    def back(self) -> None:
        """One Escape, which brings the deck back."""
        self.press("\x1b", on_deck)


def on_deck(screen: str) -> bool:
    """Whether nothing lies over the five panes: a dialog has a frame of its own, a screen a foot."""
    return bool(panes(screen)) and not re.search("Esc|╔|container.stop", screen)


def test_every_pane_tab_detail_and_dialog_sends_only_what_is_allowed(
    world: PracticeWorld, open_pty: Callable[..., Pty]
) -> None:
    pty = open_pty(COMMAND, 160, 45, env=environment(world.home, world.env))
    hands = Hands(pty)
    pty.wait_for(lambda screen: "aaa-nasty" in screen and "qd-" in screen, 60)
    hands.press("z", lambda screen: len(panes(screen)) == 1)
    for number, tabs in ((1, 1), (2, 2), (3, 6), (4, 3), (5, 5)):
        hands.press(str(number), lambda screen, only=str(number): panes(screen) == [only])
        hands.press("e", lambda screen: "Esc back" in screen and "fed" in screen)
        hands.back()
        for _ in range(tabs):
            look_into(hands)
            if tabs > 1:
                was = header(pty.screen())
                hands.press("]", lambda screen, was=was: header(screen) != was and "asking" not in screen)
    hands.press("z", lambda screen: len(panes(screen)) == 5)
    pty.write("q")
    assert pty.wait_exit() == 0
    check_bytes(pty.received, clipboard=True, forbidden=FORBIDDEN)


def header(screen: str) -> str:
    """The titles of the columns of the one pane that fills the screen."""
    return screen.split("\n")[3]


def panes(screen: str) -> list[str]:
    """The numbers of the panes that are on the screen."""
    return re.findall(r"[┌┏](\d) \w", screen)


def look_into(hands: Hands) -> None:
    """The detail of the first row, with some of its tabs; a tab without rows has none."""
    if not re.search(r"^>", hands.pty.screen(), re.MULTILINE):
        return
    hands.press("d", lambda screen: "Esc back" in screen and "asking, at most" not in screen)
    hands.pty.write("]]]")
    hands.back()
