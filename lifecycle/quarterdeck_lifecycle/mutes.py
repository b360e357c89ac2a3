"""Muted needs: for a time, or until they change. Pure; `mutebook` keeps them.

A mute ends by its time, and at once when its need gets worse. One without a time ends when its need changes or is
gone. Times are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from quarterdeck_lifecycle.need import SOURCE, Need
from quarterdeck_lifecycle.records import Ref

FORGOTTEN_S = 30 * 86_400.0
"""A mute until its need changes ends after so long, whatever became of it."""


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """One muted need as it was then; `until` None: until it changes. (`harm`, `calm`, `grade`) was its level."""

    key: str
    ref: str
    text: str
    word: str
    environment: str
    harm: int
    calm: int
    grade: int
    mark: str
    at: float
    until: float | None = None

    @classmethod
    def of(cls, need: Need, at: float, seconds: float | None) -> Mute:
        """Mute a need for that many seconds; None: until it changes."""
        harm, calm, grade = need.level
        return cls(
            key=need.key, ref=str(need.ref), text=need.text, word=need.word, environment=need.environment, harm=harm,
            calm=calm, grade=grade, mark=need.mark, at=at, until=None if seconds is None else at + seconds,
        )  # fmt: skip

    def lasts(self, now: float) -> bool:
        """Whether its time has not passed."""
        return now < (self.at + FORGOTTEN_S if self.until is None else self.until)

    def holds(self, need: Need) -> bool:
        """Whether it still holds for the need as that is now."""
        return need.level >= (self.harm, self.calm, self.grade) and (self.until is not None or need.mark == self.mark)


class Sorted(NamedTuple):
    """Needs that are told, those that are muted with what mutes them, mutes without a need, and mutes that ended."""

    told: list[Need]
    muted: list[tuple[Need, Mute]]
    idle: list[Mute]
    ended: list[Mute]


NOTHING = Sorted([], [], [], [])


def sort(
    needs: Sequence[Need], mutes: Mapping[str, Mute], now: float, fresh: Collection[tuple[str, str]] = ()
) -> Sorted:
    """Take the muted needs out; `fresh` are the (source, kind) whose rows are known now, so that what is gone is gone.

    The order of the needs stays.
    """
    if not mutes:
        return Sorted(list(needs), [], [], [])
    told: list[Need] = []
    muted: list[tuple[Need, Mute]] = []
    ended: dict[str, Mute] = {}
    met: set[str] = set()
    for need in needs:
        mute = mutes.get(need.key)
        if mute is not None:
            met.add(need.key)
        if mute is not None and mute.lasts(now) and mute.holds(need):
            muted.append((need, mute))
        else:
            told.append(need)
            if mute is not None:
                ended[mute.key] = mute
    idle = []
    for mute in mutes.values():
        if mute.key in met:
            continue
        if not mute.lasts(now) or (mute.until is None and _feed(mute) in fresh):
            ended[mute.key] = mute
        else:
            idle.append(mute)
    return Sorted(told, muted, idle, list(ended.values()))


def _feed(mute: Mute) -> tuple[str, str]:
    """The (source, kind) whose rows tell of it."""
    ref = Ref.parse(mute.ref)
    return (ref.source, ref.id) if ref.kind == SOURCE else (ref.source, ref.kind)
