"""Engines for the tests of the practice engine."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from contract.docker_subjects import Practice, Subject
from contract.docker_world import NOW, DockerWorld
from parts.engine import ENGINE_PACKAGES
from quarterdeck_demo.docker import EngineSettings
from quarterdeck_demo.story import Story, build_story

SUBJECTS = ["practice", pytest.param("real", marks=pytest.mark.real(*ENGINE_PACKAGES))]


@pytest.fixture(scope="module")
def docker_practice() -> Iterator[Practice]:
    """An empty practice engine on a host like the recorded one."""
    engine = Practice(None, time.time, EngineSettings(cgroup=1, stats_interval=0.1, pull_delay=0.0))
    yield engine
    engine.close()


@pytest.fixture(params=SUBJECTS)
def dockerd(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """An engine, practice or real, with an image `test/box:1` and a network `test-net`."""
    real = request.param == "real"
    name = "fresh_engine" if real else "docker_practice"
    engine = Subject(request.getfixturevalue(name).url, real)
    try:
        engine.image()
        engine.api.create_network("test-net")
        yield engine
    finally:
        engine.clear()
        engine.close()


@pytest.fixture(scope="module")
def docker_story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The story of seed 7, which a world must copy before it changes it."""
    return build_story(7, NOW, tmp_path_factory.mktemp("story") / "s")


@pytest.fixture
def docker_world(docker_story: Story) -> Iterator[DockerWorld]:
    """The practice engine with the story."""
    made = DockerWorld(docker_story)
    yield made
    made.close()
