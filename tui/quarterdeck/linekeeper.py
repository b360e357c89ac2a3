"""What a running deck tells of itself for status bars: one short line, when it changes, at most once a second."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from quarterdeck.statusline import Teller
from quarterdeck.views.fmt import glyph
from quarterdeck.views.needs import COUNTED, need_words
from quarterdeck_adapters.blocking import call
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.need import Need
from quarterdeck_lifecycle.records import State
from quarterdeck_lifecycle.statefolder import own_path
from quarterdeck_lifecycle.text import clean_line

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp

PACE_S = 1.0
SETTLE_S = 15.0
"""So long after its start a deck says nothing while a source was not heard yet."""
WRITE_S = 10.0
NAMED, LISTED = 3, 50
"""Needs in the line, and in its details."""
DOWN = (State.ERROR, State.AUTH, State.STALE)


class LineKeeper:
    """Listens to the hub and writes what changed. A line that says the same is not written again, only touched."""

    def __init__(self, app: QuarterdeckApp) -> None:
        boot = app.boot
        self._app = app
        project = boot.loaded.project.parent if boot.loaded.project else boot.cwd
        self._teller = Teller(own_path("line", boot.env), str(project))
        self._told: tuple[str, int, str] | None = None
        self._began = self._last = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._leave = boot.hub.listen(self._changed)
        self._beat = app.set_interval(60, self._minute)
        self._changed(frozenset())

    def _changed(self, _kinds: frozenset[str]) -> None:
        if self._timer is None:
            delay = max(0.0, self._last + PACE_S - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._due)

    def _due(self) -> None:
        self._timer = None
        self._last = time.monotonic()
        if not self._app.is_running:
            return
        if self._task is not None and not self._task.done():
            self._changed(frozenset())
            return
        snapshots = self._app.boot.hub.snapshots()
        loading = any(snap.state is State.LOADING for snap in snapshots)
        if (loading or not snapshots) and self._last - self._began < SETTLE_S:
            self._changed(frozenset())
            return
        line = self.line()
        if line != self._told:
            self._write(line)

    def _minute(self) -> None:
        if self._told is not None:
            self._write(None)
        self._changed(frozenset())

    def line(self) -> tuple[str, int, str]:
        """The text, the exit code, and the details as JSON."""
        boot = self._app.boot
        needs = self._app.needing.current().told
        down = sorted({snap.source for snap in boot.hub.snapshots() if snap.state in DOWN} | set(boot.failed))
        text, details = composed(boot.project_name, needs, down, self._app.now())
        return redact(text), 4 if down else 0, redact(json.dumps(details))

    def _write(self, line: tuple[str, int, str] | None) -> None:
        async def write() -> None:
            with suppress(OSError, QuarterdeckError):
                work = self._teller.touch if line is None else lambda: self._teller.tell(*line)
                if await call(work, deadline=WRITE_S, source="", what="telling the state") is True:
                    self._told = line

        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(write())

    def close(self) -> None:
        """Tell no more."""
        self._leave()
        self._beat.stop()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self._teller.close()


def composed(project: str, needs: Sequence[Need], down: Sequence[str], now: float) -> tuple[str, dict[str, Any]]:
    """`fraud ✗2 ‖1 FraudP95High prod 4m · #98 waits for you +1`, and the same as data.

    tmux takes '#' for the begin of a format, so none is in the text.
    """
    counts = {status.value: sum(need.status is status for need in needs) for status in COUNTED}
    marks = " ".join(f"{glyph(status).text}{counts[status.value]}" for status in COUNTED if counts[status.value])
    words = " · ".join(need_words(need, now) for need in needs[:NAMED])
    more = f" +{len(needs) - NAMED}" if len(needs) > NAMED else ""
    lost = f" down: {', '.join(down)}" if down else ""
    text = f"{project} {marks or '✓'} {words}{more}".rstrip() + lost
    told = [
        {"ref": str(need.ref), "status": need.status.value, "text": need_words(need, now), "why": need.why}
        for need in needs[:LISTED]
    ]
    details = {"project": project, "counts": counts, "down": list(down), "needs": told}
    return clean_line(text, 300).replace("#", ""), details
