"""The practice engine with the story, on a clock that the test moves."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import docker

from contract.docker_subjects import Practice
from quarterdeck_demo.docker import EngineSettings
from quarterdeck_demo.story import Story

NOW = 1_795_412_000.0
MINUTE = 60.0


class Clock:
    """Epoch seconds that go on only when told."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class DockerWorld:
    """A practice engine with the story, its clock, and clients of it."""

    def __init__(self, story: Story, **settings: Any) -> None:
        self.clock = Clock()
        self.story = dataclasses.replace(story, timeline=copy.deepcopy(story.timeline))
        settings = {"stats_interval": 0.05, "pull_delay": 0.0, **settings}
        self.engine = Practice(self.story, self.clock, EngineSettings(**settings))
        self._clients: list[docker.APIClient] = []
        self.api = self.client()

    def client(self, version: str = "1.47") -> docker.APIClient:
        """A client; each thread needs its own."""
        client = docker.APIClient(base_url=self.engine.url, version=version, timeout=20)
        self._clients.append(client)
        return client

    def live(self, seconds: float, step: float = 1.0) -> None:
        """Let time go by in steps, with somebody looking."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now = min(self.clock.now + step, end)
            self.api.ping()

    def actions(self, name: str, since: float) -> list[str]:
        """The actions of a container's events since a time, without those of health checks."""
        found = self.events(since, container=name)
        return [event["Action"] for event in found if not event["Action"].startswith("exec_")]

    def events(self, since: float = NOW - 1, **filters: str) -> list[Any]:
        """What happened since a time, in order; things of one moment are nanoseconds apart."""
        self.clock.now += 0.001
        return list(self.api.events(since=since, until=self.clock.now, filters=filters, decode=True))

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.engine.close()
