"""The practice world that the tests of real releases share, one for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parts.releasing import ReleaseWorld


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
