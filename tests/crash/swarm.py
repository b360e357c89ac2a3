"""An arena on a Docker Swarm: one service of two tasks, rolled by the orchestrator; probed inside its overlay."""

from __future__ import annotations

from typing import Any

from crash.arena import PLACE, SERVICE, Arena, Seen, Watch
from crash.relay import Cut, Relay
from parts.registry import Registry
from parts.swarm import Swarm
from parts.swarmprobe import HEALTH, SERVE, Traffic

STEPS = (
    "lease", "preflight", "pull-check", "retain", "update", "gate", "soak", "verify", "prune", "release",
)  # fmt: skip


class Inside(Watch):
    """Requests from a container on the overlay, a name look-up for each."""

    def __init__(self, swarm: Swarm, image: str) -> None:
        self._traffic = Traffic(swarm, image, SERVICE)

    def __enter__(self) -> Inside:
        self._traffic.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._traffic.__exit__(None, None, None)

    def seen(self) -> Seen:
        """Stop, and what came; the gap is the longest request's time."""
        self._traffic.stop()
        failed = self._traffic.failed
        sent = sum(self._traffic.served.values()) + len(failed)
        return Seen(sent, len(failed), round(self._traffic.longest_s, 3), "; ".join(failed[:3]))


class Rolling(Arena):
    """The service `app`."""

    name = "swarm"
    needs = ("docker.io", "busybox-static", "docker-registry")
    steps = {
        "deploy": STEPS,
        "rollback": STEPS,
    }  # fmt: skip

    def furnish(self) -> None:
        """Swarm, registry, relay, images, service, config."""
        self.swarm = self.stack.enter_context(Swarm())
        self.registry = self.stack.enter_context(Registry())
        self.relay = self.stack.enter_context(Relay(self.swarm.socket, self.home / "r.sock"))
        self.images = {tag: self.swarm.pushed(self.registry, tag, command=SERVE) for tag in ("v1", "v2")}
        self.tags = {reference: tag for tag, reference in self.images.items()}
        self.swarm.service(SERVICE, self.images["v1"], replicas=2, networks=[self.swarm.overlay], health=HEALTH)
        source = {"name": "box", "system": "docker", "environment": PLACE, "url": f"unix://{self.home / 'r.sock'}"}
        target = {"kind": "swarm", "source": "box", "name": SERVICE}
        image = f"{self.registry.address}/team/app"
        probe = {"engine": True, "interval": "50ms"}
        self.configure({"sources": [source], **self.service(target, image=image, probe=probe)})

    def reference(self, version: str) -> str:
        """A tag."""
        return version

    def serving(self) -> set[str]:
        """The images of what runs and of what is wanted."""
        wanted = self.swarm.spec(SERVICE)["TaskTemplate"]["ContainerSpec"]["Image"]
        found = {*self.swarm.running(SERVICE), wanted}
        return {self._tag(reference) for reference in found}

    def _tag(self, reference: str) -> str:
        digest = reference.rpartition("@")[2]
        return next((tag for known, tag in self.tags.items() if known.endswith(digest)), reference)

    def left(self) -> list[str]:
        """Leases are config objects."""
        names = [config["Spec"]["Name"] for config in self.swarm.api.configs()]
        return [f"config {name} is left" for name in names if name.startswith("qd-lease")]

    def snapshot(self) -> Any:
        """The service's version: every write to it makes another."""
        return self.swarm.api.inspect_service(SERVICE)["Version"]["Index"]

    def watch(self) -> Watch:
        """Requests inside the overlay."""
        return Inside(self.swarm, self.images["v1"])

    def cut(self, how: Cut) -> None:
        """The engine's socket."""
        self.relay.cut(how)

    def mend(self) -> None:
        """The engine's socket."""
        self.relay.mend()
