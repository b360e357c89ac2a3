"""The deck driven by its keys: waits for rest, never for time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

from textual import events
from textual._compositor import Compositor
from textual._context import active_app
from textual.pilot import Pilot

from quarterdeck.app import QuarterdeckApp
from quarterdeck.boot import Boot
from quarterdeck.screens.confirm import ConfirmDialog
from quarterdeck_config.load import Loaded
from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.ports import Source

NAMED = {
    " ": "space", "/": "slash", ":": "colon", "=": "equals_sign", ".": "full_stop", "-": "minus", "_": "underscore",
    "!": "exclamation_mark", "|": "vertical_line", "&": "ampersand", "?": "question_mark", "[": "left_square_bracket",
    "]": "right_square_bracket", "(": "left_parenthesis", ")": "right_parenthesis", "*": "asterisk", "+": "plus",
    "@": "at", "#": "number_sign", "$": "dollar_sign", ",": "comma", "{": "left_curly_bracket", "\\": "backslash",
    "}": "right_curly_bracket", '"': "quotation_mark", "~": "tilde",
}  # fmt: skip


_paint = Compositor.render_update
_painting: WeakSet[QuarterdeckApp] = WeakSet()


def _paint_for_a_terminal(compositor: Compositor, full: bool = False, *arguments: Any, **options: Any) -> Any:
    """What no terminal gets is not painted, a third of a test's time: `Deck.text` paints what the test reads."""
    app = active_app.get(None)
    if full or not isinstance(app, QuarterdeckApp) or not app.is_headless or app in _painting:
        return _paint(compositor, full, *arguments, **options)
    compositor._dirty_regions.clear()
    return None


Compositor.render_update = _paint_for_a_terminal  # type: ignore[method-assign]


class Deck:
    """One running deck."""

    patience_s = 10.0
    """How long a state is waited for."""

    def __init__(self, app: QuarterdeckApp, pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def rest(self) -> None:
        """Until nothing is under way and everything is painted."""
        await self.pilot.pause()
        await self.app.busy.idle(self.patience_s)
        await self.pilot.pause()

    async def press(self, *keys: str) -> str:
        """Press keys, each after the last one's work; answers the screen."""
        for key in keys:
            self._send(key)
            await self.rest()
        return self.text

    async def type(self, words: str) -> str:
        """Type words."""
        for char in words:
            await self.pilot.press(NAMED.get(char, char))
        await self.rest()
        return self.text

    async def burst(self, words: str, *then: str) -> str:
        """Type words as one burst, as a quick hand or a slow link does, then press keys; answers the screen."""
        for char in words:
            self._send(char)
        await self.rest()
        return await self.press(*then) if then else self.text

    def _send(self, key: str) -> None:
        """As the terminal's driver does."""
        assert self.app._driver is not None
        event = events.Key(NAMED.get(key, key), key if len(key) == 1 else None)
        event.set_sender(self.app)
        self.app._driver.send_message(event)

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for a state; the failure shows the screen."""
        try:
            async with asyncio.timeout(self.patience_s):
                while not condition():
                    await self.pilot.pause(0.01)
        except TimeoutError:
            raise AssertionError(f"not reached: {what}\n{self.text}") from None

    async def shows(self, words: str) -> None:
        """Wait until the screen shows these words."""
        await self.until(lambda: words in self.text, repr(words))

    def by_hand(self, seconds: float = 0.5) -> None:
        """Have each key of the open dialog struck that long after the one before, by the dialog's own clock."""
        dialog = self.app.screen
        assert isinstance(dialog, ConfirmDialog)
        now = dialog._opened + 5

        def stamp(_key: events.Key) -> float:
            nonlocal now
            now += seconds
            return now

        dialog._clock, dialog._stamp = lambda: now, stamp

    @property
    def toasts(self) -> list[str]:
        """What was said in toasts."""
        return [notification.message for notification in self.app._notifications]


class Patient(Deck):
    """Waits longer: runners and the practice world's servers share the machine with the deck."""

    patience_s = 60.0


@asynccontextmanager
async def deck(
    sources: Sequence[Source] = (), *, size: tuple[int, int] = (80, 24), config: Config | None = None,
    read_only: bool = False, cwd: Path | None = None, painting: bool = False,
) -> AsyncIterator[Deck]:  # fmt: skip
    """A deck on these sources and on nothing that is found; `painting` what a terminal would get, for who counts it."""
    boot = Boot(
        cwd=cwd or Path.cwd(), loaded=Loaded(config or Config()), read_only=read_only, discovery=False, title="case"
    )
    for source in sources:
        boot.hub.add(source)
    app = QuarterdeckApp(boot)
    if painting:
        _painting.add(app)
    async with app.run_test(size=size, notifications=True) as pilot:
        made = Deck(app, pilot)
        await made.rest()
        yield made
