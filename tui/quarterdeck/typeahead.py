"""Keys in order: each meets what the one before it opened, however fast they were typed.

Textual gives a key to the widget that has the focus when it arrives; the binding it fires runs only once the event
has bubbled up through every parent's queue. Of `/api` in one packet (a slow link, a fast hand, `tmux send-keys`) the
letters would act as keys of the deck before the prompt opens. So a key waits until a message that follows the one
before it, from the focused widget up to the app and through a screen it opened, has come back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from textual.app import App
from textual.dom import DOMNode
from textual.events import Event
from textual.screen import Screen
from textual.timer import Timer

from quarterdeck_lifecycle.busy import Busy

LONGEST_S = 1.0
"""A key that takes longer holds nothing up: what follows goes where the focus is."""
ROUNDS = 3
"""Enter in a prompt: the key, the field's message, the prompt's message; the last one moves the focus."""


class KeyGate:
    """Lets keys and pastes of one app through one after the other; `deliver` hands one to Textual."""

    def __init__(self, app: App[Any], busy: Busy, deliver: Callable[[Event], Awaitable[None]]) -> None:
        self._app = app
        self._busy = busy
        self._deliver = deliver
        self._waiting: deque[Event] = deque()
        self._under_way = 0
        self._turn = 0
        self._timer: Timer | None = None
        self._counted = ExitStack()

    async def take(self, event: Event) -> None:
        """Deliver an event now, or once those before it have had their effect."""
        if self._under_way:
            if not self._waiting:
                self._counted.enter_context(self._busy.work("keys"))
            self._waiting.append(event)
        else:
            await self._pass(event)

    async def _pass(self, event: Event) -> None:
        self._turn += 1
        turn = self._under_way = self._turn
        self._timer = self._app.set_timer(LONGEST_S, partial(self._release, turn))
        before = self._app.screen
        path = list((self._app.focused or before).ancestors_with_self)
        await self._deliver(event)
        self._follow(path, 0, ROUNDS, turn, before)

    def _follow(self, path: list[DOMNode], place: int, rounds: int, turn: int, before: Screen[Any]) -> None:
        """Go after the event, and after the messages it caused: up the parents that still take messages, as often as
        there are rounds, then through the app's own queue (the focus is set by a message, too)."""
        for at in range(place, len(path)):
            if path[at] is not self._app and path[at].call_later(self._follow, path, at + 1, rounds, turn, before):
                return
        if rounds > 1:
            self._app.call_later(self._follow, path, 0, rounds - 1, turn, before)
        else:
            self._app.call_later(self._app.call_later, self._settle, turn, before)

    def _settle(self, turn: int, before: Screen[Any]) -> None:
        opened = self._app.screen
        if opened is before or not opened.call_later(self._app.call_later, self._end, turn):
            self._end(turn)

    def _end(self, turn: int) -> None:
        self._app.call_later(self._release, turn)

    async def _release(self, turn: int) -> None:
        if turn != self._under_way:
            return
        self._under_way = 0
        if self._timer is not None:
            self._timer.stop()
        if not self._waiting:
            return
        event = self._waiting.popleft()
        if not self._waiting:
            self._counted.close()
        await self._pass(event)

