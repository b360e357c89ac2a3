"""When a release is proven, and when it is put back: the gate and the soak as rules over samples, without a clock.

Times are seconds of one monotonic clock (`ports.Clock.monotonic`), given by the caller, who feeds what it saw before it
asks for the verdict. A time before an earlier one counts as that earlier one. Decided is decided: what is fed after a
pass, a fail, a keep or a back changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Literal

from quarterdeck_lifecycle.release.model import GateRule, GuardRule
from quarterdeck_lifecycle.release.ports import Reading, Sample

NOTHING = "no probe has answered"


def span(seconds: float) -> str:
    """`0:48`, `2:00`, `1:02:03`; the whole seconds."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


class Gate:
    """`passes` consecutive passes within `within_s` of `started`, that moment included.

    - pass: the run of passes grows by one; at `passes` the gate is passed.
    - fail: the run starts again at zero. Nothing else: a slow start is no failure until the time is over.
    - unknown (the probe itself could not be done): neither breaks the run nor lengthens it.
    - The time is over and the run was never long enough: fail. Samples that come after it do not count, and a gate that
      saw nothing but unknowns fails with "no data": no data is never a pass.
    """

    def __init__(self, rule: GateRule, started: float) -> None:
        self.need = max(1, rule.passes)
        self.within = rule.within_s
        self.started = self._now = started
        self.run = 0
        self._known = 0
        self._last = NOTHING
        self._decided: Literal["pass", "fail"] | None = None

    @property
    def deadline(self) -> float:
        """When it has failed at the latest."""
        return self.started + self.within

    def feed(self, sample: Sample, at: float) -> None:
        """One look, as it ended at `at`."""
        self._now = max(self._now, at)
        if self._decided is not None:
            return
        if self._now > self.deadline:
            self._decided = "fail"
            return
        self._last = sample.said or sample.verdict
        self._known += sample.verdict != "unknown"
        if sample.verdict == "pass":
            self.run += 1
            if self.run >= self.need:
                self._decided = "pass"
        elif sample.verdict == "fail":
            self.run = 0

    def verdict(self, at: float) -> Literal["wait", "pass", "fail"]:
        """What the samples so far say at `at`."""
        self._now = max(self._now, at)
        if self._decided is None and self._now >= self.deadline:
            self._decided = "fail"
        return self._decided or "wait"

    @property
    def said(self) -> str:
        """One line why: `2 of 3 passes, 0:48 of 2:00; last: 503 after 12 ms`."""
        if self._decided == "fail" and not self._known:
            return f"no data within {span(self.within)}, which is no pass; last: {self._last}"
        if self._decided == "fail":
            return f"{self.run} of {self.need} consecutive passes within {span(self.within)}; last: {self._last}"
        spent = f"{span(self._now - self.started)} of {span(self.within)}"
        return f"{self.run} of {self.need} passes, {spent}; last: {self._last}"


class Soak:
    """`soak_s` seconds in which the new workload must not worsen, from `started`. Verdicts: wait, keep, back, hold.

    Probes:
    - `failures` consecutive fails: back, at once. A pass starts the count anew; an unknown does neither.
    - The soak ends as keep only if the last sample is a pass. While it is a fail, an unknown, or there was none at all,
      it is held. With `soak_s` 0 the gate's passes are the last sample; with `probed` False (the config says that there
      is no probe) there is none to wait for.

    Guards, each by its last reading. A value that is None, NaN or infinite, or that has fewer than `min_samples`
    observations behind it, is no data.
    - A value beyond `max` or `min` (the limit itself is fine): back, at once. A guard in `failing_before` (indexes into
      `guards`) was beyond before the release: it has the soak to clear, and back comes at its end. Once it was seen
      clear, or the soak is over, it is a guard like the others.
    - No data as the last reading, or no reading at all, when the soak ends: `no_data` "fail" is back, "hold" is held.

    Held: the soak does not end; it waits for data or for the operator, `max(soak_s, within_s)` seconds more, and is
    back when those are over. The first moment without a reason to hold is keep. So no data is never a keep.
    """

    def __init__(
        self, rule: GateRule, started: float, guards: Sequence[GuardRule], failing_before: Collection[int],
        *, probed: bool = True,
    ) -> None:  # fmt: skip
        self.rule = rule
        self.started = self._now = started
        self.ends = started + rule.soak_s
        self.guards = tuple(guards)
        self.fails = 0
        self._failures = max(1, rule.failures)
        self._probed = probed
        self._sound = not probed or rule.soak_s <= 0
        self._last = "" if not probed else "the gate's passes" if self._sound else NOTHING
        self._excused = set(failing_before)
        self._readings: dict[int, Reading] = {}
        self._decided: Literal["keep", "back"] | None = None
        self._why = ""

    @property
    def gives_up(self) -> float:
        """When a soak that is held is put back."""
        return self.ends + max(self.rule.soak_s, self.rule.within_s)

    def extend(self, seconds: float, at: float | None = None) -> None:
        """Let it last longer: from its end, or from `at` (by default the last moment fed) when it is held already."""
        self._now = max(self._now, self._now if at is None else at)
        self.ends = max(self.ends, self._now) + max(0.0, seconds)

    def feed(self, sample: Sample, at: float) -> None:
        """One probe, as it ended at `at`."""
        self._now = max(self._now, at)
        if self._decided is not None:
            return
        self._last = sample.said or sample.verdict
        self._sound = sample.verdict == "pass"
        if sample.verdict == "pass":
            self.fails = 0
        elif sample.verdict == "fail":
            self.fails += 1
            if self.fails >= self._failures:
                self._decide("back", f"{self.fails} consecutive probes failed; last: {self._last}")

    def guard(self, index: int, reading: Reading, at: float) -> None:
        """What the guard at `index` of `guards` measured at `at`."""
        self._now = max(self._now, at)
        rule = self.guards[index]
        if self._decided is not None:
            return
        self._readings[index] = reading
        if not has_data(rule, reading):
            return
        breach = beyond(rule, reading)
        if not breach:
            self._excused.discard(index)
        elif index not in self._excused:
            self._decide("back", self._breached(index, breach))

    def verdict(self, at: float) -> Literal["wait", "keep", "back", "hold"]:
        """What was fed so far says at `at`."""
        self._now = max(self._now, at)
        if self._decided is not None:
            return self._decided
        if self._now < self.ends:
            return "wait"
        for index in sorted(self._excused):
            reading = self._readings.get(index)
            if reading is not None and has_data(self.guards[index], reading):
                return self._decide("back", self._breached(index, beyond(self.guards[index], reading)))
        for index, rule in enumerate(self.guards):
            if rule.no_data == "fail" and (said := self._without(index)):
                return self._decide("back", f"{said}, and no data is a failure of this guard")
        reasons = self._reasons()
        if not reasons:
            return self._decide("keep", f"soaked {span(self._now - self.started)}; {self._state()}")
        if self._now >= self.gives_up:
            return self._decide("back", f"held until {span(self.gives_up - self.started)}; {'; '.join(reasons)}")
        return "hold"

    @property
    def said(self) -> str:
        """One line why."""
        if self._decided is not None:
            return self._why
        if self._now >= self.ends and (reasons := self._reasons()):
            spent = f"{span(self._now - self.ends)} of {span(self.gives_up - self.ends)}"
            return f"held {spent} after the soak; {'; '.join(reasons)}"
        spent = f"{span(self._now - self.started)} of {span(self.ends - self.started)}"
        return f"soak {spent}; {self._state()}"

    def _decide(self, verdict: Literal["keep", "back"], why: str) -> Literal["keep", "back"]:
        self._decided, self._why = verdict, why
        return verdict

    def _reasons(self) -> list[str]:
        reasons = [] if self._sound else [f"the last probe is no pass: {self._last}"]
        return reasons + [said for index in range(len(self.guards)) if (said := self._without(index))]

    def _without(self, index: int) -> str:
        """Why this guard has no data now; empty when it has."""
        rule, reading = self.guards[index], self._readings.get(index)
        if reading is None:
            return f"no data for {named(rule)}: it was not read yet"
        if has_data(rule, reading):
            return ""
        if reading.value is not None and math.isfinite(reading.value):
            return f"no data for {named(rule)}: {reading.samples} of {rule.min_samples} samples"
        return f"no data for {named(rule)}" + (f": {reading.said}" if reading.said else "")

    def _state(self) -> str:
        parts = [f"{self.fails} of {self._failures} failures; last: {self._last}"] if self._probed else ["no probe"]
        for index, rule in enumerate(self.guards):
            reading = self._readings.get(index)
            if reading is not None and has_data(rule, reading):
                excuse = ", beyond before the release too" if index in self._excused else ""
                parts.append(f"{named(rule)} {reading.value:g} ({limits(rule)}{excuse})")
            else:
                parts.append(self._without(index))
        return "; ".join(parts)

    def _breached(self, index: int, breach: str) -> str:
        rest = ", as before the release, and it did not clear in the soak" if index in self._excused else ""
        return f"guard {named(self.guards[index])} {breach}{rest}"


def named(rule: GuardRule) -> str:
    """What a guard is called."""
    return rule.name or rule.query


def limits(rule: GuardRule) -> str:
    """`max 0.01`, `min 0.2, max 0.8`."""
    given = (("min", rule.min), ("max", rule.max))
    return ", ".join(f"{word} {limit:g}" for word, limit in given if limit is not None)


def has_data(rule: GuardRule, reading: Reading) -> bool:
    """Whether a reading says something: a finite value with enough observations behind it."""
    return reading.value is not None and math.isfinite(reading.value) and reading.samples >= rule.min_samples


def beyond(rule: GuardRule, reading: Reading) -> str:
    """How a reading that has data is beyond its limits, in words; empty when it is within them."""
    value = reading.value
    if value is None:
        return ""
    if rule.max is not None and not value <= rule.max:
        return f"is {value:g}, more than {rule.max:g}"
    if rule.min is not None and not value >= rule.min:
        return f"is {value:g}, less than {rule.min:g}"
    return ""
