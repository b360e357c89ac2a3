"""`GET /events`: what happened since, and what happens."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator

from quarterdeck_demo.docker import tick
from quarterdeck_demo.docker.filters import Filters, labels_fit
from quarterdeck_demo.docker.state import Json
from quarterdeck_demo.docker.wire import NANO, EngineError, nanos, parse_unix
from quarterdeck_demo.docker.world import World
from quarterdeck_demo.messages import Request

ALLOWED = frozenset(
    ("config", "container", "daemon", "event", "id", "image", "label", "network", "node", "plugin", "scope",
     "secret", "service", "type", "volume")
)  # fmt: skip
PULSE_S = 0.1
CLOCK_GRAIN = 1_000
"""Nanoseconds that epoch seconds as a float cannot tell apart."""


def window(request: Request) -> tuple[int | None, int | None]:
    """`since` and `until`; raises EngineError 400 when they cross."""
    since, until = request.arg("since"), request.arg("until")
    start = parse_unix(since) if since not in ("", "0") else None
    end = parse_unix(until) if until not in ("", "0") else None
    if start is not None and end is not None and start > end:
        raise EngineError(400, f"`since` time ({since}) cannot be after `until` time ({until})")
    return start, end


async def stream(world: World, since: int | None, until: int | None, filters: Filters) -> AsyncIterator[bytes]:
    """One JSON object a line; without `until` it ends only with the engine."""
    queue: deque[Json] = deque()
    epoch = world.epoch
    if since is not None or until is not None:
        queue.extend(event for event in world.events if event["timeNano"] >= (since or 0))
    world.listeners.append(queue)
    try:
        while world.epoch == epoch:
            tick.advance(world)
            while queue:
                event = queue.popleft()
                if (until is None or event["timeNano"] <= until) and fits(event, filters):
                    yield json.dumps(event, separators=(",", ":")).encode() + b"\n"
            now = nanos(world.now) + CLOCK_GRAIN
            if until is not None and now >= until:
                return
            await world.wait(PULSE_S if until is None else min(PULSE_S, max(until - now, 0) / NANO))
    finally:
        world.listeners[:] = [other for other in world.listeners if other is not queue]


def fits(event: Json, filters: Filters) -> bool:
    """Whether an event passes: values of one filter are alternatives, filters add up."""
    attributes = event["Actor"]["Attributes"]
    actor = event["Actor"]["ID"]
    for name, values in filters.items():
        if name == "label":
            passed = labels_fit(values, attributes)
        elif name == "event":
            passed = any(event["Action"] == v or event["Action"].startswith(f"{v}:") for v in values)
        elif name == "type":
            passed = event["Type"] in values
        elif name == "scope":
            passed = event["scope"] in values
        elif name == "image":
            image = attributes.get("name" if event["Type"] == "image" else "image", "")
            passed = any(v in (image, image.rpartition(":")[0], actor) for v in values)
        elif name == "id":
            passed = any(actor.startswith(v) for v in values)
        else:
            passed = event["Type"] == name and any(
                actor.startswith(v) or attributes.get("name") == v.removeprefix("/") for v in values
            )
        if not passed:
            return False
    return True
