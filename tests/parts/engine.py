"""A private Docker engine beside any other, with no bridge and no firewall rule of its own (dockerd's manual page)."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import docker
import httpx
import psutil
import requests

from parts import images, traces
from parts.needs import missing, program
from parts.process import LEAN_GO, Part, Process, clean_env, end_all, scratch, wait_until

ENGINE_PACKAGES = ("docker.io", "busybox-static")
# PID 1 ignores SIGTERM unless it has a handler, and a stop would take its whole time-out.
IDLE = ("sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait")


class Engine(Part):
    """dockerd on a unix socket. `api` is docker-py's low-level client, `client` the high-level one.

    There is no default bridge: a container names a network ("none", "host", or one made by `network`).
    Give `data_root` to put images and containers elsewhere, for example on a small tmpfs.
    """

    def __init__(self, data_root: Path | None = None, arguments: Sequence[str] = ()) -> None:
        # A unix socket's path has at most 107 bytes, so the folder's name is short.
        self.folder = scratch("qd-")
        self._disk = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
        self.socket = self.folder / "d.sock"
        self.url = f"unix://{self.socket}"
        self.data_root = data_root or self.folder / "data"
        self.exec_root = self.folder / "x"
        self.pidfile = self.folder / "pid"
        self.pool = free_pool()
        self._clients: list[docker.APIClient] = []
        self._api: docker.APIClient | None = None
        flags = "--bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false"
        self.process = Process(
            [
                *(program("dockerd"), "-H", self.url, *flags.split(), "--shutdown-timeout", "3"),
                *("--data-root", str(self.data_root), "--exec-root", str(self.exec_root)),
                *("--pidfile", str(self.pidfile)),
                *("--default-address-pool", f"base={self.pool}.0.0/16,size=24", *arguments),
            ],
            self.folder / "log",
            # It runs itself for each network of each container that starts, and hands this on to all below it.
            clean_env(self.folder, LEAN_GO),
        )

    @staticmethod
    def missing() -> str | None:
        """Why it cannot run here, naming the package that would bring it."""
        return next(filter(None, map(missing, ENGINE_PACKAGES)), None)

    @property
    def api(self) -> docker.APIClient:
        """One low-level client for the test's own thread (a requests session is not thread-safe)."""
        if self._api is None:
            self._api = self.new_api()
        return self._api

    def new_api(self, timeout: int = 60) -> docker.APIClient:
        """Another low-level client, closed with the engine."""
        client = docker.APIClient(base_url=self.url, version="auto", timeout=timeout)
        self._clients.append(client)
        return client

    @property
    def env(self) -> dict[str, str]:
        """What points a program at this engine."""
        return {"DOCKER_HOST": self.url}

    def start(self) -> None:
        """Start the engine, after a crash too, and wait until it answers."""
        if self.process.alive:
            return
        self._recover()
        self._settle()
        self.process.start()
        self.process.wait_ready(self._answers, "it answered")

    def stop(self) -> None:
        """End the engine; its containers end with it, its images, networks and containers stay on its disk."""
        self.process.stop(grace=30)

    def kill(self) -> None:
        """kill -9: containerd, the shims and the containers go on without the engine."""
        if self.process.alive:
            psutil.Process(self.process.pid).kill()
            wait_until(lambda: not self.process.alive, "dockerd to end")

    def clear(self) -> None:
        """Remove every container, network, volume and image, between two tests."""
        for container in self.api.containers(all=True):
            # 404 and 409: it is gone, or on its way because it was run with auto-remove.
            with contextlib.suppress(docker.errors.APIError):
                self.api.remove_container(container["Id"], force=True, v=True)
        wait_until(lambda: not self.api.containers(all=True), "the containers to go")
        self.api.prune_networks()
        for volume in self.api.volumes()["Volumes"] or []:
            self.api.remove_volume(volume["Name"], force=True)
        for image in self.api.images(all=True):
            with contextlib.suppress(docker.errors.APIError):
                self.api.remove_image(image["Id"], force=True)

    def image(
        self,
        reference: str = "quarterdeck/busybox:1",
        labels: Mapping[str, str] | None = None,
        command: Sequence[str] = IDLE,
        changes: Sequence[str] = (),
        files: Mapping[str, str] | None = None,
    ) -> str:
        """Make an image of busybox without a pull, and answer its id. `changes` are Dockerfile instructions, `files`
        maps absolute paths to contents, so that two images differ."""
        repository, _, tag = reference.rpartition(":")
        dockerfile = [f"CMD {json.dumps(list(command))}", *changes]
        dockerfile += [f"LABEL {images.quote(key)}={images.quote(value)}" for key, value in (labels or {}).items()]
        self.api.import_image_from_data(images.busybox_tar(files), repository, tag, changes=dockerfile)
        return str(self.api.inspect_image(reference)["Id"])

    def load_image(self, reference: str, config: Mapping[str, Any], created: str = "2026-01-01T00:00:00Z") -> str:
        """Load an image whose `config` (Labels, Env, Cmd, ...) is taken as it is, control characters included."""
        list(self.api.load_image(images.archive(reference, config, created)))
        return str(self.api.inspect_image(reference)["Id"])

    def network(self, name: str, **options: Any) -> str:
        """Make a bridge network in this engine's own address pool, and answer its id."""
        return str(self.api.create_network(name, driver="bridge", check_duplicate=True, **options)["Id"])

    def run(
        self,
        image: str,
        command: Sequence[str] | None = None,
        *,
        name: str | None = None,
        network: str = "none",
        host: Mapping[str, Any] | None = None,
        start: bool = True,
        **options: Any,
    ) -> str:
        """Create and start a container, and answer its id. `host` goes to create_host_config, `options` to
        create_container."""
        host_config = self.api.create_host_config(network_mode=network, **(host or {}))
        made = self.api.create_container(
            image, list(command) if command else None, name=name, host_config=host_config, **options
        )
        if start:
            self.api.start(made["Id"])
        return str(made["Id"])

    def close(self) -> None:
        """End the engine and remove its containers, shims, mounts, bridges and folder."""
        if self.process.alive:
            with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
                for container in self.api.containers():
                    self.api.kill(container["Id"])
        for client in self._clients:
            client.close()
        self._clients, self._api = [], None
        self.stop()
        end_all(self._processes())
        traces.remove_bridges(self.pool)
        traces.unmount_below(self.folder)
        shutil.rmtree(self.folder)
        shutil.rmtree(self._disk)

    def leftovers(self) -> list[str]:
        """Processes, mounts, bridges and folders that are still there."""
        left = super().leftovers()
        left += [f"process {each.pid}" for each in self._processes()]
        left += [f"mount {each}" for each in traces.mounts_below(self.folder)]
        left += [f"bridge {each}" for each in traces.bridges(self.pool)]
        return left + [f"folder {each}" for each in (self.folder, self._disk) if each.exists()]

    def _settle(self) -> None:
        """Let containerd write its few rows to the disk: it looks for garbage 50 times as long after a look as that
        took, so that in memory it looks 40 times a second. A data root that was given holds all."""
        containerd = self.data_root / "containerd"
        if self.data_root.parent == self.folder and not containerd.is_symlink():
            self.data_root.mkdir()
            containerd.symlink_to(self._disk)

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket), verify=False), timeout=5) as client:
            try:
                return client.get("http://engine/_ping").status_code == 200
            except httpx.TransportError:
                return False

    def _recover(self) -> None:
        containerd = self.exec_root / "containerd" / "containerd.pid"
        end_all([each for each in self._processes() if _name(each) == "containerd"])
        containerd.unlink(missing_ok=True)
        self.pidfile.unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)

    def _processes(self) -> list[psutil.Process]:
        """containerd, shims and what runs in containers: all that name this engine's folder, and what is below."""
        found: dict[int, psutil.Process] = {}
        for each in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if each.status() != psutil.STATUS_ZOMBIE and any(
                    str(self.exec_root) in argument for argument in each.cmdline()
                ):
                    found.update({below.pid: below for below in [each, *each.children(recursive=True)]})
        return list(found.values())


def _name(process: psutil.Process) -> str:
    """Its name; empty when it has ended meanwhile (the programs in containers come and go)."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.name()
    return ""


def free_pool() -> str:
    """Two octets of a /16 in which this machine has no address yet, so that its bridges are known as ours."""
    used = {address.address.rpartition(".")[0] for each in psutil.net_if_addrs().values() for address in each}
    used_pools = {prefix.rpartition(".")[0] for prefix in used}
    return random.choice([pool for pool in (f"10.{octet}" for octet in range(128, 250)) if pool not in used_pools])
