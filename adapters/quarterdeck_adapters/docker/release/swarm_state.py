"""What a Swarm service is and what its tasks do, read together; and all services, for discovery.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Service and #tag/Task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.mapping import epoch
from quarterdeck_adapters.docker.release import swarm_spec
from quarterdeck_adapters.docker.release.swarm_spec import Json, identity_of, image_of, op_of, token
from quarterdeck_lifecycle.errors import Conflict, NotFound, QuarterdeckError, Unavailable, Unsupported
from quarterdeck_lifecycle.release.model import Identity, Marks, Workload

ROLLING = ("updating", "rollback_started")
HALTED = ("paused", "rollback_paused")
FAILED = ("failed", "rejected", "orphaned", "complete")
"""A task that Swarm replaces ends as `shutdown`; one that is `complete` ended with 0 before that was asked of it."""


class Raced(Conflict):
    """The service was written to, by somebody or by Swarm itself, between the look and the write: nothing was sent."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task. `token` is its generation (see `swarm_spec.token`); `wanted` is what Swarm wants it to be."""

    id: str
    token: tuple[str, str, int]
    state: str
    wanted: str
    slot: str = ""
    node: str = ""
    error: str = ""
    exit_code: int | None = None
    container: str = ""
    at: float = 0.0

    @property
    def serving(self) -> bool:
        """Runs and is meant to."""
        return self.state == "running" and self.wanted == "running"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A service with its tasks, the newest first. `previous` is the spec before the last update, where there is one."""

    id: str
    name: str
    version: int
    spec: Json
    previous: Json | None = None
    status: str = ""
    said: str = ""
    updated_at: float | None = None
    tasks: tuple[Task, ...] = ()

    @property
    def image(self) -> str:
        """The image that the spec names."""
        return image_of(self.spec)

    @property
    def op(self) -> str:
        """The operation whose marks the service carries."""
        return op_of(self.spec)

    @property
    def desired(self) -> int:
        """How many tasks should run; of a global service as many as there are nodes with a task of it."""
        count = swarm_spec.replicas(self.spec)
        if count is not None:
            return count
        return len({task.node for task in self.tasks if task.wanted in ("running", "ready") and task.node})

    @property
    def serving(self) -> tuple[Task, ...]:
        """The tasks that run and are meant to."""
        return tuple(task for task in self.tasks if task.serving)

    @property
    def current(self) -> tuple[Task, ...]:
        """Those of them that run what the spec says."""
        return tuple(task for task in self.serving if task.token == token(self.spec))

    @property
    def rolling(self) -> bool:
        """Whether Swarm is replacing tasks."""
        return self.status in ROLLING

    @property
    def whole(self) -> bool:
        """Whether all that should run does, on what the spec says and on nothing else, and Swarm is done."""
        return not self.rolling and len(self.current) == len(self.serving) >= max(1, self.desired)

    @property
    def coming(self) -> int:
        """How many tasks are on their way to running."""
        return sum(task.wanted in ("running", "ready") and not task.serving for task in self.tasks)

    @property
    def calm(self) -> bool:
        """Whether it is whole, with no task too many and none on its way: just after a rollback Swarm may have started
        two for one slot, which it mends by one more roll."""
        return self.whole and len(self.serving) == max(1, self.desired) and not self.coming

    @property
    def trouble(self) -> tuple[str, ...]:
        """What failed tasks of the spec's generation say, each once."""
        mine = [task for task in self.tasks if task.token == token(self.spec) and task.state in FAILED]
        return tuple(dict.fromkeys(f"{task.state}: {task.error or 'no reason given'}" for task in mine))

    @property
    def failed(self) -> frozenset[str]:
        """The tasks of the spec's generation that failed, of those that Swarm still lists, by id."""
        return frozenset(task.id for task in self.tasks if task.token == token(self.spec) and task.state in FAILED)

    def summary(self) -> str:
        """For people: what runs, in a line."""
        counted = Counter(task.token[0] for task in self.serving)
        runs = ", ".join(f"{count} on {identity_of(image).short or image}" for image, count in counted.most_common())
        told = f"{len(self.serving)} of {self.desired} tasks run" + (f": {runs}" if runs else "")
        leaving = sum(task.state == "running" and task.wanted != "running" for task in self.tasks)
        told += f", {self.coming} starting" if self.coming else ""
        return told + (f", {leaving} stopping" if leaving else "")


def read_task(entry: Mapping[str, Any]) -> Task:
    """One row of /tasks."""
    status, spec = entry.get("Status") or {}, entry.get("Spec") or {}
    inside = status.get("ContainerStatus") or {}
    return Task(
        id=str(entry["ID"]), token=token(spec), state=str(status.get("State") or ""),
        wanted=str(entry.get("DesiredState") or ""), slot=str(entry.get("Slot") or entry.get("NodeID") or ""),
        node=str(entry.get("NodeID") or ""), error=_error(status), exit_code=inside.get("ExitCode"),
        container=str(inside.get("ContainerID") or ""), at=epoch(entry.get("CreatedAt")) or 0.0,
    )  # fmt: skip


def _error(status: Mapping[str, Any]) -> str:
    if status.get("Err") or status.get("State") != "complete":
        return str(status.get("Err") or "")
    return "it ended with 0, by itself or because Swarm stops what its health check calls unhealthy"


def read_state(service: Json, tasks: list[Json]) -> State:
    """A row of /services with its rows of /tasks. Raises KeyError for another shape."""
    status = service.get("UpdateStatus") or {}
    return State(
        id=service["ID"], name=service["Spec"]["Name"], version=int(service["Version"]["Index"]), spec=service["Spec"],
        previous=service.get("PreviousSpec"), status=str(status.get("State") or ""),
        said=str(status.get("Message") or ""), updated_at=epoch(service.get("UpdatedAt")),
        tasks=tuple(sorted(map(read_task, tasks), key=lambda task: task.at, reverse=True)),
    )  # fmt: skip


async def read(engine: Engine, name: str) -> State:
    """The service of exactly this name. Raises NotFound, Unsupported where it is no manager, QuarterdeckError."""
    what = f"looking at the Swarm service {name}"
    try:
        return await engine.call(lambda c: _read(c, name, engine.source), what=what)
    except Unavailable as error:
        if _no_manager(error):
            mend = "name a source that is a manager of the Swarm (docker swarm init, docker node promote)"
            raise Unsupported(what, source=engine.source, why="this engine is no Swarm manager", mend=mend) from error
        raise


def _read(client: Any, name: str, source: str) -> State:
    # The service first: tasks that are newer than what it says only make it look unsettled.
    services = [entry for entry in client.services(filters={"name": name}) if entry["Spec"]["Name"] == name]
    if not services:
        raise NotFound(f"no Swarm service {name}", source=source, mend="docker service ls names those there are")
    tasks = list(client.tasks(filters={"service": services[0]["ID"]}))
    return read_state(services[0], tasks)


def _no_manager(error: QuarterdeckError) -> bool:
    return error.why.startswith("503") and "swarm manager" in error.why


async def swarm_services(engine: Engine) -> list[tuple[str, str, dict[str, str]]]:
    """Name, image and labels of every service; none where the engine is no manager of a Swarm.

    Raises QuarterdeckError.
    """
    try:
        found = await engine.call(lambda c: list(c.services()), what="listing the Swarm services")
    except Unavailable as error:
        if _no_manager(error):
            return []
        raise
    specs = sorted((each["Spec"] for each in found), key=lambda spec: str(spec["Name"]))
    return [(str(spec["Name"]), image_of(spec), dict(spec.get("Labels") or {})) for spec in specs]


def workload(state: State, target: str, known: Identity | None = None) -> Workload:
    """A service as releases see it. Its identity is what the service says; `running` only when every task that runs is
    of it, and as many as are wanted. What runs instead is in `state` (mixed, paused ...) and `detail`. `known` is the
    identity, completed by what is here of the image."""
    word = state.status if state.status not in ("", "completed", "rollback_completed") else ""
    if len({task.token[0] for task in state.serving}) > 1:
        word = "mixed"
    elif not state.whole:
        word = word or ("running" if state.serving else "down")
    detail = state.summary()
    if not state.whole and len(state.current) < len(state.serving):
        detail += f"; the service says {identity_of(state.image).short or state.image}"
    if state.status in HALTED:
        detail += f"; {state.said}"
    if not state.whole and state.trouble:
        detail += f"; {state.trouble[0]}"
    return Workload(
        target=target, identity=known or identity_of(state.image), running=state.whole, health=_health(state),
        state=word or "running", detail=detail, id=state.id, since=state.updated_at,
        marks=Marks.read(dict(state.spec.get("Labels") or {})),
    )  # fmt: skip


def _health(state: State) -> Any:
    if state.whole:
        return "healthy" if swarm_spec.container(state.spec).get("Healthcheck") else "none"
    return "starting" if state.rolling else "unhealthy"
