"""A private engine that is a Swarm of one manager, with no address, bridge or port that another one here could have.

Without ip_vs in the kernel virtual IPs and the routing mesh are dead: services use dnsrr (`docker service create
--endpoint-mode`) on an overlay network.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

import docker
from docker.types import ContainerSpec, Healthcheck, RestartPolicy, RollbackConfig, TaskTemplate, UpdateConfig

from parts.engine import IDLE, Engine
from parts.process import wait_until
from parts.registry import Registry

NANO = 1_000_000_000
GATEWAY = "docker_gwbridge"


class Swarm(Engine):
    """An engine with `swarm init` done, on a loopback address of its own, and an overlay network `overlay`."""

    overlay = "over"

    def __init__(self) -> None:
        super().__init__()
        self._pushed: dict[str, str] = {}

    def start(self) -> None:
        """Start the engine and make it a manager; one that was a manager before its end is one again."""
        if self.process.alive:
            return
        super().start()
        if self.api.info()["Swarm"]["LocalNodeState"] == "inactive":
            # The gateway bridge has a fixed name in the kernel, unless the network is there already.
            bridge = {"com.docker.network.bridge.name": f"qd{random.randrange(16**8):08x}"}
            self.api.create_network(GATEWAY, driver="bridge", options=bridge)
            address = f"127.{random.randrange(2, 250)}.{random.randrange(1, 250)}.{random.randrange(1, 250)}"
            self.api.init_swarm(listen_addr=f"{address}:2377", advertise_addr=address)
            self.api.create_network(self.overlay, driver="overlay", attachable=True)
        wait_until(lambda: self.api.nodes()[0]["Status"]["State"] == "ready", "the node to be ready")

    def close(self) -> None:
        """Leave the Swarm, so that its networks go, and end the engine."""
        if self.process.alive:
            with contextlib.suppress(docker.errors.APIError):
                self.clear_services()
            with contextlib.suppress(docker.errors.APIError):
                self.api.leave_swarm(force=True)
        super().close()

    def clear_services(self) -> None:
        """Remove every service and config object; the containers of their tasks end by and by."""
        for service in self.api.services():
            self.api.remove_service(service["ID"])
        for config in self.api.configs():
            self.api.remove_config(config["ID"])

    def pushed(
        self, registry: Registry, tag: str, *, command: Sequence[str] = IDLE, files: Mapping[str, str] | None = None,
        changes: Sequence[str] = (), login: Mapping[str, str] | None = None,
    ) -> str:  # fmt: skip
        """Make an image once, push it and answer `repository@sha256:...`; it is here too."""
        reference = f"{registry.address}/team/app:{tag}"
        if reference in self._pushed:
            return self._pushed[reference]
        self.image(reference, command=command, files={"/srv/version": tag, **(files or {})}, changes=changes)
        for line in self.api.push(reference, stream=True, decode=True, auth_config=dict(login) if login else None):
            if "error" in line:
                raise RuntimeError(line["error"])
        self._pushed[reference] = str(self.api.inspect_image(reference)["RepoDigests"][0])
        return self._pushed[reference]

    def service(
        self,
        name: str,
        image: str,
        *,
        replicas: int = 1,
        order: str = "start-first",
        action: str = "pause",
        networks: Sequence[str] = (),
        env: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        health: Sequence[str] = (),
        monitor_s: float = 0.1,
        wait: bool = True,
        **container: Any,
    ) -> str:
        """Make a service whose tasks stop fast and whose rolls are watched for a short time; wait until it runs."""
        # Each check is a process of runc, in the container and around it: a twentieth of a second of a core.
        check = Healthcheck(test=["CMD", *health], interval=NANO * 2 // 5, retries=3, timeout=NANO) if health else None
        inside = ContainerSpec(
            image, env=list(env) or None, stop_grace_period=2 * NANO, healthcheck=check, init=True, **container
        )
        pace = {"parallelism": 1, "delay": 0, "monitor": int(monitor_s * NANO), "order": order}
        made = self.api.create_service(
            TaskTemplate(inside, networks=list(networks), restart_policy=RestartPolicy("any", delay=NANO // 5)),
            name=name, labels=dict(labels or {}), mode={"Replicated": {"Replicas": replicas}},
            endpoint_spec={"Mode": "dnsrr"} if networks else None,
            update_config=UpdateConfig(failure_action=action, **pace),
            rollback_config=RollbackConfig(failure_action="pause", **pace),
        )  # fmt: skip
        if wait:
            wait_until(lambda: len(self.running(name)) == replicas, f"{name} to run")
        return str(made["ID"])

    def settled(self, service: str, image: str) -> bool:
        """Whether Swarm is done with the last update of a service, and runs this image alone."""
        status = self.api.inspect_service(service).get("UpdateStatus") or {}
        done = status.get("State") in ("completed", "rollback_completed")
        return done and set(self.running(service)) == {image}

    def drop(self, reference: str) -> None:
        """Remove an image that `pushed` made, from this engine alone."""
        for container in self.api.containers(all=True, filters={"ancestor": reference}):
            # Swarm removes those of a service that went.
            with contextlib.suppress(docker.errors.APIError):
                self.api.remove_container(container["Id"], force=True)
        wait_until(lambda: not self.api.containers(all=True, filters={"ancestor": reference}), "its containers to go")
        self._pushed = {tag: pushed for tag, pushed in self._pushed.items() if pushed != reference}
        self.api.remove_image(self.api.inspect_image(reference)["Id"], force=True)

    def running(self, service: str) -> list[str]:
        """The images of the tasks that run and are meant to."""
        return [
            str(task["Spec"]["ContainerSpec"]["Image"])
            for task in self.api.tasks(filters={"service": service})
            if task["Status"]["State"] == "running" and task["DesiredState"] == "running"
        ]

    def spec(self, service: str) -> dict[str, Any]:
        """A service's spec as it is now."""
        found: dict[str, Any] = self.api.inspect_service(service)["Spec"]
        return found

    def update(self, service: str, **labels: str) -> None:
        """Add labels to a service, as `docker service update --label-add` does."""
        now = self.api.inspect_service(service)
        now["Spec"].setdefault("Labels", {}).update(labels)
        self.put(service, now["Spec"])

    def put(self, service: str, spec: Mapping[str, Any]) -> None:
        """Set a service's spec."""
        version = self.api.inspect_service(service)["Version"]["Index"]
        answer = self.api._post_json(
            self.api._url("/services/{0}/update", service), data=spec, params={"version": version}
        )
        self.api._raise_for_status(answer)
