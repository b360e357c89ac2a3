"""Going back to a container that Traefik was made to drop.

`drain_exec` makes a container's healthcheck fail, and only a restart undoes that. Traefik drops it some time after,
when the healthcheck has failed often enough: whether the program ran is told by the healthcheck's next run, and not
by what Traefik lists now.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.docker.mapping import epoch
from quarterdeck_adapters.docker.release.calls import Calls, Json
from quarterdeck_adapters.docker.release.facts import Facts
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.release.ports import Say

if TYPE_CHECKING:
    from quarterdeck_adapters.proxy import Proxy

DEFAULT_S = 30.0
"""The engine's interval and timeout of a healthcheck that says nothing of them."""
RETRIES = 3
POLL_S = 0.1
THROTTLE_S = 10.0
"""How long Traefik may take to follow the engine."""


def undrainable(kind: str, found: Json) -> str:
    """Why Traefik could not be made to drop this container; empty when it could, or when it is another proxy."""
    if kind != "traefik" or _check(found):
        return ""
    return "it has no healthcheck, by which alone Traefik can be made to drop it before it stops"


async def revived(
    calls: Calls, facts: Facts, proxy: Proxy, at: str, goal: Json, leaving: Sequence[Json], say: Say
) -> Json:
    """The goal, restarted where `drain_exec` had run in it and once Traefik sends it nothing.

    Reads only where the proxy is no Traefik, and where none of those that leave ever ran: nothing was drained then.
    Raises Conflict when Traefik does not drop it.
    """
    ran = any((each.get("State") or {}).get("Status") != "created" for each in leaving)
    if json.loads(facts.proxy).get("kind") != "traefik" or not ran or not _check(goal):
        return goal
    if await _passes(calls, goal):
        return goal
    await say(f"{facts.name} was drained: it is restarted, so that its healthcheck passes again")
    await _dropped(proxy, at, goal, facts.name, calls.name)
    id = str(goal["Id"])
    await calls.stop(id, facts.stop_s)
    await calls.start(id)
    return await calls.container(id) or goal


async def _passes(calls: Calls, goal: Json) -> bool:
    """Whether a run of its healthcheck that begins from now on passes; true when there is none in time."""
    now, id = epoch((await calls.info()).get("SystemTime")) or 0.0, str(goal["Id"])
    try:
        async with asyncio.timeout(_seconds(goal, "Interval") + _seconds(goal, "Timeout") + THROTTLE_S):
            while True:
                found = await calls.container(id)
                for run in (((found or goal).get("State") or {}).get("Health") or {}).get("Log") or ():
                    if (epoch(run.get("Start")) or 0.0) >= now:
                        return bool(run.get("ExitCode") == 0)
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return True


async def _dropped(proxy: Proxy, at: str, goal: Json, name: str, source: str) -> None:
    retries = int(_check(goal).get("Retries") or RETRIES)
    limit = retries * (_seconds(goal, "Interval") + _seconds(goal, "Timeout")) + THROTTLE_S
    try:
        async with asyncio.timeout(limit):
            while True:
                if await proxy.find(at) is None:
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise Conflict(
            f"{name} was not restarted", source=source,
            why=f"its healthcheck fails since it was drained, and after {limit:g} s Traefik still lists it",
        ) from error  # fmt: skip


def _check(found: Json) -> dict[str, Any]:
    """Its healthcheck, empty where it has none (`NONE` switches off the image's)."""
    check = (found.get("Config") or {}).get("Healthcheck") or {}
    return {} if (check.get("Test") or ["NONE"])[0] == "NONE" else dict(check)


def _seconds(found: Json, which: str) -> float:
    return float(_check(found).get(which) or 0) / 1e9 or DEFAULT_S
