"""Which metric decides, by config or tag and never by a guess, and what better means. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from quarterdeck_adapters.mlflow.values import Json, measured, rows, text, whole
from quarterdeck_config.schema import ModelOptions

METRIC_TAG = "quarterdeck.primary_metric"
DIRECTION_TAG = "quarterdeck.direction"


class Primary(msgspec.Struct, frozen=True):
    """A metric's name and whether the larger (`max`) or the smaller (`min`) value is better; both empty: unknown."""

    name: str = ""
    direction: str = ""

    def gain(self, value: float | None, champion: float | None) -> float | None:
        """The difference to the champion, positive where it is better; None where nobody can say."""
        if value is None or champion is None or self.direction not in ("max", "min"):
            return None
        difference = value - champion if self.direction == "max" else champion - value
        return round(difference, 12) if math.isfinite(difference) else None


class Latest(msgspec.Struct, frozen=True):
    """The last logged value of a metric: its step, its time in epoch seconds (0 when unknown)."""

    name: str
    value: float
    step: int
    at: float


def primary(name: str, tags: Mapping[str, str], models: Mapping[str, ModelOptions]) -> Primary:
    """The primary metric of a registered model: what the config says, else its tags."""
    options = models.get(name)
    if options is not None:
        return Primary(options.primary_metric, options.direction)
    return of_tags(tags)


def of_tags(tags: Mapping[str, str]) -> Primary:
    """The primary metric that tags name. Without a direction nothing is compared."""
    direction = tags.get(DIRECTION_TAG, "").strip().lower()
    return Primary(tags.get(METRIC_TAG, "").strip(), direction if direction in ("max", "min") else "")


def latest(metrics: Iterable[Json]) -> dict[str, Latest]:
    """The last value of each metric of a run or version, by name."""
    found: dict[str, Latest] = {}
    for each in metrics:
        name, value = text(each.get("key")), measured(each.get("value"))
        if not name or value is None:
            continue
        step, at = whole(each.get("step")) or 0, (whole(each.get("timestamp")) or 0) / 1000
        known = found.get(name)
        if known is None or (known.step, known.at) <= (step, at):
            found[name] = Latest(name, value, step, at)
    return found


def of_run(run: Json) -> dict[str, Latest]:
    """The last value of each metric of a run of `runs/search` or `runs/get`."""
    data: Any = run.get("data")
    return latest(rows(data, "metrics"))
