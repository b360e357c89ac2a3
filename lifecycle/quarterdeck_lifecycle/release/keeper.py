"""The leases of one release: taken on every target, shown to be alive, read right before every write, given back.

A lease that shows no beat for its own `lease_s`, by the clock of whoever looks, is abandoned: it is taken over, what
its release changed is put back from the Change that it carries, and only then the new release may begin.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from quarterdeck_lifecycle.errors import QuarterdeckError, RateLimited, Unavailable
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Change, Plan
from quarterdeck_lifecycle.release.ports import Clock, Fence, Holder, LeaseLost, LeaseTaken, Say, Target

PROVEN = 1_000_000
"""Added to the beat once what runs is proven: who finds such a lease abandoned puts nothing back."""
RELEASE_TRIES = 5
TRIES = 3


class Recovered(QuarterdeckError):
    """An abandoned release was put back first, so what this plan was made from is not there any more."""

    word = "recovered"


class Keeper:
    """Holds the leases of a plan's targets. `lost` is set as soon as one of them is known not to be ours."""

    def __init__(self, plan: Plan, targets: Mapping[str, Target], clock: Clock, say: Say) -> None:
        self.lost = asyncio.Event()
        self.why_lost = ""
        self.on_lost: Callable[[str], None] = lambda _why: None
        self._plan = plan
        self._targets = {change.target: targets[change.target] for change in plan.changes}
        self._clock = clock
        self._say = say
        self._held: dict[str, Holder] = {}
        self._asked: set[str] = set()
        """Where it was tried to take a lease: when the answer was lost, it may be ours all the same."""
        self._alive_at: dict[str, float] = {}
        self._beating: asyncio.Task[None] | None = None

    @property
    def holds(self) -> bool:
        """Whether any lease is held, as far as is known."""
        return bool(self._held.keys() | self._asked)

    async def take(self) -> str:
        """Take the lease of every target, in one order everywhere. Raises LeaseTaken, Recovered, QuarterdeckError.

        Takes up to the lease time of one that is found: only a beat that stands still tells that it was abandoned.
        """
        ordered = sorted(self._plan.changes, key=lambda each: each.target)
        proven = await self._proven_ops()
        recovered = [told for change in ordered if (told := await self._take(change, proven)) is not None]
        if recovered:
            raise Recovered(
                "an abandoned release was found and put back", why="; ".join(recovered),
                mend="look at what runs now, then release again",
            )  # fmt: skip
        windows = {target.lease.window for target in self._targets.values() if target.lease.window}
        return f"lease on {', '.join(self._held)}{f' ({chr(59).join(sorted(windows))})' if windows else ''}"

    async def retake(self) -> str:
        """As `take`, after a lease was lost or not shown alive for too long."""
        await self.stop()
        self.lost.clear()
        self.why_lost = ""
        return await self.take()

    def start(self) -> None:
        """Begin to show signs of life."""
        if self._beating is None:
            self._beating = asyncio.get_running_loop().create_task(self._beat())

    async def _proven_ops(self) -> set[str]:
        """The operations that one of the leases says are proven: they are so on every target."""
        seen = [await target.lease.read() for target in self._targets.values()]
        return {each.op for each in seen if each is not None and each.beat >= PROVEN}

    async def ours(self) -> bool:
        """Whether every target's lease is there and of this release. Raises QuarterdeckError."""
        seen = [await target.lease.read() for target in self._targets.values()]
        return all(each is not None and each.op == self._plan.op for each in seen)

    async def _take(self, change: Change, proven: set[str]) -> str | None:
        target = self._targets[change.target]
        holder = self._holder(change)
        with permit(change.place.source):
            for _ in range(TRIES):
                seen = await target.lease.read()
                if seen is not None and seen.op == self._plan.op and (theirs := _duty(seen)) is not None:
                    await self._acquire(target, seen)
                    return await self._discharge(target, theirs)
                if seen is None or seen.op == self._plan.op:
                    await self._acquire(target, holder)
                    return None
                if not await self._abandoned(target, seen):
                    continue
                if seen.beat >= PROVEN or seen.op in proven or not seen.change:
                    await target.lease.evict(seen)
                    await self._say(f"{change.target}: the lease of {seen.op} was left behind by {seen.owner}")
                    continue
                return await self._inherit(target, holder, seen)
        raise LeaseTaken(await target.lease.read() or holder, source=change.place.source)

    async def _acquire(self, target: Target, holder: Holder) -> None:
        place = str(target.place)
        self._asked.add(place)
        held = await target.lease.acquire(holder)
        self._held[place] = held
        self._alive_at[place] = self._clock.monotonic()
        target.fence = self._fence(place)
        self.start()

    async def _abandoned(self, target: Target, seen: Holder) -> bool:
        """Watch a lease for its own time. False when it went meanwhile; raises LeaseTaken as soon as it beats."""
        wait = max(seen.lease_s, self._plan.pace.lease_s)
        until = self._clock.monotonic() + wait
        await self._say(f"{target.place}: held by {seen.op} of {seen.owner} on {seen.host}; watching it for {wait:g} s")
        while self._clock.monotonic() < until:
            await self._clock.sleep(min(self._plan.pace.beat_s, max(0.01, until - self._clock.monotonic())))
            now = await target.lease.read()
            if now is None:
                return False
            if (now.id, now.op, now.beat) != (seen.id, seen.op, seen.beat):
                raise LeaseTaken(now, source=target.place.source)
        return True

    async def _inherit(self, target: Target, holder: Holder, seen: Holder) -> str:
        """Take an abandoned lease with the duty that hangs on it: until it is done, ours carries their change."""
        theirs = msgspec.json.decode(seen.change, type=Change)
        await target.lease.evict(seen)
        await self._acquire(target, msgspec.structs.replace(holder, change=seen.change))
        said = await self._discharge(target, theirs)
        return f"{said}, it was of {seen.owner} on {seen.host}"

    async def _discharge(self, target: Target, theirs: Change) -> str:
        said = await target.put_back(theirs, self._say)
        return f"{target.place}: operation {theirs.op} had stopped; {said}"

    def _holder(self, change: Change) -> Holder:
        plan = self._plan
        return Holder(
            op=plan.op, service=plan.service, environment=plan.environment, owner=plan.actor, host=plan.host,
            since=plan.at, lease_s=plan.pace.lease_s, change=msgspec.json.encode(change).decode(),
        )  # fmt: skip

    # signs of life

    async def _beat(self) -> None:
        while self._held:
            await self._clock.sleep(self._plan.pace.beat_s)
            for place in list(self._held):
                await self._beat_one(place)

    async def _beat_one(self, place: str) -> None:
        held, target = self._held.get(place), self._targets[place]
        if held is None:
            return
        try:
            with permit(target.place.source):
                beaten = await target.lease.beat(held)
        except LeaseLost as error:
            self._lose(place, str(error))
            return
        except QuarterdeckError:
            return  # the next beat tries again; whether it is still ours is read before every write
        slept = self._clock.monotonic() - self._alive_at[place]
        if place in self._held:
            self._held[place] = msgspec.structs.replace(beaten, beat=max(beaten.beat, self._held[place].beat))
            self._alive_at[place] = self._clock.monotonic()
        if slept > self._plan.pace.lease_s:
            self._tell(f"{place}: no sign of life for {slept:.1f} s, longer than the lease of "
                       f"{self._plan.pace.lease_s:g} s")  # fmt: skip

    def _lose(self, place: str, why: str) -> None:
        self._held.pop(place, None)
        self.lost.set()
        self._tell(why)

    def _tell(self, why: str) -> None:
        self.why_lost = self.why_lost or why
        self.on_lost(why)

    def _fence(self, place: str) -> Fence:
        async def check() -> None:
            held = self._held.get(place)
            if held is None:
                raise LeaseLost("nothing was written", source=place, why=self.why_lost or "the lease is not held")
            try:
                await self._targets[place].lease.check(held)
            except LeaseLost as error:
                self._lose(place, str(error))
                raise

        return check

    async def check(self, target: str) -> None:
        """Read one lease now. Raises LeaseLost, QuarterdeckError."""
        await self._fence(target)()

    async def proven(self) -> None:
        """From now on nobody puts this release back."""
        for place, held in list(self._held.items()):
            if held.beat < PROVEN:
                self._held[place] = msgspec.structs.replace(held, beat=held.beat + PROVEN)
                await self._beat_one(place)

    # the end

    async def stop(self) -> None:
        """Show no more signs of life; the leases stay where they are."""
        if self._beating is not None:
            self._beating.cancel()
            with suppress(asyncio.CancelledError):
                await self._beating
            self._beating = None

    async def release(self) -> str:
        """Give every lease back. One whose system does not answer is asked again, a few times and for twice the time of
        a lease; then it is left to run out, and named."""
        await self.stop()
        places = sorted(self._held.keys() | self._asked)
        left = [f"{place}: {why}" for place in places if (why := await self._release(place))]
        if left:
            return f"not given back, they run out by themselves: {'; '.join(left)}"
        return "given back"

    async def _release(self, place: str) -> str:
        target, pace = self._targets[place], self._plan.pace
        until = self._clock.monotonic() + 2 * pace.lease_s
        for attempt in itertools.count(1):
            try:
                with permit(target.place.source):
                    held = self._held.get(place) or await target.lease.read()
                    if held is not None and held.op == self._plan.op:
                        await target.lease.release(held)
            except (Unavailable, RateLimited) as error:
                if attempt >= RELEASE_TRIES and self._clock.monotonic() >= until:
                    return error.short
                await self._clock.sleep(min(pace.beat_s, 2.0))
            except QuarterdeckError as error:
                return error.short
            else:
                self._held.pop(place, None)
                self._asked.discard(place)
                target.fence = None
                break
        return ""


def _duty(held: Holder) -> Change | None:
    """The change of another operation that a lease of ours has to put back; None when it carries our own."""
    if not held.change:
        return None
    change = msgspec.json.decode(held.change, type=Change)
    return change if change.op != held.op else None
