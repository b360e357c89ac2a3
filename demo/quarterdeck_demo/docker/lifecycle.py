"""What happens to containers: start, stop, kill, die, come back, pause, be removed."""

from __future__ import annotations

import asyncio

from quarterdeck_demo.docker import net
from quarterdeck_demo.docker.state import Container, Health, Run
from quarterdeck_demo.docker.wire import EngineError
from quarterdeck_demo.docker.world import World

SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "ABRT": 6, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15, "CONT": 18,
           "STOP": 19, "WINCH": 28}  # fmt: skip
KEPT_RUNS = 50
STABLE_S = 10.0
"""A run this long resets the delay before the next restart: moby restartmanager."""


def signal_named(text: str) -> tuple[str, int]:
    """`SIGTERM`, `TERM` or `15` as name and number; raises EngineError 400."""
    name = text.upper().removeprefix("SIG")
    if name in SIGNALS:
        return name, SIGNALS[name]
    for known, number in SIGNALS.items():
        if text == str(number):
            return known, number
    raise EngineError(400, f"Invalid signal: {text}")


def start(world: World, container: Container, at: float | None = None) -> None:
    """Start a container that has no process; with `at`, it is the restart policy that does it.

    Raises EngineError 500 when a port is taken; the container then keeps its state, with the reason.
    """
    now = world.now if at is None else at
    try:
        published = net.publish(world, container)
    except EngineError as error:
        container.exit_code, container.error = 128, error.message
        for network in net.networks_of(world, container):
            world.network_event(network, "disconnect", container.id)
        raise
    container.ports = published
    for network in net.networks_of(world, container):
        net.join(world, container, network)
        world.network_event(network, "connect", container.id, now)
    for mount in container.mounts:
        if mount["Type"] == "volume":
            details = {"container": container.id, "destination": mount["Destination"], "driver": "local"}
            details |= {"propagation": "", "read/write": str(mount["RW"]).lower()}
            world.emit("volume", "mount", mount["Name"], details, now)
    number = container.runs[-1].number + 1 if container.runs else 0
    container.runs = [*container.runs[-KEPT_RUNS:], Run(number, now)]
    container.status, container.exit_code, container.error = "running", 0, ""
    container.oom_killed, container.stopped_by_hand, container.restart_at = False, False, None
    container.pid = world.new_pid()
    if at is None:
        container.restarts, container.backoff = 0, 0.0
    if "Healthcheck" in container.config and container.config["Healthcheck"].get("Test", ["NONE"]) != ["NONE"]:
        container.health = Health(next_at=now + interval(container))
    world.container_event(container, "start", now)


def interval(container: Container) -> float:
    """Seconds between two health checks."""
    return float(container.config["Healthcheck"].get("Interval") or 30_000_000_000) / 1e9


def died(world: World, container: Container, code: int, *, oom: bool = False, at: float | None = None) -> None:
    """The process has ended: events, and the restart policy."""
    now = world.now if at is None else at
    ran = now - container.run.started
    container.run.ended = now
    container.exit_code, container.oom_killed, container.pid = code, oom, 0
    container.status, container.ports = "exited", {}
    if container.health is not None:
        container.health = Health("unhealthy" if code else container.health.status, 0, container.health.log)
    for exec_id in container.execs:
        command = world.execs[exec_id]
        if command.running:
            command.running, command.exit_code = False, 137
    if oom:
        world.container_event(container, "oom", now)
    world.container_event(container, "die", now, exitCode=str(code))
    for network in net.networks_of(world, container):
        net.leave(container, network)
        world.network_event(network, "disconnect", container.id, now)
    for mount in container.mounts:
        if mount["Type"] == "volume":
            details = {"container": container.id, "driver": "local"}
            world.emit("volume", "unmount", mount["Name"], details, now)
    if comes_back(container, code):
        container.backoff = 0.1 if ran >= STABLE_S or not container.backoff else min(container.backoff * 2, 60.0)
        container.restart_at = now + container.backoff
        container.status = "restarting"
        container.restarts += 1
    elif container.host_config["AutoRemove"]:
        forget(world, container)


def comes_back(container: Container, code: int) -> bool:
    """Whether the restart policy starts it again after an end of its own."""
    policy = container.host_config["RestartPolicy"]
    if container.stopped_by_hand:
        return False
    if policy["Name"] == "on-failure":
        most = policy["MaximumRetryCount"]
        return code != 0 and (most == 0 or container.restarts < most)
    return policy["Name"] in ("always", "unless-stopped")


def kill(world: World, container: Container, signal: str) -> None:
    """Send a signal. Raises EngineError 409 when nothing runs."""
    name, number = signal_named(signal)
    if not container.alive:
        reason = f"Container {container.id} is not running"
        raise EngineError(409, f"Cannot kill container: {container.name}: {reason}")
    code = 137 if name == "KILL" else container.life.on_signal(name)
    if container.status == "paused" and name != "KILL":
        code = None
    if code is not None:
        container.stopped_by_hand = True
    world.container_event(container, "kill", signal=str(number))
    if code is not None:
        died(world, container, code)


async def stop(world: World, container: Container, timeout: float | None, signal: str = "") -> None:
    """Ask, wait at most `timeout` seconds (10), kill; returns when the container has stopped."""
    grace = float(container.config.get("StopTimeout") or 10) if timeout is None else timeout
    name = signal or container.config.get("StopSignal") or "TERM"
    if container.status == "restarting":
        container.stopped_by_hand, container.restart_at, container.status = True, None, "exited"
        world.container_event(container, "stop")
        return
    if container.status == "paused":
        container.status = "running"
    container.stopped_by_hand = True
    run = container.run
    kill(world, container, name)
    if run.ended is None:
        await asyncio.sleep(grace if grace >= 0 else 3600)
    if run.ended is None and container.alive:
        kill(world, container, "KILL")
    if not container.gone:
        world.container_event(container, "stop")


async def restart(world: World, container: Container, timeout: float | None, signal: str = "") -> None:
    """Stop if it runs, then start."""
    kept = container.host_config["AutoRemove"]
    container.host_config["AutoRemove"] = False
    try:
        if container.running:
            await stop(world, container, timeout, signal)
        if not container.alive:
            start(world, container)
    finally:
        container.host_config["AutoRemove"] = kept
    world.container_event(container, "restart")


def pause(world: World, container: Container) -> None:
    """Freeze. Raises EngineError 409."""
    if container.status == "paused":
        raise EngineError(409, f"Container {container.id} is already paused")
    if container.status == "restarting":
        raise EngineError(409, f"Container {container.id} is restarting, wait until the container is running")
    if container.status != "running":
        raise EngineError(409, f"Container {container.id} is not running")
    container.status = "paused"
    world.container_event(container, "pause")


def unpause(world: World, container: Container) -> None:
    """Go on. Raises EngineError 500, as the engine does."""
    if container.status != "paused":
        raise EngineError(500, f"Container {container.id} is not paused")
    container.status = "running"
    world.container_event(container, "unpause")


def remove(world: World, container: Container, *, force: bool, volumes: bool) -> None:
    """Remove. Raises EngineError 409 for a running one without `force`."""
    if container.running:
        if not force:
            what, advice = "You cannot remove a running container", "Stop the container before attempting removal"
            if container.status == "paused":
                what, advice = (
                    "You cannot remove a paused container",
                    "Unpause and then stop the container before attempting removal",
                )
            raise EngineError(409, f"{what} {container.id}. {advice} or force remove")
        if container.alive:
            kill(world, container, "KILL")
    if volumes and not container.gone:
        for mount in container.mounts:
            name = mount.get("Name", "")
            if name in world.volumes and world.volumes[name].anonymous and net.volume_users(world, name) == [container]:
                del world.volumes[name]
                world.emit("volume", "destroy", name, {"driver": "local"})
    if not container.gone:
        forget(world, container)


def forget(world: World, container: Container) -> None:
    """The container is no more."""
    container.gone = True
    del world.containers[container.id]
    for exec_id in container.execs:
        world.execs.pop(exec_id, None)
    world.container_event(container, "destroy")
