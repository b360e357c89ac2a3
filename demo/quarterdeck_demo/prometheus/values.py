"""What PromQL computes with: labels, samples and series.

Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from quarterdeck_demo.prometheus.syntax import Matcher

__all__ = ["LOOKBACK_MS", "Labels", "Sample", "SeriesLike", "Storage", "Vector", "braces", "fits", "unnamed"]

LOOKBACK_MS = 300_000
REMEMBERED = 256
Labels = tuple[tuple[str, str], ...]


class SeriesLike(Protocol):
    """A series: labels sorted by name, and its samples in a closed interval of milliseconds."""

    @property
    def labels(self) -> Labels: ...

    def at(self, time: int) -> float | None:
        """The newest value not older than five minutes; None when there is none or the series ended."""

    def between(self, start: int, end: int) -> list[tuple[int, float]]:
        """Every sample from `start` to `end`, both included."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of an instant vector."""

    labels: Labels
    value: float


Vector = list[Sample]


class Storage:
    """Series by their labels; what a selector finds is remembered."""

    def __init__(self, series: Iterable[SeriesLike]) -> None:
        self.series = sorted(series, key=lambda one: one.labels)
        self._found: dict[tuple[Matcher, ...], list[SeriesLike]] = {}

    def select(self, matchers: tuple[Matcher, ...]) -> list[SeriesLike]:
        """The series that fit all matchers, in the order of their labels."""
        if matchers not in self._found:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            self._found[matchers] = [one for one in self.series if fits(dict(one.labels), matchers)]
        return self._found[matchers]


def fits(labels: Mapping[str, str], matchers: Iterable[Matcher]) -> bool:
    """Whether a label set fits all matchers; an absent label counts as empty."""
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


def unnamed(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != "__name__")


def braces(labels: Labels) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"
