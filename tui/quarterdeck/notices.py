"""Calling an operator who looks elsewhere: the bytes for bell, title and desktop, and one call for many things at once.

xterm's control sequences (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html): OSC 2 is the title, CSI 22;0t and
23;0t keep it and give it back. OSC 9 is iTerm2's notification, OSC 777 urxvt's. tmux takes bell and title itself and
passes the others on where `allow-passthrough` is on, wrapped (tmux(1)). No text reaches the terminal but through the
gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from quarterdeck.widgets.cells import ascii_twin
from quarterdeck_config.schema import Notify
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.text import clean_line
from quarterdeck_lifecycle.watchkeeper import News

BELL = "\a"
KEEP_TITLE, GIVE_TITLE_BACK = "\x1b[22;0t", "\x1b[23;0t"
TITLE_MOST, NOTE_MOST, LINE_MOST = 120, 240, 300
"""Characters."""
SETTLE_S, GAP_S = 0.3, 3.0
"""What happens within the first is one call, and two calls are the second apart at least."""
NAMED = 5
"""So many of a call are named; the rest is counted."""


def plain(text: str, limit: int, utf8: bool = True) -> str:
    """Text for a control string: one line, gated, redacted, bounded; ASCII where the terminal reads no UTF-8."""
    shown = clean_line(redact(text), limit)
    return shown if utf8 else ascii_twin(shown).encode("ascii", "replace").decode("ascii")


def title(text: str, utf8: bool = True) -> str:
    """The sequence that sets the window's title."""
    return f"\x1b]2;{plain(text, TITLE_MOST, utf8)}\a"


def desktop(text: str, osc: int, env: Mapping[str, str], utf8: bool = True) -> str:
    """The sequence of a desktop notification, wrapped where tmux stands between.

    A semicolon parts fields in both, and what begins with a digit is another command of OSC 9 in some terminals.
    """
    body = plain(text, NOTE_MOST, utf8).replace(";", ",")
    sequence = f"\x1b]9;quarterdeck: {body}\a" if osc == 9 else f"\x1b]777;notify;quarterdeck;{body}\a"
    return f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\" if env.get("TMUX") else sequence


class Call:
    """What happened since the last call: counts, and the first few in words. Bounded, whatever happens."""

    def __init__(self) -> None:
        self.count = self.badly = self.well = 0
        self.lines: list[str] = []
        self.environment = ""

    def add(self, news: Sequence[News]) -> None:
        """Count these in; those that went badly are named before the others."""
        for each in sorted(news, key=lambda one: one.told.good is not False):
            self.count += 1
            self.badly += each.told.good is False
            self.well += each.told.good is True
            if len(self.lines) < NAMED:
                self.lines.append(clean_line(f"{each.watch.title}: {each.told.text}", LINE_MOST))
                self.environment = each.watch.environment
        if self.count > 1:
            self.environment = ""

    @property
    def bad(self) -> bool:
        """Whether something went badly."""
        return bool(self.badly)

    @property
    def line(self) -> str:
        """All of it in one line, which begins with its sign."""
        sign = "✗" if self.badly else "✓" if self.well else "△"
        if self.count == 1:
            return f"{sign} {self.lines[0]}"
        counts = [f"{self.badly} badly"] * bool(self.badly) + [f"{self.well} well"] * bool(self.well)
        return f"{sign} {self.count} watched things ({', '.join(counts) or 'changed'}), first {self.lines[0]}"


class Caller:
    """Gathers what happens and hands it on: at most one call in `gap` seconds, by the clock that never jumps."""

    def __init__(self, hand_on: Callable[[Call], None], settle: float = SETTLE_S, gap: float = GAP_S) -> None:
        self._hand_on = hand_on
        self._settle, self._gap = settle, gap
        self._call = Call()
        self._timer: asyncio.TimerHandle | None = None
        self._last = float("-inf")
        self._held = False

    def add(self, news: Sequence[News]) -> None:
        """Have these told soon."""
        self._call.add(news)
        self._arm()

    def hold(self) -> None:
        """The terminal is another program's: gather only."""
        self._held = True

    def go_on(self) -> None:
        """The terminal is ours again."""
        self._held = False
        self._arm()

    def close(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._held = True

    def _arm(self) -> None:
        if self._timer is None and self._call.count and not self._held:
            loop = asyncio.get_running_loop()
            wait = max(self._settle, self._last + self._gap - loop.time())
            self._timer = loop.call_later(wait, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._held or not self._call.count:
            return
        call, self._call = self._call, Call()
        self._last = asyncio.get_running_loop().time()
        self._hand_on(call)


class Terminal:
    """The terminal as it is called: remembers that its title is ours until somebody looks."""

    def __init__(self, write: Callable[[str], None], env: Mapping[str, str], utf8: bool) -> None:
        self._write = write
        self._env = env
        self._utf8 = utf8
        self._titled = False

    def call(self, call: Call, options: Notify) -> None:
        """Bell, title, desktop: what the config asks for, in one piece."""
        pieces = []
        if options.title:
            pieces += [] if self._titled else [KEEP_TITLE]
            pieces.append(title(call.line, self._utf8))
            self._titled = True
        if options.osc is not None:
            pieces.append(desktop(call.line, options.osc, self._env, self._utf8))
        if options.bell:
            pieces.append(BELL)
        if pieces:
            self._write("".join(pieces))

    def looked_at(self) -> None:
        """Somebody looks: the title is what it was."""
        if self._titled:
            self._write(self.title_back())

    def title_back(self) -> str:
        """What gives the title back, once; empty when it is not ours. Empty first: not every terminal keeps titles."""
        if not self._titled:
            return ""
        self._titled = False
        return f"\x1b]2;\a{GIVE_TITLE_BACK}"
