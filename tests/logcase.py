"""A deck whose log screen is open on a log that a test writes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from deckcase import Deck, deck
from quarterdeck.screens.logs import LogScreen
from quarterdeck.widgets.logview import LogView
from quarterdeck_lifecycle.ports import Source
from scripted import Logs, container, timed

NOW = 1_714_529_671.0
"""2024-05-01 02:14:31 UTC."""


def api(*texts: str, first: float = NOW - 600) -> Logs:
    return Logs(rows=[container("api")], kept=timed(first, *texts))


@contextlib.asynccontextmanager
async def log_of(*sources: Source, size: tuple[int, int] = (100, 24), marks: int = 0) -> AsyncIterator[Deck]:
    """A deck whose log screen is open, at a fixed time."""
    async with deck(sources, size=size) as d:
        d.app.now = lambda: NOW
        await d.press(*[" "] * marks, "l")
        assert isinstance(d.app.screen, LogScreen)
        await d.until(lambda: view(d).state.kept or "no line" in d.text, "the log is read")
        yield d


def view(d: Deck) -> LogView:
    return d.app.screen.query_one(LogView)


def title(d: Deck) -> str:
    return d.text.split("\n")[0]


def shown(d: Deck) -> list[str]:
    """The lines of the log that can be seen."""
    return [line.rstrip("▁▂▃▄▅▆▇█ ") for line in d.text.split("\n")[1:-1]]
