"""The story without its own incident: production runs v40, which two releases made and proved."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from quarterdeck_demo.story import Container, Release, Story
from quarterdeck_demo.story import signals as metrics

RISE_S, FALL_S = 90.0, 45.0
"""Seconds until a broken version's effect is full, and until it is gone: quicker than in the demo's own story."""
DAY_S = 86_400.0
TRIAL = "fraud-trial"
KEPT = "-qd-kept-"
OPS = {
    "v39": "0199e1a4-6c10-7d3e-9b52-3f0c8a1d2e41",
    "v40": "0199f0c2-18a7-7b64-8e05-5d9b7c2f1a63",
    "v41": "019a0b57-92e4-7c18-a4d1-7e6f0b3c9d25",
}
"""The operations that released them to production."""


def calm(story: Story) -> Story:
    """All is well in production, v39 is kept for a way back, and trouble comes and goes within minutes."""
    released = {release.version: release for release in story.releases["fraud-api"]}
    containers: list[Container] = []
    for container in story.containers:
        if not in_production(container):
            containers.append(container)
            continue
        made = story.now - 2 * DAY_S + container.number
        well = running(container, released["v40"], made)
        containers.append(replace(well, labels=well.labels | marks(released["v40"], 2, "op2", made)))
        containers.append(_kept(container, released["v39"], story.now - 15 * DAY_S, made))
    return again(story, tuple(containers))


def again(story: Story, containers: tuple[Container, ...]) -> Story:
    """The story with these containers, and with the series, rules and past that follow from them."""
    flat = [release for group in story.releases.values() for release in group]
    series = metrics.series(story.now, containers, flat)
    line = metrics.timeline(containers, flat)
    line.rise, line.fall = RISE_S, FALL_S
    return replace(story, containers=containers, series=series, alerts=metrics.alerts(series), timeline=line)


def in_production(container: Container) -> bool:
    """Whether it is one of the three that serve fraud-api."""
    return (container.service, container.environment) == ("fraud-api", "prod") and container.project != TRIAL


def running(container: Container, release: Release, at: float) -> Container:
    """The container as if this release had been put there at that moment, and were well."""
    own = dict(entry.split("=", 1) for entry in release.image.settings["config"]["Env"])
    name = container.reference.rpartition(":")[0]
    return replace(
        container, id=hashlib.sha256(f"{container.id}{release.version}".encode()).hexdigest(), release=release,
        image=release.image, reference=f"{name}:{release.version}", created_at=at, started_at=at + 0.4,
        env=container.env | own, labels=container.labels | release.image.labels, health="healthy", failing_streak=0,
        health_output="", restarts=0, cpu=34.0 + container.number, memory=900 * 1024**2, state="running",
    )  # fmt: skip


def marks(release: Release, revision: int, actor: str, at: float) -> dict[str, str]:
    """The labels that a release of Quarterdeck leaves on what it puts into production."""
    stamp = datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")
    found = {
        "op": OPS[release.version], "service": release.service, "env": "prod", "revision": str(revision),
        "digest": release.image.digest, "actor": actor, "at": stamp,
    }  # fmt: skip
    return {f"quarterdeck.{name}": value for name, value in found.items()}


def kept_name(name: str, version: str) -> str:
    """What the container is called that the release of this version replaced and kept."""
    return f"{name}{KEPT}{OPS[version]}"


def _kept(container: Container, release: Release, at: float, until: float) -> Container:
    old = running(container, release, at)
    return replace(
        old, name=kept_name(container.name, "v40"), state="exited", finished_at=until, exit_code=0, health="",
        labels=old.labels | marks(release, 1, "op2", at),
    )  # fmt: skip
