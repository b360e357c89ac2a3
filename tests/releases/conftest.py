"""What tests of real releases share: a practice world for each module, an engine of their own for all of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crash.containers import StopStart
from parts.releasing import ReleaseWorld


@pytest.fixture(scope="session")
def stop_start() -> Iterator[StopStart]:
    """A service on an engine of its own, deployed and rolled back once; every test leaves it settled."""
    with StopStart() as made:
        yield made


@pytest.fixture(scope="module")
def shared_world() -> Iterator[ReleaseWorld]:
    with ReleaseWorld() as made:
        yield made


@pytest.fixture
def world(shared_world: ReleaseWorld) -> Iterator[ReleaseWorld]:
    """One world for all: each test finds it settled, with one version or the other serving."""
    shared_world.reset()
    yield shared_world
    shared_world.settle()
