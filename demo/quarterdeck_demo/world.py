"""The practice world: all its servers around one story, in one private folder."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml

from quarterdeck_demo.ci import LOCAL, SERVERS, CiServer, ci_server
from quarterdeck_demo.configuration import configuration
from quarterdeck_demo.docker import DockerServer
from quarterdeck_demo.drills import Drill, load
from quarterdeck_demo.drills.stage import Stage
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.github import GitHubServer
from quarterdeck_demo.mlflow import MlflowServer
from quarterdeck_demo.prometheus import AlertmanagerServer, PrometheusServer
from quarterdeck_demo.registry import RegistryServer
from quarterdeck_demo.server import Request, Response, Server
from quarterdeck_demo.story import Story, build_story

SOCKET_PATH_LIMIT = 104
"""Bytes, the terminating one included, that a unix socket's path may have."""


class Part(Protocol):
    """A contract server: what answers its requests, and the faults it was given."""

    faults: Faults

    async def handler(self, request: Request, /) -> Response:
        """Answer one request."""


class World:
    """Servers on loopback ports and a unix socket; `servers` by name, each with its `faults` and `requests`."""

    def __init__(
        self, seed: int, folder: Path, clock: Callable[[], float] = time.time, *, drill: str = "",
        env: Mapping[str, str] | None = None, ci: Collection[str] = (*SERVERS, LOCAL),
    ) -> None:
        """`drill` names an incident to play; `env` is for the commands that its colleagues run.

        `ci` are the CI systems besides GitHub that it has, with `local` for pipelines of the operator's own machine.
        """
        self.seed, self.folder, self.clock = seed, folder, clock
        self.drill: Drill | None = load(drill) if drill else None
        self.stage: Stage | None = None
        self._env = env
        self._ci = tuple(ci)
        self.servers: dict[str, Server] = {}
        self.story: Story | None = None
        self._owned = False

    async def start(self) -> dict[str, str]:
        """Build the story, start every server, and return where they are.

        Keys: `git` (the working copies' folder), `github`, `github_token`, `mlflow`, `prometheus`, `alertmanager`,
        `registry`, `docker`, `config` (a configuration of all of it). Raises `FileExistsError` when something
        is in the folder, `ValueError` when its path is too long for a socket, `RuntimeError` when git fails.
        """
        engine_socket = self.folder / "run" / "docker.sock"
        if len(bytes(engine_socket)) >= SOCKET_PATH_LIMIT:
            raise ValueError(f"{self.folder} is too long for a unix socket in it; name a shorter folder")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise FileExistsError(f"{self.folder} is not empty; the practice world needs a folder of its own")
        self._owned = True
        self.folder.chmod(0o700)
        # The registry's address is part of the story (image references name it), and Prometheus and Alertmanager
        # name each other: these have their ports before they have a server.
        bound = {name: socket.create_server(("127.0.0.1", 0)) for name in ("registry", "prometheus", "alertmanager")}
        try:
            return await self._serve_all(bound, engine_socket)
        finally:
            for name in bound.keys() - self.servers.keys():
                bound[name].close()

    async def _serve_all(self, bound: Mapping[str, socket.socket], engine_socket: Path) -> dict[str, str]:
        hosts = {name: f"127.0.0.1:{sock.getsockname()[1]}" for name, sock in bound.items()}
        urls = {name: f"http://{host}" for name, host in hosts.items()}
        clock = self.clock
        story = build_story(self.seed, clock(), self.folder, registry=hosts["registry"])
        self.story = story = self.drill.dress(story) if self.drill else story
        registry, github = RegistryServer(story, clock), GitHubServer(story, clock)
        mlflow, docker = MlflowServer(story, clock), DockerServer(story, clock, store=registry.store)
        parts: dict[str, Part] = {
            "registry": registry,
            "github": github,
            "mlflow": mlflow,
            "prometheus": PrometheusServer(story, clock, alertmanagers=(urls["alertmanager"],)),
            "alertmanager": AlertmanagerServer(story, clock, source=urls["prometheus"]),
            "docker": docker,
        }
        ci = {name: ci_server(name, story, clock) for name in self._ci if name in SERVERS}
        for name, part in (parts | ci).items():
            server = self.servers[name] = Server(part.handler, faults=part.faults, clock=clock)
            if name == "docker":
                await server.start_unix(engine_socket)
                urls[name] = f"unix://{engine_socket}"
            else:
                urls[name] = f"http://127.0.0.1:{await server.start_tcp(bound=bound.get(name))}"
        endpoints = {"git": str(self.folder / "src"), **urls, "github_token": github.token}
        endpoints["config"] = str(self._write_configuration(story, endpoints, ci))
        if self.drill:
            self.stage = Stage(
                self.drill, story, clock, docker=docker, mlflow=mlflow, servers=self.servers, folder=self.folder,
                env=self._env,
            )
            self.stage.start()
        return endpoints

    async def stop(self) -> None:
        """End the drill and every server, and remove the folder, if `start` took it."""
        if self.stage is not None:
            await self.stage.stop()
        for server in self.servers.values():
            await server.stop()
        self.servers.clear()
        if self._owned:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write_configuration(self, story: Story, endpoints: dict[str, str], ci: Mapping[str, CiServer]) -> Path:
        token = self._secret("github", endpoints["github_token"])
        # Where the config of a user is: `XDG_CONFIG_HOME=FOLDER/config` makes it that of an operator of this world.
        path = self.folder / "config" / "quarterdeck" / "config.yaml"
        path.parent.mkdir(mode=0o700, parents=True)
        path.touch(mode=0o600)
        made = configuration(story, endpoints, token)
        sources: list[dict[str, Any]] = made["sources"]
        sources += [part.source(endpoints[name], str(self._secret(name, part.token))) for name, part in ci.items()]
        if LOCAL in self._ci:
            from quarterdeck_demo import local

            local.write_runs(story, self.clock(), self.folder / "local")
            made["pipelines"] = local.pipelines(story)
            sources.append(local.source(self.folder / "local"))
        if self.drill:
            self.drill.configure(made)
        path.write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
        return path

    def _secret(self, name: str, value: str) -> Path:
        path = self.folder / f"{name}.token"
        path.touch(mode=0o600)
        path.write_text(value + "\n", encoding="utf-8")
        return path
