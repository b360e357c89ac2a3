"""Why a build request still waits: Buildbot does not say, so it is told by its workers and what they do. Pure.

https://docs.buildbot.net/latest/developer/raml/worker.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quarterdeck_adapters.ci.values import Json, rows, shown, text, whole


def _names(workers: Sequence[Json]) -> str:
    named = ", ".join(shown(each.get("name"), 60) for each in workers[:4])
    return f"{named} and {len(workers) - 4} more" if len(workers) > 4 else named


def configured(builderid: int, workers: Sequence[Json]) -> list[Json]:
    """The workers that may build for a builder."""
    return [each for each in workers
            if any(whole(pair.get("builderid")) == builderid for pair in rows(each, "configured_on"))]  # fmt: skip


def why(request: Json, workers: Sequence[Json], building: Mapping[int, Sequence[str]], ahead: int) -> str:
    """The reason in words. `building` are the names of the builds under way by worker id; `ahead` requests wait for
    the same builder and come first."""
    mine = configured(whole(request.get("builderid")) or 0, workers)
    if not mine:
        return "no worker is configured for its builder"
    connected = [each for each in mine if rows(each, "connected_to")]
    if not connected:
        return f"no worker is connected: {_names(mine)}"
    able = [each for each in connected if each.get("paused") is not True and each.get("graceful") is not True]
    if not able:
        reasons = {text(each.get("pause_reason")) for each in connected} - {""}
        told = f" ({shown('; '.join(sorted(reasons)))})" if reasons else ""
        paused = any(each.get("paused") is True for each in connected)
        return f"{'paused' if paused else 'shutting down'}: {_names(connected)}{told}"
    busy = [name for each in able for name in building.get(whole(each.get("workerid")) or 0, ())]
    if busy:
        more = f" and {len(busy) - 1} more" if len(busy) > 1 else ""
        return f"waits for {_names(able)}, which builds {busy[0]}{more}"
    if ahead:
        return f"waits for its turn: {ahead} {'request comes' if ahead == 1 else 'requests come'} first"
    return "waits to be taken: a lock, or a rule of its builder"
