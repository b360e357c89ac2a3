"""Who may write where, now: read-only starts, windows opened with a reason, and how a verb is confirmed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from quarterdeck_lifecycle.verbs import Risk, Verb, VerbKind

WINDOW_S = 600.0
_LIVE = re.compile(r"(?<![a-z])(prod|production|live)(?![a-z])", re.IGNORECASE)

Confirm = Literal["none", "key", "typed"]


def looks_live(*names: str) -> bool:
    """Whether one of the names looks like a place where real traffic is."""
    return any(_LIVE.search(name) for name in names)


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a place may be written to. `until` ends a window (seconds of the policy's clock)."""

    open: bool
    why: str = ""
    until: float | None = None
    reason: str = ""


class Place(NamedTuple):
    """Where a write goes: one source, in one environment (empty: the source's rows outside any)."""

    source: str
    environment: str = ""

    def __str__(self) -> str:
        return self.environment or self.source


class Policy:
    """Decides, and remembers the windows that were opened.

    A place that is not on this machine, or whose source or environment looks live or is protected, starts read-only;
    `open_for` opens one for ten minutes. `read_only` shuts all, for good; `shut` and `closed` answer why all, or one
    source, cannot be opened now.
    """

    def __init__(
        self,
        *,
        read_only: bool = False,
        protected: Callable[[str], bool] = lambda _environment: False,
        local: Callable[[str], bool] = lambda _source: True,
        closed: Callable[[str], str] = lambda _source: "",
        shut: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.read_only = read_only
        self._protected = protected
        self._local = local
        self._closed = closed
        self._shut = shut
        self._clock = clock
        self._windows: dict[Place, tuple[float, str]] = {}

    def access(self, place: Place) -> Access:
        """Whether `place` is open for writing, and why not."""
        if self.read_only:
            return Access(open=False, why="the deck was started with --read-only")
        if why := self._shut() or self._closed(place.source):
            return Access(open=False, why=why)
        window = self._windows.get(place)
        if window is not None:
            until, reason = window
            if self._clock() < until:
                return Access(open=True, until=until, reason=reason)
            del self._windows[place]
        if self._protected(place.environment):
            return Access(open=False, why=f"{place} is protected: W opens it for 10 min")
        if looks_live(*place):
            return Access(open=False, why=f"{place} looks live: W opens it for 10 min")
        if not self._local(place.source):
            return Access(open=False, why=f"{place.source} is not on this machine: W opens it for 10 min")
        return Access(open=True)

    def open_for(self, place: Place, reason: str, seconds: float = WINDOW_S) -> Access:
        """Open a window. Raises ValueError without a reason; `--read-only` and closed sources stay shut."""
        if not reason.strip():
            raise ValueError("a reason is required")
        if not (self.read_only or self._shut() or self._closed(place.source)):
            self._windows[place] = (self._clock() + seconds, reason.strip())
        return self.access(place)

    def shut(self, place: Place) -> None:
        """End a window."""
        self._windows.pop(place, None)

    def windows(self) -> dict[Place, float]:
        """Open windows with the seconds left of each."""
        now = self._clock()
        return {place: until - now for place, (until, _) in self._windows.items() if until > now}

    def guarded(self, place: Place) -> bool:
        """Whether a place is protected or looks live, so that writing there is marked in red."""
        return self._protected(place.environment) or looks_live(*place)

    def confirmation(self, verb: Verb, place: Place, *, count: int = 1) -> Confirm:
        """Harmless at once; disruptive asks once; protected, live, irreversible or many has it typed."""
        if verb.kind is not VerbKind.MUTATION or verb.risk is Risk.HARMLESS:
            return "none"
        if verb.risk is Risk.DANGEROUS or count > 1:
            return "typed"
        if self.guarded(place):
            return "typed"
        return "key"
