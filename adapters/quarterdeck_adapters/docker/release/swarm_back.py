"""The way back of a Swarm service, from whatever a stop left, by looking at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck_adapters.docker.release import swarm_planning, swarm_spec
from quarterdeck_adapters.docker.release.swarm_roll import settle
from quarterdeck_adapters.docker.release.swarm_spec import Json
from quarterdeck_adapters.docker.release.swarm_state import HALTED, Raced, State
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.release.model import Change
from quarterdeck_lifecycle.release.ports import Say

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.release.swarm import SwarmTarget

TRIES = 5
AS_BEFORE = "as before, nothing was written"
BY_SWARM = "by Swarm's own rollback"
BY_US = "by an update of our own"


async def put_back(target: SwarmTarget, change: Change, say: Say) -> str:
    """Write once at most, wait until what served before runs everywhere, forget what was kept for this change.

    Raises Conflict when somebody else changed the image, or Swarm stopped half-way; and what `settle` raises.
    """
    for last in (False,) * TRIES + (True,):
        try:
            told = await _write(target, change)
        except Raced as error:
            # Swarm writes how far it is to the same object: look again, decide again.
            if last:
                raise
            await say(error.what)
        else:
            break
    now = await target.state()
    if change.facts["whole"] == "yes":
        seconds = swarm_spec.deadline_s(now.spec, now.desired)
        now = await settle(target.state, change.facts["image"], now.op, seconds, say)
    await target.clear_up(change, say)
    return f"{told}: {now.summary()}"


async def _write(target: SwarmTarget, change: Change) -> str:
    """What is to be written where the service stands now, and nothing where it is back or on its way there."""
    state = await target.state()
    own = await target.shelf.get(target.shelf.name(change.op))
    kept = await target.shelf.get(change.facts["back_from"]) if "back_from" in change.facts else own
    back = kept.spec if kept is not None else None
    if back is not None and "back_from" in change.facts:
        back = swarm_planning.onto(own.spec if own is not None else state.spec, back)
    if state.op != change.op:
        if (again := _half_way(state, change, back)) is None:
            return AS_BEFORE
        await target.send(state, again)
        return BY_US
    if not swarm_spec.identity_of(state.image).same(change.to):
        raise _foreign(state, change)
    if swarm_planning.leads_back(state.previous, change, back):
        await target.send(state, state.spec, rollback=True)
        return BY_SWARM
    base = own.spec if own is not None else None
    if "from" in change.facts and (start := await target.shelf.get(change.facts["from"])) is not None:
        base = swarm_planning.onto(base or state.spec, start.spec)
    await target.send(state, swarm_planning.unwritten(state.spec, change, base, back))
    return BY_US


def _half_way(state: State, change: Change, back: Json | None) -> Json | None:
    """What to write where the service is not this change's: nothing when it is back, or Swarm is taking it there."""
    if state.image == change.facts["image"]:
        stopped = state.status in HALTED and not state.whole and change.facts["whole"] == "yes"
        return state.spec if stopped else None
    if state.image != change.facts["before"] or back is None:
        raise _foreign(state, change)
    return back


def _foreign(state: State, change: Change) -> Conflict:
    return Conflict(
        f"{state.name} was changed by somebody else meanwhile", source=change.place.source,
        why=f"it names {state.image} now; nothing was written over it", mend="look at it, then decide anew",
    )  # fmt: skip
