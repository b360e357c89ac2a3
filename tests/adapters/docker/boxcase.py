"""A container `app` that is released: on the practice engine or a real one, with a registry it can be pulled from."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from parts.process import quiet_port
from quarterdeck_adapters.docker.release.container import ContainerTarget
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Change, Draft, GateRule, Identity, ProbeRule, Step
from quarterdeck_lifecycle.release.ports import Holder, Sample, Wanted

from .conftest import Rig, until

SERVICE, ENV = "shop", "prod"
SERVES = 'CMD ["sh", "-c", "trap \'exit 0\' TERM; echo up; while true; do sleep 0.05; done"]'
PORT = str(quiet_port())


class Killed(Exception):
    """The runner is dead."""


class Box:
    """The engine, its registry, and what a test does to `app`."""

    def __init__(self, rig: Rig, registry: Any) -> None:
        self.rig, self.registry, self.source = rig, registry, rig.source
        self.api = rig.subject.api
        self.host = f"127.0.0.1:{registry.port}" if registry is not None else "127.0.0.1:5000"
        self.repository = f"{self.host}/team/app"
        self.said: list[str] = []

    def image(self, tag: str, *changes: str, keep: bool = False) -> str:
        """Build an image, push it as this tag; its digest. It is not left on the engine unless `keep`."""
        self.rig.subject.image(f"{self.repository}:{tag}", changes=(SERVES, f"LABEL build={tag}", *changes))
        for line in self.api.push(self.repository, tag=tag, stream=True, decode=True):
            assert "error" not in line, line
        digest = self.api.inspect_distribution(f"{self.repository}:{tag}")["Descriptor"]["digest"]
        if not keep:
            self.api.remove_image(f"{self.repository}:{tag}")
        return str(digest)

    def start(self, tag: str = "1", name: str = "app", **body: Any) -> str:
        """Run `app` from that tag, with a fixed host port and `restart: always` unless the test says otherwise."""
        host = {
            "NetworkMode": "test-net",
            "RestartPolicy": {"Name": "always"},
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": PORT}]},
            **body.pop("HostConfig", {}),
        }
        made = self.rig.subject.raw(
            "POST", f"/containers/create?name={name}",
            {"Image": f"{self.repository}:{tag}", "HostConfig": host, "ExposedPorts": {"8080/tcp": {}}, **body},
        )  # fmt: skip
        assert made.status_code == 201, made.text
        id = str(made.json()["Id"])
        assert self.rig.subject.raw("POST", f"/containers/{id}/start").status_code == 204
        return id

    def off(self) -> None:
        """The registry does not answer any more."""
        if self.registry is not None:
            self.registry.stop()
        else:
            self.rig.practice.docker.supply.host = "elsewhere.invalid"

    def target(self, name: str = "app", **settings: str) -> ContainerTarget:
        """The release target."""
        made = self.source.target("container", name, {"stop_timeout": "5", **settings})
        assert isinstance(made, ContainerTarget)
        return made

    async def draft(self, target: ContainerTarget, to: Identity | str, op: str = "op-1", **more: Any) -> Draft:
        """A plan for this target, to a tag or an identity."""
        if isinstance(to, str):
            to = await target.resolve(to, self.repository)
        back = (await target.look()).identity
        rules = {"probe": ProbeRule(engine=True), "gate": GateRule(), "keep": 5, "revision": 1} | more
        wanted = Wanted(
            kind="deploy", op=op, service=SERVICE, environment=ENV, to=to, back=back, actor="ada (1000)",
            at="2026-01-02T03:04:05Z", **rules,
        )  # fmt: skip
        return await target.plan(wanted)

    async def say(self, line: str) -> None:
        """Keep what a step said."""
        self.said.append(line)

    async def do(self, target: ContainerTarget, change: Change, step: Step) -> str:
        """One step, with the permit that the release engine would hold."""
        with permit("local"):
            return await target.do(change, step, self.say)

    async def release(self, target: ContainerTarget, draft: Draft, last: str = "") -> list[str]:
        """All steps but gates, in order; up to and with the step called `last`."""
        said = []
        for step in draft.steps:
            if step.phase != "gate":
                said.append(await self.do(target, draft.change, step))
            if step.name == last:
                break
        return said

    async def put_back(self, target: ContainerTarget, change: Change) -> str:
        """What a failed release does."""
        with permit("local"):
            return await target.put_back(change, self.say)

    async def sampled(self, target: ContainerTarget, change: Change, rule: ProbeRule, verdict: str) -> Sample:
        """The sample with this verdict, once there is one."""

        async def look() -> Sample | None:
            found = await target.probe(change, rule, "traffic")
            return found if found.verdict == verdict else None

        found: Sample = await until(look, f"a {verdict}")
        return found

    def inspect(self, name: str = "app") -> Mapping[str, Any]:
        """A container as the engine says it."""
        return dict(self.api.inspect_container(name))

    def names(self) -> list[str]:
        """Every container's name."""
        return sorted(each["Names"][0].removeprefix("/") for each in self.api.containers(all=True))

    def running(self) -> list[str]:
        """The names of those that run."""
        return sorted(each["Names"][0].removeprefix("/") for each in self.api.containers())

    async def stopped_at(self, target: ContainerTarget, work: Awaitable[Any], write: int) -> bool:
        """Do `work` and die right before its write of this number (from 0). Whether that many were to be made."""
        count = 0

        async def fence() -> None:
            nonlocal count
            if count == write:
                raise Killed
            count += 1

        target.fence = fence
        try:
            await work
        except Killed:
            return True
        finally:
            target.fence = None
        return False

    def as_before(self, id: str, *, others: Sequence[str] = ()) -> None:
        """`app` is this very container, runs with its policy, and nothing else is left."""
        found = self.inspect()
        assert found["Id"] == id
        assert found["State"]["Running"]
        assert found["HostConfig"]["RestartPolicy"]["Name"] == "always"
        assert self.names() == sorted(["app", *others])


def holder(op: str = "op-1", **more: Any) -> Holder:
    """Who takes a lease."""
    known = {"service": SERVICE, "environment": ENV, "owner": "ada", "host": "bastion", "since": "2026-01-02T03:04:05Z"}
    return Holder(op=op, **{**known, **more})
