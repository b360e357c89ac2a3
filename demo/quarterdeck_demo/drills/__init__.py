"""Drills: an incident that is played in the practice world, and a goal that is read from the world itself."""

from __future__ import annotations

from importlib import import_module

from quarterdeck_demo.drills.model import Drill

__all__ = ["DRILLS", "Drill", "load"]

DRILLS = {
    "bad-deploy": "bad_deploy:BadDeploy",
    "lost-link": "lost_link:LostLink",
    "stale-alias": "stale_alias:StaleAlias",
    "full-disk": "full_disk:FullDisk",
    "drifted-model": "drifted_model:DriftedModel",
}
"""By name: where it is."""


def load(name: str) -> Drill:
    """The drill of this name. Raises ValueError."""
    if name not in DRILLS:
        raise ValueError(f"there is no drill {name}: {', '.join(DRILLS)}")
    module, _, kind = DRILLS[name].partition(":")
    made: Drill = getattr(import_module(f"{__name__}.{module}"), kind)()
    return made
