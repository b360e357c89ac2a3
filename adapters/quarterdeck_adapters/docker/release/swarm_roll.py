"""Waiting until Swarm has rolled a service, with what it says meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from quarterdeck_adapters.docker.release.swarm_spec import token
from quarterdeck_adapters.docker.release.swarm_state import HALTED, State
from quarterdeck_lifecycle.errors import Conflict, Timeout, Unavailable
from quarterdeck_lifecycle.release.ports import Say

POLL_S = 0.3
SURPLUS_S = 5.0
"""How long the same tasks must have run where there are more of them than were asked for."""
UNREAD_S = 20.0
"""How long a manager may not answer: Swarm rolls on without being watched."""
LOOP = 3
"""Tasks that fail while it is waited for, for each wanted one and once Swarm is done, that make a crash loop."""


async def settle(read: Callable[[], Awaitable[State]], image: str, op: str, seconds: float, say: Say) -> State:
    """Wait until every task runs `image` of operation `op`, seen twice in a row. Answers what was seen then.

    Raises Conflict when Swarm paused, rolled back by itself, or somebody else changed the service, with what failed
    tasks say; Timeout after `seconds`; Unavailable when the manager does not answer for UNREAD_S.
    """
    until, said, settled = time.monotonic() + seconds, "", frozenset[str]()
    unread = since = 0.0
    known: frozenset[str] | None = None
    while True:
        try:
            state = await read()
        except Unavailable as error:
            unread = unread or time.monotonic()
            if time.monotonic() - unread > UNREAD_S or time.monotonic() > until:
                raise
            if error.short != said:
                said = error.short
                await say(said)
            await asyncio.sleep(POLL_S)
            continue
        unread = 0.0
        known = state.failed if known is None else known
        if (line := f"{state.status or 'waiting'}: {state.summary()}") != said:
            said = line
            await say(line)
        settled = settled if state.whole else frozenset()
        if (state.image, state.op) != (image, op):
            if not state.rolling:
                raise _otherwise(state)
        elif state.whole:
            tasks = frozenset(task.id for task in state.current)
            if tasks != settled:
                settled, since = tasks, time.monotonic()
            elif state.calm or time.monotonic() - since > SURPLUS_S:
                return state
        elif state.status in HALTED:
            raise Conflict(f"Swarm stopped rolling {state.name}", why=_why(state), mend="see docker service ps")
        elif not state.rolling and len(state.failed - known) >= LOOP * max(1, state.desired):
            raise Conflict(f"the new tasks of {state.name} keep failing", why=_why(state), mend="see docker service ps")
        if time.monotonic() > until:
            raise Timeout(
                f"{state.name} did not settle", why=f"{seconds:g} s have passed; {_why(state)}",
                mend="see docker service ps for what its tasks wait for",
            )  # fmt: skip
        await asyncio.sleep(POLL_S)


def _why(state: State) -> str:
    return "; ".join(part for part in (state.said, state.summary(), *state.trouble[:3]) if part)


def _otherwise(state: State) -> Conflict:
    if state.status.startswith("rollback"):
        failed = next((task for task in state.tasks if task.error and task.token != token(state.spec)), None)
        why = f"{state.said or state.status}{f'; a task said: {failed.error}' if failed else ''}"
        return Conflict(f"Swarm rolled {state.name} back by itself", why=why, mend="see docker service ps")
    return Conflict(
        f"{state.name} was changed by somebody else meanwhile",
        why=f"it names {state.image} now, by operation {state.op or 'unknown'}", mend="look at it, then release again",
    )  # fmt: skip
