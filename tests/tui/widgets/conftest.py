"""One widget on an otherwise empty screen, what that screen shows, and the bytes that a terminal would get."""

from collections.abc import Awaitable, Callable

import pytest
from textual.app import App, ComposeResult
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot
from textual.widget import Widget

HOSTILE = [
    "[@click=app.quit]x[/]",
    "[/x",
    "[bold",
    "]",
    "\x1b]0;owned\x07",
    "\x1b[2J",
    "\x1bc",
    "\x9b31m",
    "\x90q\x9c",
    "abc\u202egnp.exe",
    "a\u2066b\u2069",
    "line\nbreak",
    "carriage\rreturn",
    "tab\there",
    "nul\x00",
    "🚀🚀🚀 ship",
    "界界界界界界界界",
    "👨‍👩‍👧‍👦 family",
    "⚠️ careful",
    "e\u0301" * 9,
    "z" + "\u0336" * 60,
    "\u0301leading",
    "",
    "x" * 10_000,
]
"""What nobody should name a thing, and somebody will."""


class OneWidget(App[None]):
    """The widget alone; ``seen`` gathers the messages that it posts, by the names of their classes."""

    CSS = "Screen { overflow: hidden; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
        self.ascii_glyphs = False

    def compose(self) -> ComposeResult:
        yield self.widget


def _screen_text(app: App[None]) -> str:
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


async def _settle(pilot: Pilot[None]) -> None:
    """Until what was asked to be painted has been painted."""
    await pilot.pause()
    while True:
        screen = pilot.app.screen
        widgets = [screen, *screen.query("*")]
        widgets += [bar for widget in widgets if (bar := widget._vertical_scrollbar) is not None]
        if not (
            screen._dirty_widgets
            or screen._layout_required
            or screen._compositor._dirty_regions
            or any(widget._repaint_required or widget._layout_required for widget in widgets)
        ):
            return
        await pilot.pause()


@pytest.fixture
def app_of() -> type[OneWidget]:
    return OneWidget


@pytest.fixture
def screen_text() -> Callable[[App[None]], str]:
    return _screen_text


@pytest.fixture
def settle() -> Callable[[Pilot[None]], Awaitable[None]]:
    return _settle


@pytest.fixture
def hostile() -> list[str]:
    return HOSTILE


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything written to the terminal, as the real driver would write it."""
    written: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "is_headless", False)
    monkeypatch.setattr(HeadlessDriver, "write", lambda self, data: written.append(data))
    return written
