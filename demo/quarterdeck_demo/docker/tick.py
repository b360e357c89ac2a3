"""What time brings: ends, restarts and health checks that are due."""

from __future__ import annotations

from quarterdeck_demo.docker import lifecycle
from quarterdeck_demo.docker.state import Container
from quarterdeck_demo.docker.wire import EngineError, digest, rfc3339
from quarterdeck_demo.docker.world import World

KEPT_PROBES = 5
MOST_STEPS = 1_000
"""Of one container in one call: a clock that jumped by days is not followed step by step."""


def advance(world: World) -> None:
    """Bring every container to the present."""
    now = world.now
    for container in list(world.containers.values()):
        for _ in range(MOST_STEPS):
            if container.gone or not _step(world, container, now):
                break


def _step(world: World, container: Container, now: float) -> bool:
    if container.status == "restarting" and container.restart_at is not None:
        if container.restart_at > now:
            return False
        try:
            lifecycle.start(world, container, container.restart_at)
        except EngineError:
            container.status, container.restart_at = "exited", None
        return True
    if container.status != "running":
        return False
    death = container.life.death(container.run, now)
    if container.health is not None:
        _probe(world, container, now if death is None else min(now, death.at))
    if death is None:
        return False
    lifecycle.died(world, container, death.code, oom=death.oom, at=death.at)
    return True


def _probe(world: World, container: Container, until: float) -> None:
    health, check = container.health, container.config["Healthcheck"]
    assert health is not None
    every = max(lifecycle.interval(container), 0.01)
    retries = check.get("Retries") or 3
    grace = (check.get("StartPeriod") or 0) / 1e9
    behind = until - health.next_at
    if behind > (retries + KEPT_PROBES) * every:
        health.next_at += (behind // every - retries - KEPT_PROBES) * every
    while health.next_at <= until:
        at = health.next_at
        code, output = container.life.probe(check["Test"], at)
        _probe_events(world, container, at, code)
        took = 0.02 + 0.04 * int(digest(container.id, at)[:4], 16) / 65_535
        entry = {"Start": rfc3339(at), "End": rfc3339(at + took), "ExitCode": code, "Output": output}
        health.log = [*health.log, entry][-KEPT_PROBES:]
        before = health.status
        if code == 0:
            health.status, health.streak = "healthy", 0
        elif at - container.run.started >= grace or before == "healthy":
            health.streak += 1
            if health.streak >= retries:
                health.status = "unhealthy"
        if health.status != before:
            world.container_event(container, f"health_status: {health.status}", at + took)
        health.next_at = at + every


def _probe_events(world: World, container: Container, at: float, code: int) -> None:
    kind, *words = container.config["Healthcheck"]["Test"]
    command = " ".join(["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words)
    exec_id = digest(container.id, "probe", at)
    suffix = "" if kind == "CMD-SHELL" else " "
    for action in ("exec_create", "exec_start"):
        world.container_event(container, f"{action}: {command}{suffix}", at, execID=exec_id)
    world.container_event(container, "exec_die", at, execID=exec_id, exitCode=str(code))
