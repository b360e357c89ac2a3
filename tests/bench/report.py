"""What one line of the table says, and how a run is written down."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """One value beside its reference, measured in the same run, and its budget."""

    name: str
    value: float
    unit: str
    budget: str
    ok: bool | None
    """None: told for information, without a budget."""
    reference: float | None = None
    of: str = ""
    """What the reference is."""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Value to reference; None where that says nothing."""
        return self.value / self.reference if self.reference else None


@dataclass(frozen=True, slots=True)
class Settings:
    """How long to measure."""

    quick: bool = False
    full: bool = False

    def repeats(self, number: int) -> int:
        """That many, or half of them."""
        return max(2, number // 2) if self.quick else number

    def seconds(self, number: float) -> float:
        """That long, or half as long."""
        return number / 2 if self.quick else number


@dataclass(frozen=True, slots=True)
class Bench:
    """One group of lines under a name for --only."""

    name: str
    measure: Callable[[Settings], Sequence[Line]]


@dataclass(slots=True)
class Run:
    """One run of the bench."""

    lines: list[Line] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Keep it as JSON; answers the file."""
        folder.mkdir(exist_ok=True)
        path = folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
        data: dict[str, Any] = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "lines": [{**asdict(line), "ratio": line.ratio} for line in self.lines],
            "took_s": self.took,
            "failed": self.failed,
        }
        path.write_text(json.dumps(data, indent=1) + "\n")
        return path


HEAD = f"{'what':<46}{'value':>12}  {'reference':>22} {'ratio':>7}  budget"


def shown(line: Line) -> str:
    """One line of the table."""
    reference = "-" if line.reference is None else f"{number(line.reference)} {line.unit} {line.of}"
    ratio = "-" if line.ratio is None else f"{line.ratio:.2f}x"
    verdict = {True: "ok", False: "MISSED", None: ""}[line.ok]
    value = f"{number(line.value)} {line.unit}"
    text = f"{line.name:<46}{value:>12}  {reference:>22} {ratio:>7}  {line.budget:<22} {verdict}".rstrip()
    return f"{text}\n    {line.note}" if line.note else text


def number(value: float) -> str:
    """At most four digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of them lie, the nearest one that was measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Rise per unit of the first coordinate of the line of least squares."""
    xs, ys = zip(*points, strict=True)
    return statistics.linear_regression(xs, ys).slope
