"""A Swarm service as the target of releases: the manager rolls it, and its own rollback is used and looked at.

Every write names the version of the service that was read before it, so that a manager refuses what was decided on
something else (ServiceUpdate, https://docs.docker.com/reference/api/engine/version/v1.41/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from quarterdeck_adapters.docker.release import swarm_back, swarm_images, swarm_planning, swarm_proof, swarm_spec
from quarterdeck_adapters.docker.release.calls import Calls
from quarterdeck_adapters.docker.release.swarm_lease import SwarmLease
from quarterdeck_adapters.docker.release.swarm_retained import Shelf
from quarterdeck_adapters.docker.release.swarm_roll import settle
from quarterdeck_adapters.docker.release.swarm_spec import Json
from quarterdeck_adapters.docker.release.swarm_state import Raced, State, read, workload
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unsupported
from quarterdeck_lifecycle.release.model import (
    Candidate,
    Change,
    Draft,
    Identity,
    Place,
    ProbeRule,
    Step,
    Through,
    Workload,
)
from quarterdeck_lifecycle.release.ports import Evidence, Fence, Lease, Sample, Say, Wanted

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.adapter import DockerSource

AUTH_HEADER = "X-Registry-Auth"
SLACK_S = 5.0


class SwarmTarget:
    """`ports.Target` for one service, by its exact name. `settings` has no key of its own here."""

    def __init__(self, source: DockerSource, name: str, settings: Mapping[str, str] | None = None) -> None:
        self.place = Place(kind="swarm", source=source.name, name=name)
        self.lease: Lease = SwarmLease(source.engine, source.name, name)
        self.fence: Fence | None = None
        self.settings = dict(settings or {})
        self.calls = Calls(source)
        self.shelf = Shelf(source.engine, name)

    async def state(self) -> State:
        """The service and its tasks now. Raises NotFound, Unsupported, QuarterdeckError."""
        return await read(self.calls.engine, self.place.name)

    async def look(self) -> Workload:
        """What the service says, `running` only when all of its tasks run that."""
        state = await self.state()
        return workload(state, str(self.place), await self.runs(state))

    async def runs(self, state: State) -> Identity:
        """What the service's image means: for one without a digest, what a task on this node was made from."""
        found = await swarm_images.known(self.calls, state.image)
        if not found.digest or "@" not in state.image:
            for task in state.current:
                if (made := await self.calls.container(task.container)) is not None:
                    return await swarm_images.of_container(self.calls, state.image, str(made["Image"]))
        return found

    async def resolve(self, wanted: str, name: str) -> Identity:
        """A tag or digest, as the registry has it now."""
        return await swarm_images.resolve(self.calls, wanted, name)

    async def candidates(self, service: str, environment: str) -> Sequence[Candidate]:
        """What runs, then the kept specs, then the one that Swarm holds."""
        return await swarm_planning.candidates(self, service, environment)

    async def plan(self, wanted: Wanted) -> Draft:
        """Steps retain and update; the gate is the engine's."""
        return await swarm_planning.plan(self, wanted)

    async def recheck(self, change: Change) -> None:
        """The service is as it was planned from, or as this release left it."""
        state = await self.state()
        if state.op != change.op:
            self._as_planned(state, change)

    def _as_planned(self, state: State, change: Change) -> None:
        """Raise Conflict when the service is another one than was planned from. Swarm itself writes to it too, how far
        it is; that makes another version, and changes nothing of the spec."""
        facts = change.facts
        same = str(state.version) == facts["version"] or swarm_spec.fingerprint(state.spec) == facts["print"]
        if state.rolling or state.id != facts["service"] or not same:
            raise Conflict(
                f"{self.place.name} was changed since the plan was made", source=self.place.source,
                why=f"planned from version {facts['version']}, there is {state.version} with {state.image}",
                mend="look at it, then plan again",
            )  # fmt: skip

    async def do(self, change: Change, step: Step, say: Say) -> str:
        """One step of `swarm_planning.plan`."""
        if step.name == "pull-check":
            return await self._check_image(change)
        if step.name == "retain":
            return await self._retain(change)
        if step.name == "update":
            return await self._update(change, step, say)
        if step.name == "prune":
            return await self._prune(change)
        raise Unsupported(f"a Swarm service has no step {step.name}", source=self.place.source)

    async def _check_image(self, change: Change) -> str:
        if why := await swarm_images.missing(self.calls, change.to):
            raise NotFound(f"no image {change.to.reference}", source=self.place.source, why=why)
        return f"{change.to.short} can be had; the nodes pull it when they need it"

    async def _retain(self, change: Change) -> str:
        wanted = [change.op, *([f"{change.op}.from"] if "from_previous" in change.facts else [])]
        lacking = [key for key in wanted if await self.shelf.get(self.shelf.name(key)) is None]
        if not lacking:
            return "found retained"
        state = await self.state()
        self._as_planned(state, change)
        for key in lacking:
            spec = state.spec if key == change.op else state.previous
            if spec is None:
                raise Conflict("Swarm holds no previous specification any more", source=self.place.source)
            await self.fenced()
            await self.shelf.put(key, spec)
        return f"its configuration is kept as {self.shelf.name(change.op)}"

    async def _update(self, change: Change, step: Step, say: Say) -> str:
        state, told = await self.state(), "found updated"
        image, op = state.image, state.op
        if not self._done(state, change):
            self._as_planned(state, change)
            own = await self.shelf.get(self.shelf.name(change.op))
            if own is not None and own.spec != state.spec:
                raise Conflict(
                    f"{self.place.name} was changed since its configuration was kept", source=self.place.source,
                    mend="look at it, then plan again",
                )  # fmt: skip
            kept = await self._kept(change.facts["from"]) if "from" in change.facts else state.spec
            base = swarm_planning.onto(state.spec, kept) if "from" in change.facts else state.spec
            await self.send(state, swarm_spec.forward(base, change), login=True)
            await say(f"version {state.version} of {state.name} was replaced")
            told, image, op = "updated", change.to.reference, change.op
        # A little before the step's own end, so that what the tasks wait for is said.
        state = await settle(self.state, image, op, max(1.0, step.deadline_s - SLACK_S), say)
        return f"{told}: {state.summary()}"

    def _done(self, state: State, change: Change) -> bool:
        """Whether the service says already what this change would write."""
        same = swarm_spec.identity_of(state.image).same(change.to)
        return same and (state.op == change.op or change.facts.get("same") == "yes")

    async def _kept(self, name: str) -> Json:
        found = await self.shelf.get(name)
        if found is None:
            raise NotFound(f"the configuration {name} is gone", source=self.place.source, mend="plan again")
        return found.spec

    async def _prune(self, change: Change) -> str:
        keep, dropped = max(1, int(change.facts.get("keep", "5"))), 0
        for old in (await self.shelf.all())[keep:]:
            await self.fenced()
            dropped += await self.shelf.drop(old.id)
        return f"{dropped} kept configurations removed" if dropped else "nothing to remove"

    async def clear_up(self, change: Change, say: Say) -> str:  # noqa: ARG002
        """Forget the spec that was kept."""
        found = [await self.shelf.get(self.shelf.name(key)) for key in (change.op, f"{change.op}.from")]
        for kept in found:
            if kept is not None:
                await self.fenced()
                await self.shelf.drop(kept.id)
        return ", ".join(f"{kept.name} removed" for kept in found if kept is not None) or "nothing to remove"

    async def put_back(self, change: Change, say: Say) -> str:
        """By Swarm's own rollback where it leads to what served before, else by an update that undoes ours."""
        return await swarm_back.put_back(self, change, say)

    # writes

    async def fenced(self) -> None:
        """Read the lease, right before a write. Raises LeaseLost."""
        if self.fence is not None:
            await self.fence()

    async def send(self, state: State, spec: Json, *, rollback: bool = False, login: bool = False) -> None:
        """The one write to the service. Raises Raced when it is not at the version that was read any more."""
        params: dict[str, Any] = {"version": state.version}
        if rollback:
            params["rollback"] = "previous"
        source = self.calls.source

        def send(client: Any) -> None:
            headers = registry_login(client, swarm_spec.image_of(spec)) if login and source.credentials else {}
            url = client._url("/services/{0}/update", state.id)
            answer = client._post_json(url, data=spec, params=params, headers=headers)
            client._raise_for_status(answer)

        await self.fenced()
        try:
            await self.calls.engine.call(send, what=f"updating the Swarm service {state.name}")
        except Conflict as error:
            if "out of sequence" not in error.why:
                raise
            raise Raced(
                f"{state.name} was changed in this moment", source=self.place.source,
                why="the manager refused the write, nothing was changed", mend="look at it, then decide anew",
            ) from error  # fmt: skip

    # proof

    async def endpoint(self, change: Change, through: Through) -> str:  # noqa: ARG002
        """None of its own: tasks are reached through the service."""
        return ""

    async def probe(self, change: Change, rule: ProbeRule, through: Through) -> Sample:  # noqa: ARG002
        """`engine`: what the tasks' own health checks say; `exec`: inside the tasks on this node."""
        return await swarm_proof.probe(self.calls, await self.state(), rule)

    async def evidence(self, change: Change, which: Literal["new", "old"], lines: int) -> Evidence:
        """Of the newest failed task, else of the newest."""
        return await swarm_proof.evidence(self.calls, await self.state(), change, which, lines)


def registry_login(client: Any, image: str) -> dict[str, str]:
    """The header with the operator's login for the image's registry, as docker-py reads it from the docker config."""
    from docker import auth

    registry, _ = auth.resolve_repository_name(image.partition("@")[0])
    header = auth.get_config_header(client, registry)
    return {AUTH_HEADER: header.decode("ascii") if isinstance(header, bytes) else header} if header else {}
