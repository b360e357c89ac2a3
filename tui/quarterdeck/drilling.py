"""A deck on which a drill is played: what its operator saw and looked at, and when; hints, and word of the end.

The practice world writes its record of the drill to a file; what is noted here lies beside it, for the report.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.screen import ModalScreen, Screen

from quarterdeck.drillreport import RECORD, read, seen, seen_file
from quarterdeck_lifecycle.records import Ref, State
from quarterdeck_lifecycle.verbs import Verb, VerbKind

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp

PLAIN = ("deck", "text")
"""Screens that are everywhere, or tell nothing of their own by their name."""
LOOK_S = 0.5
TOAST_S = 12.0
DOWN = (State.ERROR, State.STALE, State.AUTH)
HINT = Verb(id="hint", title="hint", kind=VerbKind.VIEW, help="the next hint of this drill")


def note(record: Path, what: str, words: str) -> None:
    """Write down that something was seen or done now."""
    with suppress(OSError), seen_file(record).open("a", encoding="utf-8") as out:
        out.write(json.dumps({"at": time.time(), "what": what, "words": words}) + "\n")


def hint(app: QuarterdeckApp) -> None:
    """Tell the next hint; after the last one the first again."""
    path = Path(app.boot.env.get(RECORD, ""))
    hints = read(path).get("hints") or []
    if not hints:
        app.say("no drill is played here: quarterdeck demo --drill NAME", "warning")
        return
    told = sum(entry["what"] == "hint" for entry in seen(path))
    note(path, "hint", hints[told % len(hints)])
    _tell(app, f"hint {told % len(hints) + 1} of {len(hints)}: {hints[told % len(hints)]}")


def _tell(app: QuarterdeckApp, words: str) -> None:
    app.notify(words, markup=False, timeout=TOAST_S)


class DrillWatch:
    """Looks at the record and at the deck, from the deck's beginning to its end."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._path = Path(app.boot.env[RECORD])
        self._stamp = 0
        self._record: dict[str, Any] = {}
        self._before: set[str] = set()
        self._keys = 0
        self._noted: set[str] = set()

    def start(self) -> None:
        """Say what the task is, and begin to look."""
        app = self._app
        app.boot.registry.exchange(HINT.id, (HINT,))
        app.screen_change_signal.subscribe(app.deck, self._opened, immediate=True)
        app.set_interval(LOOK_S, self.look)
        self.look()
        if self._record:
            help_words = ":hint helps, q gives up, Esc takes this away."
            _tell(app, f"drill {self._record['drill']}: {self._record['task']} {help_words}")

    @property
    def _on(self) -> bool:
        return self._record.get("state") in ("on", "solved", "broken")

    def look(self) -> None:
        """Note what is new; costs a look at a file's time while nothing is."""
        with suppress(OSError):
            stamp = self._path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._stamp, self._record = stamp, read(self._path)
        if not self._on:
            self._before = set(self._troubles())
            self._keys = self._app.keys_pressed
            return
        if "trouble" not in self._noted:
            new = next((words for words in self._troubles() if words not in self._before), "")
            if new:
                self._once("trouble", new)
        if self._app.keys_pressed > self._keys:
            self._once("key", "")
        if self._record["state"] == "solved" and self._once("told", "the deck said that it is solved"):
            _tell(self._app, "solved: q leaves the deck, and the report is printed")
        if self._record["state"] == "broken" and self._once("told", "the deck said that the drill broke"):
            _tell(self._app, "the drill met a fault of its own; q leaves")

    def _once(self, what: str, words: str) -> bool:
        if what in self._noted:
            return False
        self._noted.add(what)
        note(self._path, what, words)
        return True

    def _troubles(self) -> Iterator[str]:
        hub = self._app.boot.hub
        for row in hub.tally().troubled:
            yield f"{_named(row.ref)} {row.name}".strip()
        for snapshot in hub.snapshots():
            if snapshot.state in DOWN:
                yield f"{snapshot.source} does not answer"

    def _opened(self, screen: Screen[Any]) -> None:
        name = type(screen).__name__.removesuffix("Screen").lower()
        if self._on and not isinstance(screen, ModalScreen) and name not in PLAIN:
            note(self._path, "look", name)


def _named(ref: Ref) -> str:
    return ref.kind.replace("_", " ")
