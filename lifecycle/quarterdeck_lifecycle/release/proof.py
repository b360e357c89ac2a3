"""Proving a release: what is read before it, the gate, the soak with its guards, and the identity read back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from quarterdeck_lifecycle.errors import Conflict, NotFound, QuarterdeckError, Unavailable
from quarterdeck_lifecycle.release.gate import Gate, Soak, beyond, has_data, named
from quarterdeck_lifecycle.release.model import Change, Identity, Plan, Step, Through, Workload
from quarterdeck_lifecycle.release.ports import Clock, Measures, Prober, Sample, Say, Target
from quarterdeck_lifecycle.release.turns import Late, Turns

SLACK_S = 1.0
"""What a probe may take beyond its own time-out before it is given up from here."""
MEASURE_S = 15.0


class GateFailed(QuarterdeckError):
    """What was released, or put back, is not proven well."""

    word = "not proven"


class Proof:
    """Asks probes and guards of one plan. `judged` is set once a gate of the way forward was asked."""

    def __init__(
        self,
        plan: Plan,
        targets: Mapping[str, Target],
        prober: Prober,
        measures: Measures,
        clock: Clock,
        turns: Turns,
        say: Say,
    ) -> None:
        self.judged = False
        self._plan = plan
        self._targets = targets
        self._prober = prober
        self._measures = measures
        self._clock = clock
        self._turns = turns
        self._say = say
        self._failing: set[int] = set()
        self._switched_at = clock.now()

    async def before(self) -> str:
        """Which guards are breached already, before anything is touched: they must clear within the soak."""
        since = self._clock.now() - max(self._plan.gate.soak_s, 60.0)
        for index, guard in enumerate(self._plan.guards):
            reading = await self._measures.read(guard, since)
            if has_data(guard, reading) and (breach := beyond(guard, reading)):
                self._failing.add(index)
                await self._say(f"guard {named(guard)} {breach} before this release: it must clear within the soak")
        return f"{len(self._plan.changes)} targets as planned, {len(self._plan.guards)} guards read"

    async def gate(self, step: Step, change: Change, *, back: bool = False) -> str:
        """Ask until the rule decides. Raises GateFailed, and what `Turns.pause` raises."""
        self.judged = self.judged or not back
        gate = Gate(self._plan.gate, self._clock.monotonic())
        self._switched_at = self._clock.now()
        while True:
            sample = await self._sample(change, step.through, back=back)
            gate.feed(sample, self._clock.monotonic())
            verdict = gate.verdict(self._clock.monotonic())
            await self._say(f"{sample.verdict}: {sample.said} - {gate.said}")
            if verdict == "pass":
                return gate.said
            if verdict == "fail":
                raise GateFailed(f"{change.target} did not pass the gate", why=gate.said)
            await self._turns.pause(self._plan.probe.interval_s)

    async def soak(self, step: Step) -> str:
        """Watch what runs for the soak. Raises GateFailed, and what `Turns.pause` raises."""
        self.judged = True
        plan, clock = self._plan, self._clock
        soak = Soak(plan.gate, clock.monotonic(), plan.guards, self._failing)
        last = ""
        while True:
            if plan.gate.soak_s > 0 or plan.guards:
                await self._look(soak, step)
            verdict = soak.verdict(clock.monotonic())
            if soak.said != last:
                last = soak.said
                await self._say(last)
            if verdict == "keep":
                return soak.said
            if verdict == "back":
                raise GateFailed("the soak failed", why=soak.said)
            await self._turns.pause(plan.probe.interval_s)
            if self._turns.keep:
                return f"kept now by {self._turns.keep}; {soak.said}"
            for _ in range(self._turns.extends):
                soak.extend(max(plan.gate.soak_s, plan.probe.interval_s))
                await self._say(f"extended by {max(plan.gate.soak_s, plan.probe.interval_s):g} s")
            self._turns.extends = 0

    async def _look(self, soak: Soak, step: Step) -> None:
        samples = await asyncio.gather(*(self._sample(change, step.through) for change in self._plan.changes))
        worst = min(samples, key=lambda sample: ("fail", "unknown", "pass").index(sample.verdict))
        soak.feed(worst, self._clock.monotonic())
        for index, guard in enumerate(self._plan.guards):
            reading = await self._measures.read(guard, self._switched_at)
            soak.guard(index, reading, self._clock.monotonic())

    async def _sample(self, change: Change, through: Through, *, back: bool = False) -> Sample:
        """One look, bounded. What cannot be asked is unknown; what answers wrong or not at all is a failure."""
        rule, at = self._plan.probe, self._clock.now()
        try:
            asked = self._ask(change, through, back=back)
            found = await self._turns.bounded(asked, rule.timeout_s + SLACK_S, f"probe of {change.target}")
        except (Late, NotFound) as error:
            return Sample(verdict="fail", said=error.short, at=at)
        except QuarterdeckError as error:
            return Sample(verdict="unknown", said=error.short, at=at)
        return found

    async def _ask(self, change: Change, through: Through, *, back: bool) -> Sample:
        rule, target = self._plan.probe, self._targets[change.target]
        if rule.http or rule.tcp:
            if change.place.kind == "alias":
                return await self._alive(change, back=back)
            address = "" if back else await target.endpoint(change, through)
            if rule.http:
                return await self._prober.http(rule.http, address, rule)
            return await self._prober.tcp(address or rule.tcp, rule)
        if back or change.place.kind == "alias" or (rule.none and through != "direct"):
            return await self._alive(change, back=back)
        return await target.probe(change, rule, through)

    async def _alive(self, change: Change, *, back: bool) -> Sample:
        """Without a probe that can be asked from here: that the right thing is there, runs, and is not unhealthy."""
        seen = await self._targets[change.target].look()
        wanted = change.back if back else change.to
        if not _is(change, wanted, seen):
            runs, meant = (each.short if each else "nothing" for each in (seen.identity, wanted))
            return Sample(verdict="fail", said=f"{runs} runs, not {meant}", at=self._clock.now())
        sound = seen.running and seen.health not in ("unhealthy", "starting")
        return Sample(verdict="pass" if sound else "fail", said=seen.detail or seen.state, at=self._clock.now())

    async def verify(self) -> str:
        """Read from every target what it runs now. Raises Conflict when one runs something else."""
        return await self._identities([(change, change.to) for change in self._plan.changes])

    async def verify_back(self, changes: Sequence[Change]) -> str:
        """As `verify`, for what was put back."""
        return await self._identities([(change, change.back) for change in changes])

    async def _identities(self, wanted: Sequence[tuple[Change, Identity | None]]) -> str:
        told = []
        for change, identity in wanted:
            seen = await self._targets[change.target].look()
            if not _is(change, identity, seen) or not (seen.running or change.place.kind == "alias"):
                runs = seen.identity.reference if seen.identity else "nothing"
                raise Conflict(
                    f"{change.target} does not run what it should", why=f"it runs {runs} ({seen.state or 'unknown'})"
                )
            told.append(f"{change.target} runs {seen.identity.short if seen.identity else 'nothing'}")
        return ", ".join(told)


def _is(change: Change, wanted: Identity | None, seen: Workload) -> bool:
    """Whether a target is on what it should be. None: an alias is on no version; a workload only has to run."""
    if wanted is None:
        return change.place.kind != "alias" or seen.identity is None
    return wanted.same(seen.identity)


__all__ = ["GateFailed", "Proof", "Unavailable"]
