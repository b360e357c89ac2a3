"""The steps of a container's release, in order, and how long each may take. Pure."""

from __future__ import annotations

from typing import NamedTuple

from quarterdeck_adapters.docker.image_actions import PULL_S
from quarterdeck_lifecycle.release.model import Mode, Phase, Place, Step, Through
from quarterdeck_lifecycle.release.ports import Wanted

CREATE_S = 120.0
START_S = 90.0
PRUNE_S = 300.0
ROUTE_S = 60.0
DROP_S = 150.0
"""How long a proxy may take to send a server nothing new: Traefik waits for the container's healthcheck to fail."""


class Stage(NamedTuple):
    """One step before it has a target."""

    name: str
    title: str
    phase: Phase
    deadline_s: float
    through: Through = "traffic"


def steps(place: Place, mode: Mode, wanted: Wanted, *, stop_s: int, drain_s: float, image: str) -> tuple[Step, ...]:
    """What a release of this mode does to one container."""
    name, gate_s = place.name, wanted.gate.within_s + wanted.probe.timeout_s + 5
    pull = Stage("pull", f"pull {image}", "prepare", PULL_S)
    create = Stage("create", f"create the new {name}, not started", "prepare", CREATE_S)
    prune = Stage("prune", f"keep the last {wanted.keep} of {name}, remove older ones", "keep", PRUNE_S)
    gate = Stage("gate", f"prove the new {name}", "gate", gate_s)
    direct = Stage("gate-direct", f"prove the new {name} itself", "gate", gate_s, "direct")
    leave = Stage("stop", f"stop the old {name} and keep it", "retire", stop_s + 60.0)
    beside = Stage("start", f"start the new {name} beside the old one", "switch", START_S)
    if mode == "start-first":
        order = [
            pull, create, beside, direct,
            Stage("route", f"send traffic to the new {name}", "switch", ROUTE_S),
            Stage("drain", f"wait for the old {name}'s sessions to end", "switch", drain_s + DROP_S),
            gate, leave, prune,
        ]  # fmt: skip
    elif mode == "overlap":
        order = [pull, create, beside, direct, leave, prune]
    else:
        order = [
            pull, create,
            Stage("stop", f"stop the old {name} ({stop_s} s at most)", "switch", stop_s + 60.0),
            Stage("start", f"start the new one as {name}", "switch", START_S),
            gate, prune,
        ]  # fmt: skip
    return tuple(
        Step(
            id=f"{place}:{each.name}", name="gate" if each.phase == "gate" else each.name, title=each.title,
            phase=each.phase, deadline_s=each.deadline_s, target=str(place), through=each.through,
        )
        for each in order
    )  # fmt: skip
